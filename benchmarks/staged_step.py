"""Time of a training step by stage of staged unfreezing, against the fully unfrozen step.

    python benchmarks/staged_step.py

One ``fit()`` of MobileNetV2 1.0 at 128 px on random weights and random images, batch 16: two rounds
through all stages under ``StagedUnfreezing``, each unfreezing one stage more.  The first step of an
epoch (tracing) is left out; of the others the fastest counts, so that ratios hold on a shared
machine.
"""

import argparse
import time

import keras
import numpy as np

import tl_keras as tl
from tl_keras.backbones.registry import find_backbone


class Clock(keras.callbacks.Callback):
    """Fastest step of each epoch, s."""

    def __init__(self):
        super().__init__()
        self.fastest = []

    def on_epoch_begin(self, epoch, logs=None):
        self._times = []

    def on_train_batch_begin(self, batch, logs=None):
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # until the step is really done
        self._times.append(time.perf_counter() - self._began)

    def on_epoch_end(self, epoch, logs=None):
        self.fastest.append(min(self._times[1:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    size, batch = options.image_size, options.batch_size
    model = tl.build_classifier(options.backbone, 10, image_size=size, weights=None)
    stages = sum(any(x.weights for x in s.layers) for s in tl.stage_map(find_backbone(model)))
    entries = [*range(stages + 1)] * options.rounds
    model.compile("adam", "sparse_categorical_crossentropy")
    clock = Clock()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (batch * options.steps, size, size, 3)).astype("float32")
    model.fit(
        images, rng.integers(0, 10, len(images)), batch_size=batch, epochs=len(entries), verbose=0,
        callbacks=[tl.callbacks.StagedUnfreezing(dict(enumerate(entries))), clock],
    )  # fmt: skip
    fastest = np.array(clock.fastest).reshape(options.rounds, stages + 1).min(0)
    print(f"{options.backbone}, {size} px, batch {batch}, {keras.backend.backend()}")
    print("stages unfrozen   ms a step   of the full step")
    for count, seconds in enumerate(fastest):
        print(f"{count:>15}   {1000 * seconds:9.0f}   {seconds / fastest[-1]:.2f}")


if __name__ == "__main__":
    main()
