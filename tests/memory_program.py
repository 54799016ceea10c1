"""Trains under a limit of address space that whole batches break; run by tests in its own process.

python memory_program.py FOLDER     prints JSON
"""

import json
import resource
import sys
from pathlib import Path

import keras
import numpy as np
import placed_training

import tl_keras as tl
from tl_keras.data.pipeline import set_epoch
from tl_keras.errors import InputError
from tl_keras.training.out_of_memory import fit_within_memory
from tl_keras.training.placement import choose_placement
from tl_keras.training.replica_batches import replica_batches

ROOM = 700 * 2**20  # bytes


@keras.saving.register_keras_serializable(package="memory_program")
class Copies(keras.Layer):
    """The mean of so many copies of a feature map: the map, by way of much memory."""

    def __init__(self, copies, **options):
        super().__init__(**options)
        self.copies = copies

    def call(self, x):
        ones = keras.ops.ones((1, self.copies, 1, 1, 1))
        return keras.ops.mean(keras.ops.expand_dims(x, 1) * ones, axis=1)

    def get_config(self):
        return {**super().get_config(), "copies": self.copies}


def wide_base(copies):
    def build(input_shape):
        base = placed_training.small_base(input_shape)
        return keras.Model(base.input, Copies(copies)(base.output))

    return build


# 512 bytes a copy and image: nothing, 100 MiB, 800 MiB an image.
for copies in (1, 204_800, 1_638_400):
    tl.register_backbone(
        name=f"wide{copies}", builder=wide_base(copies), image_size=16, minimum_size=8
    )


def train(examples, copies):
    keras.utils.set_random_seed(1)
    model = tl.build_classifier(f"wide{copies}", 3, image_size=16, weights=None, dropout=0)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
    said, given = [], []

    def batches(parts):
        options = {"batch_size": 8, "image_size": 16, "shuffle": True, "seed": 3}
        given.append(
            replica_batches(
                examples, choose_placement("cpu"), training=True, accumulate=parts, **options
            )
        )
        return given[-1]

    class Epochs(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            set_epoch(given[-1], epoch)

    staged = tl.callbacks.StagedUnfreezing({0: 0, 1: "all"})
    history = fit_within_memory(
        model, batches, batch_size=8, log=said.append, epochs=3, verbose=0, shuffle=False,
        callbacks=[staged, Epochs()],
    )  # fmt: skip
    return [v.numpy() for v in model.variables], said, history.epoch


def main():
    examples = tl.data.from_folder(sys.argv[1], progress=False)
    # The same function with room enough; copies change no value.
    whole, none_said, _ = train(examples, 1)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, resource.RLIM_INFINITY))
    try:
        parted, said, epochs = train(examples, int(sys.argv[2]))
    except InputError as error:
        print(json.dumps({"refused": str(error)}))
        return
    difference = max(float(np.abs(a - b).max()) for a, b in zip(whole, parted, strict=True))
    result = {"none_said": none_said, "said": said, "epochs": epochs, "difference": difference}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
