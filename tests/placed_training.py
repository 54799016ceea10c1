"""Trains a small model as told and writes what came out; run by tests in processes of their own.

python placed_training.py cpu|mirrored|multi_worker PRECISION FOLDER OUT.npz
"""

import sys

import keras
import numpy as np
from PIL import Image

import tl_keras as tl
from tl_keras.data.pipeline import set_epoch
from tl_keras.training.placement import choose_placement
from tl_keras.training.placing import placed
from tl_keras.training.replica_batches import replica_batches, steps_in

SIDE, GLOBAL_BATCH = 16, 8


def small_base(input_shape):
    layers = keras.layers
    image = keras.Input(input_shape)
    x = layers.Rescaling(1 / 127.5, -1)(image)
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.5)(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.5)(x)
    return keras.Model(image, layers.ReLU()(x))


def build():
    """A classifier on the small base, which is known from the first call on."""
    if "small_base" not in tl.list_backbones():
        tl.register_backbone(name="small_base", builder=small_base, image_size=SIDE, minimum_size=8)
    return tl.build_classifier("small_base", 3, image_size=SIDE, weights=None, dropout=0)


def draw(folder):
    """27 pictures of three classes, so that batches of 8 leave 3."""
    rng = np.random.default_rng(0)
    for number in range(27):
        label = number % 3
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3)).astype("uint8")
        pixels[:: 2 if label == 1 else SIDE] //= 4
        pixels[:, :: 2 if label == 2 else SIDE] //= 4
        (folder / f"class{label}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"class{label}" / f"{number:02d}.png")


class Epochs(keras.callbacks.Callback):
    """Makes the order a function of the epoch, whatever Keras glances at."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        set_epoch(self.batches, epoch)


def train(placement, examples):
    """Three epochs, the base joining at the second: model, history, types computed in."""
    keras.utils.set_random_seed(placement.worker + 1)  # workers begin with weights of their own
    model = build()
    options = {"batch_size": GLOBAL_BATCH // placement.replicas, "image_size": SIDE}
    # Rows that fill up JAX's last batch would enter the statistics.
    train_norms = keras.backend.backend() == "tensorflow"
    staged = tl.callbacks.StagedUnfreezing({0: 0, 1: "all"}, train_batch_norm=train_norms)
    with placed(model, placement) as working:
        batches = replica_batches(
            examples, placement, shuffle=True, seed=3, training=True, **options
        )
        held_out = replica_batches(examples, placement, **options)
        shared = placement.kind == "data_parallel"
        working.compile(
            keras.optimizers.SGD(0.05, momentum=0.9),
            "sparse_categorical_crossentropy",
            **{"weighted_metrics" if shared else "metrics": ["accuracy"]},
        )
        history = working.fit(
            batches, validation_data=held_out, epochs=3, verbose=0, shuffle=False,
            callbacks=[staged, Epochs(batches)],
        ).history  # fmt: skip
        assert steps_in(batches) == int(working.optimizer.iterations.numpy()) / 3
        compute = sorted({layer.compute_dtype for layer in working._flatten_layers()})
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
    return model, history, compute


def main():
    kind, precision, folder, out = sys.argv[1:]
    placement = choose_placement(kind, precision, 2 if kind == "mirrored" else None)
    examples = tl.data.from_folder(folder, progress=False)
    model, history, compute = train(placement, examples)
    print(placement, flush=True)
    alone, one = {}, choose_placement("cpu", precision)
    if placement.workers == 1 and placement.replicas > 1:
        plain, single, _ = train(one, examples)
        alone = {f"alone{i}": v.numpy() for i, v in enumerate(plain.variables)}
        alone |= {f"alone_{name}": values for name, values in single.items()}
    np.savez(
        out, compute=compute, replicas=placement.replicas, **history, **alone,
        **{f"w{i}": v.numpy() for i, v in enumerate(model.variables)},
    )  # fmt: skip
    if placement.chief:
        model.save(out.replace(".npz", ".keras"))


if __name__ == "__main__":
    main()
