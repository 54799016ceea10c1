"""Boxes and masks on the real sets: what ``tl.fit`` reaches from ImageNet and from random weights.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/dense_tasks.py --data nuclei

MobileNetV2 0.35.  The head trains alone first, then everything: AdamW, lower stages at lower rates,
gradients clipped at a norm of 5, the rest as ``SETTINGS`` has it.  From random weights both stages
train everything, after BatchNorm of the base has taken the statistics of a batch.

Figures are of the test part.  Settings were tried on "val" (of nuclei, on a part of the 30 images);
but the ten test images of nuclei were also looked at while a fault was sought, so that its figure
is not blind.  ``tl.fit`` is given no validation data, so that it keeps the last epoch; where
answers need a threshold (counts), it is tuned on "val", of nuclei on the training images.  Seconds
are of ``tl.fit`` alone, of the clock and of the processor.

Each run is one JSON file in --output; runs that are there are skipped.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from dense_data import SETS, load_dense

BACKBONE = "mobilenet_v2_035"


class Settings(NamedTuple):
    """How a set is trained.

    Attributes:
        size: Side of the model's square input, px.
        head: Epochs of the head alone.
        epochs: Epochs of everything.
        batch: Images of a step.
        resize: How pictures are made square.
        augment: Preset of ``tl_keras.data.augment``.
        rate: Peak rate of the second stage; that of the first is 2e-3.
        bottom: Rate of the base's lowest stage as a fraction of the head's.
        decoder: Of tasks that answer by pixel.
        detector: Its head.
        source: The set, where the entry has another name.
    """

    size: int
    head: int
    epochs: int
    batch: int = 8
    resize: str = "stretch"
    augment: str = "light"
    rate: float = 2e-3
    bottom: float = 0.3
    decoder: str | None = None
    detector: str | None = None
    source: str | None = None


SETTINGS = {
    "nuclei": Settings(256, 5, 45, batch=4, decoder="fpn"),
    "pets-heads": Settings(224, 2, 24, rate=5e-4, bottom=1.0),
    "bccd": Settings(256, 2, 12),
    "bccd-yolov8": Settings(256, 2, 12, detector="yolov8", source="bccd"),
    "pets-trimaps": Settings(224, 1, 4, decoder="fpn"),
    "camvid": Settings(224, 2, 16, decoder="fpn"),
    "magnetic-tile": Settings(224, 2, 10, resize="pad", decoder="unet"),
}


def build(task: str, names: tuple[str, ...], settings: Settings, weights: str | None):
    """The model to train."""
    from tl_keras.builders.detector import build_detector
    from tl_keras.builders.instance_segmenter import build_instance_segmenter
    from tl_keras.builders.localizer import build_localizer
    from tl_keras.builders.segmenter import build_segmenter

    builder = {
        "localize": build_localizer, "detect": build_detector, "segment": build_segmenter,
        "instances": build_instance_segmenter,
    }[task]  # fmt: skip
    given = {"decoder": settings.decoder, "head": settings.detector}
    options = {name: value for name, value in given.items() if value is not None}
    return builder(BACKBONE, len(names), image_size=settings.size, weights=weights, **options)


def measure(data: str, weights: str, seed: int) -> dict:
    """Trains and measures once."""
    import keras
    import numpy as np

    import tl_keras as tl
    from tl_keras.backbones.calibration import calibrate_batch_norm
    from tl_keras.training.recipes import Recipe

    settings = SETTINGS[data]
    source = settings.source or data
    task, parts = SETS[source][0], load_dense(source)
    train = parts["train"]
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    scratch = weights == "none"
    model = build(task, train.class_names, settings, None if scratch else weights)
    common = {"augment": settings.augment, "patience": 1000}
    if scratch:
        images, _ = next(
            iter(train.dataset(64, settings.size, resize=settings.resize, shuffle=True, seed=seed))
        )
        calibrate_batch_norm(model, np.asarray(images))
    # Two stages in any case: from the second on, fit holds the norms of the decoder.
    first, unfrozen = ("start", "all") if scratch else ("head", 0)
    stages = [
        tl.Stage(first, settings.head, unfrozen, learning_rate=2e-3, **common),
        tl.Stage("all", settings.epochs, "all", learning_rate=settings.rate, **common),
    ]
    started = time.perf_counter(), time.process_time()
    recipe = Recipe("dense", tuple(stages), bottom_rate=settings.bottom, clip_norm=5.0)
    run = tl.fit(
        model, train, task=task, recipe=recipe, seed=seed,
        batch_size=settings.batch, resize=settings.resize, cache="memory", verbose=False,
        pretrained=not scratch,
    )  # fmt: skip
    seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    run.validate(parts.get("val", train))
    return {
        "data": data, "weights": weights, "seed": seed, "settings": settings._asdict(),
        "images": {part: len(table) for part, table in parts.items()},
        "seconds": seconds[0], "processor_seconds": seconds[1],
        "last_loss": run.history[-1]["loss"],
        "tuned_on": told(run.metrics),
        "answers_from": run.settings,
        "test": run.evaluate(parts["test"]),
    }  # fmt: skip


def told(metrics: dict) -> dict[str, float]:
    """The figures to show, by name."""
    names = (
        "mean_iou", "accuracy", "accuracy_at_iou50", "ap50", "ap", "panoptic_quality",
        "count_error", "pixel_accuracy", "boundary_f1",
    )  # fmt: skip
    return {name: metrics[name]["value"] for name in names if name in metrics}


def classes(metrics: dict) -> dict[str, float]:
    """IoU or AP50 of each class."""
    found = {}
    for row in metrics["per_class"]:
        figure = next((row[key] for key in ("iou", "ap50", "mean_iou") if key in row), None)
        if figure is not None:
            found[row["name"]] = figure["value"]
    return found


def table(folder: Path) -> str:
    """All runs of a folder in Markdown: on the test part, mean and deviation over seeds."""
    lines = [
        "| data | weights | seeds | figures | by class | s, clock | s, processor |",
        "|---|---|---|---|---|---|---|",
    ]
    for data in SETTINGS:
        for weights in ("imagenet", "bundled", "none"):
            files = sorted(folder.glob(f"{data}-{weights}-[0-9]*.json"))
            if not files:
                continue
            runs = [json.loads(file.read_text()) for file in files]
            cells = [spread([pick(run["test"]) for run in runs]) for pick in (told, classes)]
            seconds = [
                f"{statistics.mean(run[key] for run in runs):.0f}"
                for key in ("seconds", "processor_seconds")
            ]
            row = (data, weights, str(len(runs)), *cells, *seconds)
            lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def spread(rows: list[dict[str, float]]) -> str:
    """Mean of each figure, and its standard deviation where there are several seeds."""
    cells = []
    for name in rows[0]:
        column = [row[name] for row in rows if row.get(name) is not None]
        if column:
            around = f" ± {statistics.stdev(column):.3f}" if len(column) > 1 else ""
            cells.append(f"{name} {statistics.mean(column):.3f}{around}")
    return ", ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=list(SETS), choices=list(SETTINGS))
    parser.add_argument("--weights", nargs="+", default=["imagenet", "none"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("dense_tasks"), help="a folder")
    parser.add_argument("--table", action="store_true", help="only tell what is there")
    options = parser.parse_args()
    if options.table:
        print(table(options.output))
        return
    options.output.mkdir(parents=True, exist_ok=True)
    # Seeds outermost: whatever ends it early, every set has been tried.
    for seed in options.seeds:
        for weights in options.weights:
            for data in options.data:
                file = options.output / f"{data}-{weights}-{seed}.json"
                if file.exists():
                    continue
                found = measure(data, weights, seed)
                partial = file.with_suffix(".partial")
                partial.write_text(json.dumps(found, indent=1) + "\n")
                partial.replace(file)
                print(data, weights, seed, told(found["test"]), flush=True)
    print(table(options.output))


if __name__ == "__main__":
    main()
