"""Heads of cats and dogs: breed and box, from ImageNet and from random weights.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/localization_pets.py ../shared/data

MobileNetV2 0.35 at 224 px, by ``tl.fit``: the head alone first, then everything, at one rate for
all of it; from random weights, as many epochs of everything, after BatchNorm has taken the
statistics of a batch.  Settings were chosen on "val"; ``tl.fit`` gets no validation data and keeps
the last epoch, and the figures are of the test part, which is the same for every seed.  Seconds
are of ``tl.fit`` alone, of the clock and of the processor.
"""

import argparse
import json
import time
from pathlib import Path

import dense_data
import keras
import numpy as np

import tl_keras as tl
from tl_keras.backbones.calibration import calibrate_batch_norm

FIGURES = ("mean_iou", "accuracy", "accuracy_at_iou50")
SIZE = 224


def recipe(options, scratch: bool):
    """The stages, by the learning rate of the head; of lower layers, by ``--bottom``."""
    common = {"augment": options.augment, "patience": 1000}
    epochs = options.epochs + (options.head_epochs if scratch else 0)
    stages = [tl.Stage("all", epochs, "all", learning_rate=options.rate, **common)]
    if not scratch:
        stages.insert(0, tl.Stage("head", options.head_epochs, learning_rate=2e-3, **common))
    return tl.Recipe("localize", tuple(stages), bottom_rate=options.bottom, clip_norm=5.0)


def measure(parts, options, seed: int) -> dict:
    """Trains and measures once."""
    scratch, train = options.weights == "none", parts["train"]
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    model = tl.build_localizer(
        "mobilenet_v2_035", len(train.class_names), image_size=SIZE,
        weights=None if scratch else options.weights,
    )  # fmt: skip
    if scratch:
        images, _ = next(iter(train.dataset(64, SIZE, resize="stretch", shuffle=True, seed=seed)))
        calibrate_batch_norm(model, np.asarray(images))
    start = time.perf_counter(), time.process_time()
    run = tl.fit(
        model, train, task="localize", recipe=recipe(options, scratch), seed=seed,
        batch_size=options.batch, cache="memory", pretrained=not scratch, verbose=False,
    )  # fmt: skip
    seconds = time.perf_counter() - start[0], time.process_time() - start[1]
    found = {"seed": seed, "seconds": seconds[0], "processor_seconds": seconds[1]}
    found["loss"] = run.history[-1]["loss"]
    for part in ("val", "test"):
        figures = run.evaluate(parts[part])
        found[part] = {name: figures[name] for name in FIGURES}
        found[part]["guessed_iou"] = figures["guessed_iou"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder in which pets/ is")
    parser.add_argument("--weights", default="imagenet", help="imagenet, or none: random")
    parser.add_argument("--head-epochs", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=24, help="with the base unfrozen")
    parser.add_argument("--rate", type=float, default=5e-4, help="of the second stage")
    parser.add_argument("--bottom", type=float, default=1.0, help="share of it for lower layers")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--augment", default="light")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args()
    dense_data.SHARED = options.data
    parts, runs = dense_data.load_dense("pets-heads"), []
    for seed in options.seeds:
        runs.append(measure(parts, options, seed))
        told = {name: round(runs[-1]["test"][name]["value"], 3) for name in FIGURES}
        print(
            f"seed {seed}: {told}, {runs[-1]['seconds']:.0f} s, "
            f"{runs[-1]['processor_seconds']:.0f} of the processor",
            flush=True,
        )
        if options.output:  # after each, so that a run cut short leaves what it has
            kept = {**vars(options), "data": options.data.name, "output": None, "runs": runs}
            options.output.write_text(json.dumps(kept, indent=1) + "\n")
    for name in FIGURES:
        values = [run["test"][name]["value"] for run in runs]
        print(f"{name}: {np.mean(values):.3f} ± {np.std(values):.3f} over {len(values)} seeds")


if __name__ == "__main__":
    main()
