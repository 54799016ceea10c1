"""What it saves to compute the frozen part once: epochs, whole runs, runtimes.

    python benchmarks/feature_cache.py ../shared/data/hymenoptera

Plain Keras as in its transfer-learning guide: ``image_dataset_from_directory``, the base frozen,
``compile``, ``fit``.  The same network, batch of 32, images and number of epochs, both with
validation after each epoch, both in this process, from the folder to the trained head; ours also
decodes every file once to check it, and evaluates at the end.  ``--repeats`` alternates the two;
the quickest epoch and the quickest run of each count.  Processor seconds, of all threads, stand
beside: they depend less on what else the machine does.  The weights must stand in KERAS_HOME.
Runtimes are measured on decoded images, without their conversion, which stands beside.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import keras
import numpy as np

import tl_keras as tl
from tl_keras.builders.classifier import features_model
from tl_keras.training.extractor_runtimes import installed
from tl_keras.training.extractors import extractor_for, multiply_adds
from tl_keras.training.recipes import Stage

BATCH = 32


class _Epochs(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self._began)


def _model(options):
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    return tl.build_classifier(
        options.backbone, 2, image_size=options.image_size, weights=options.weights
    )


def plain(options) -> list[float]:
    """Seconds of each epoch."""
    model, epochs = _model(options), _Epochs()
    train, val = (
        keras.utils.image_dataset_from_directory(
            options.data / part, image_size=(options.image_size,) * 2, batch_size=BATCH,
            verbose=False,
        ).prefetch(2)
        for part in ("train", "val")
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train, validation_data=val, epochs=options.epochs, callbacks=[epochs], verbose=0)
    return epochs.seconds


def cached(options) -> list[float]:
    """The same of ``tl.fit``."""
    model = _model(options)
    train, val = tl.data.from_folder(options.data, progress=False).split()
    stages = [Stage("head", epochs=options.epochs, patience=options.epochs)]
    run = tl.fit(model, train, val, recipe=stages, batch_size=BATCH, verbose=False)
    return [row["seconds"] for row in run.history]


def runtimes(options) -> dict:
    """Images a second, and seconds of conversion, of each runtime that agrees."""
    features = features_model(_model(options))
    train, _ = tl.data.from_folder(options.data, progress=False).split()
    images = np.concatenate(
        [np.asarray(x) for x, _ in train.dataset(BATCH, options.image_size, resize="crop")]
    )
    images = images[: len(images) // BATCH * BATCH]
    results = {"multiply_adds": multiply_adds(features)}
    ready = {}
    for runtime, precision in (
        ("keras", "float32"), ("litert", "float32"), ("openvino", "float32"),
        ("openvino", "bfloat16"),
    ):  # fmt: skip
        if installed(runtime) is None:
            continue
        began = time.perf_counter()
        found = extractor_for(features, runtime, lambda: images[:16], precision=precision)
        found.run(images[:BATCH])
        if found.runtime == runtime:
            name = f"{runtime} {precision}"
            ready[name] = found.run
            results[name] = {"first batch after, s": round(time.perf_counter() - began, 1)}
    for _ in range(options.repeats):
        for name, run in ready.items():
            began = time.perf_counter()
            for start in range(0, len(images), BATCH):
                run(images[start : start + BATCH])
            speed = len(images) / (time.perf_counter() - began)
            results[name]["images/s"] = round(max(speed, results[name].get("images/s", 0)))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder with train/ and val/ of two classes")
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    figures = {"backbone": options.backbone, "epochs": options.epochs, **runtimes(options)}
    print(json.dumps(figures, indent=1), file=sys.stderr, flush=True)
    runs = {plain: [], cached: []}
    for _ in range(options.repeats):
        for kind, found in runs.items():
            wall, processor = time.perf_counter(), time.process_time()
            epochs = kind(options)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            found.append({"run": wall, "run, processor": processor, "epoch": min(epochs[1:])})
            print(f"{kind.__name__}: {found[-1]}", file=sys.stderr, flush=True)
    for name in ("run", "run, processor", "epoch"):
        slow, quick = (min(row[name] for row in runs[kind]) for kind in (plain, cached))
        figures[name] = {
            "plain, s": round(slow, 3), "cached, s": round(quick, 3),
            "ratio": round(slow / quick, 1),
        }  # fmt: skip
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
