"""How much sooner ``tl.fit`` reaches the accuracy that plain Keras reaches.

    KERAS_HOME=folder/with/imagenet/weights python benchmarks/time_to_accuracy.py

Plain Keras is its own transfer-learning guide (https://keras.io/guides/transfer_learning/):
``image_dataset_from_directory``, flips and small rotations, the base frozen and run in inference
mode, dropout 0.2, Adam for 20 epochs; then ``base.trainable = True``, compiled again with Adam at
1e-5, 10 epochs.  Ours is a run of ``tl.fit`` on the same images, base (MobileNetV2 0.35, ImageNet
weights, 224 px) and held-out part.  Two accuracies are aimed at: the one that the guide's recipe
ends with, which is what it delivers, and that of its best epoch, which it does not keep and which
on 150 held-out images is luck in part.  For each: when plain Keras first had it, and when we did.
Both clocks start before the model is built, with the files listed and TensorFlow imported; each
run has a process of its own, one after the other.  A run of ours that never gets there counts as
infinitely late.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETS = ("hymenoptera", "pets")
SIZE, BATCH = 224, 32


def plain(train, val, seed: int) -> list[tuple[float, float]]:
    """(seconds, accuracy) of each epoch of the guide's recipe."""
    import keras

    with tempfile.TemporaryDirectory() as folder:
        parts = []
        for name, part in (("train", train), ("val", val)):
            for path, label in zip(part.paths, part.labels, strict=True):
                target = Path(folder, name, part.class_names[label])
                target.mkdir(parents=True, exist_ok=True)
                _copy_as_jpeg(Path(path), target)
            parts.append(Path(folder, name))
        began, rows = time.perf_counter(), []
        keras.utils.set_random_seed(seed)
        data = [
            keras.utils.image_dataset_from_directory(
                part, image_size=(SIZE, SIZE), batch_size=BATCH, seed=seed, verbose=False
            ).prefetch(2)
            for part in parts
        ]
        base = keras.applications.MobileNetV2(
            input_shape=(SIZE, SIZE, 3), alpha=0.35, include_top=False, weights="imagenet"
        )
        base.trainable = False
        image = keras.Input((SIZE, SIZE, 3))
        x = keras.layers.RandomFlip("horizontal")(image)
        x = keras.layers.RandomRotation(0.1)(x)
        x = keras.layers.Rescaling(1 / 127.5, -1)(x)
        x = keras.layers.GlobalAveragePooling2D()(base(x, training=False))
        outputs = keras.layers.Dense(len(train.class_names))(keras.layers.Dropout(0.2)(x))
        model = keras.Model(image, outputs)
        clock = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda _, logs: rows.append(
                (time.perf_counter() - began, logs["val_accuracy"])
            )
        )
        for trainable, rate, epochs in ((False, 1e-3, 20), (True, 1e-5, 10)):
            base.trainable = trainable
            model.compile(
                keras.optimizers.Adam(rate),
                keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
            )
            model.fit(data[0], validation_data=data[1], epochs=epochs, callbacks=[clock], verbose=2)
    return rows


def _copy_as_jpeg(path: Path, folder: Path) -> None:
    # The guide's reader stops at a GIF or an RGBA PNG named .jpg; ours does not.
    from PIL import Image

    import tl_keras as tl

    if path.read_bytes()[:2] == b"\xff\xd8":
        (folder / f"{path.stem}.jpg").write_bytes(path.read_bytes())
    else:
        Image.fromarray(tl.data.read_image(path)).save(folder / f"{path.stem}.jpg", quality=95)


def ours(train, val, seed: int, recipe: str) -> list[tuple[float, float]]:
    import keras

    import tl_keras as tl

    began = time.perf_counter()
    keras.utils.set_random_seed(seed)
    model = tl.build_classifier("mobilenet_v2_035", len(train.class_names), image_size=SIZE)
    built = time.perf_counter() - began
    run = tl.fit(model, train, val, recipe=recipe, batch_size=BATCH, seed=seed)
    return [(built + row["elapsed"], row["val_accuracy"]) for row in run.history]


def measure(name: str, kind: str, seed: int) -> list[tuple[float, float]]:
    import tensorflow as tf
    from real_sets import load_set

    tf.config.list_physical_devices()  # TensorFlow's own start is in neither clock
    train, val = load_set(name, seed)
    return plain(train, val, seed) if kind == "plain" else ours(train, val, seed, kind)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=Path("time_to_accuracy.json"))
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--recipe", default="progressive")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        name, kind, seed = options.one
        print("\n" + json.dumps(measure(name, kind, int(seed))))
        return
    results = json.loads(options.output.read_text()) if options.output.exists() else {}
    print("| set, seed | plain Keras' | accuracy | it had it at | tl.fit had it at | sooner |")
    print("|---|---|---|---|---|---|")
    for name in options.sets:
        for seed in range(options.seeds):
            for kind in ("plain", options.recipe):
                if f"{name}/{kind}/{seed}" not in results:
                    command = [sys.executable, __file__, "--one", name, kind, str(seed)]
                    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    rows = json.loads(done.stdout.splitlines()[-1])
                    results[f"{name}/{kind}/{seed}"] = rows
                    options.output.write_text(json.dumps(results))
            rows = results[f"{name}/plain/{seed}"]
            own = results[f"{name}/{options.recipe}/{seed}"]
            best = max(accuracy for _, accuracy in rows)
            for what, aim in (("end", rows[-1][1]), ("best epoch", best)):
                late, soon = (
                    next((s for s, accuracy in run if accuracy >= aim - 1e-9), math.inf)
                    for run in (rows, own)
                )
                print(
                    f"| {name}, {seed} | {what} | {aim:.3f} | {late:.0f} s | {soon:.0f} s | "
                    f"{late / soon:.1f} x |",
                    flush=True,
                )
            print(f"| {name}, {seed} | whole run | | {rows[-1][0]:.0f} s | {own[-1][0]:.0f} s | |")


if __name__ == "__main__":
    main()
