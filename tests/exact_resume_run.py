"""A training run for test_exact_resume.py that can kill itself with SIGKILL at a chosen moment.

python exact_resume_run.py PHOTOS RESULT.npz [--folder DIR] [--die EPOCH STEP | --die-saving N]
"""

import argparse
import os
import signal
from pathlib import Path

import keras
import numpy as np

import tl_keras as tl
from tl_keras.callbacks import ExactResume, StagedUnfreezing
from tl_keras.optimizers import layer_wise

EPOCHS = 6


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Die(keras.callbacks.Callback):
    """Raises nothing, cleans nothing up: the process is gone in the middle of an epoch."""

    def __init__(self, epoch, step):
        super().__init__()
        self.epoch, self.step, self.now = epoch, step, None

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.step):
            die()


def die_while_saving(number):
    """SIGKILL at the flush of the file (odd numbers: before its renaming) of so many saves."""
    flush, seen = os.fsync, []

    def dying_flush(descriptor):
        seen.append(descriptor)
        if len(seen) == number:
            die()
        flush(descriptor)

    os.fsync = dying_flush


def tiny_base(input_shape):
    image = x = keras.Input(input_shape)
    for i, width in enumerate((4, 6, 8)):
        x = keras.layers.Conv2D(width, 3, 2, padding="same", name=f"conv{i}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{i}")(x)
        x = keras.layers.ReLU(name=f"relu{i}")(x)
    return keras.Model(image, x)


def build():
    tl.register_backbone(
        name="tiny_base", builder=tiny_base, image_size=32, minimum_size=16, preprocessing="tf"
    )
    keras.utils.set_random_seed(3)
    shift = keras.layers.RandomTranslation(0.1, 0.1)
    model = tl.build_classifier("tiny_base", 2, weights=None, dropout=0.3, augmentation=shift)
    base = model.get_layer("tiny_base")
    optimizer = keras.optimizers.AdamW(3e-3, use_ema=True, ema_momentum=0.9)
    optimizer = layer_wise(optimizer, [(base.get_layer("conv0").variables, 0.1)])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("photos")
    parser.add_argument("result")
    parser.add_argument("--folder")
    parser.add_argument("--die", type=int, nargs=2)
    parser.add_argument("--die-saving", type=int)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    train, val = tl.data.from_folder(options.photos).split(0.3, seed=0)
    batches = train.dataset(8, 32, shuffle=True, seed=1, augment="light")
    model = build()
    callbacks = [
        StagedUnfreezing({0: 0, 2: 1, 4: "all"}),
        keras.callbacks.EarlyStopping("val_loss", patience=9, restore_best_weights=True),
        keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=1.0, factor=0.7),
    ]
    if options.folder:
        # Not in the last place: it must be right wherever it stands.
        callbacks.insert(0, ExactResume(options.folder, datasets=[batches]))
    if options.die:
        callbacks.append(Die(*options.die))
    if options.die_saving:
        die_while_saving(options.die_saving)
    history = model.fit(
        batches, validation_data=val.dataset(8, 32), epochs=options.epochs, callbacks=callbacks,
        shuffle=False, verbose=0,
    )  # fmt: skip
    variables = [*model.variables, *model.optimizer.variables]
    arrays = {f"variable{i}": v.numpy() for i, v in enumerate(variables)}
    histories = {name: np.array(values) for name, values in history.history.items()}
    part = Path(options.result).with_suffix(".part.npz")
    np.savez(part, **arrays, **histories)
    part.replace(options.result)


if __name__ == "__main__":
    main()
