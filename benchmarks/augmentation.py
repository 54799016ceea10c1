"""Images per second of the presets: ours (numpy and OpenCV) against Keras' own layers.

    python benchmarks/augmentation.py [--size 224]

The same images, in turns in one process, best of several turns each:

* ours: ``Preset.image``, image by image, as the pipeline's threads do, uint8 to uint8;
* Keras in tf.data: ``augmentation_layers`` mapped over batches of 32, uint8 to float;
* Keras on the device: the same layers in a compiled function on batches that lie on the device.

CPU time of all threads counts for the first two, so that a busy machine matters little and the
number of threads not at all.  The third is given in seconds of the clock where there is a GPU, and
in CPU time otherwise.  Presets for which Keras lacks a layer are ours alone.
"""

import argparse
import time
from collections.abc import Callable

import cv2
import keras
import numpy as np
import tensorflow as tf

from tl_keras.data import PRESETS, augmentation_layers
from tl_keras.errors import InputError

BATCH, TURNS = 32, 5


def photographs(count: int, size: int) -> np.ndarray:
    random = np.random.default_rng(0)
    images = [
        cv2.resize(random.integers(0, 256, (size // 8, size // 8, 3), np.uint8), (size, size))
        for _ in range(count)
    ]
    return np.stack(images)


def ways(name: str, images: np.ndarray, on_gpu: bool) -> dict[str, Callable[[], None]]:
    chosen, out = PRESETS[name], np.empty_like(images[0])

    def ours() -> None:
        for index, image in enumerate(images):
            chosen.image(image, np.random.default_rng([0, 0, index]), out)

    found = {"ours": ours}
    try:
        in_pipeline, on_device = (augmentation_layers(name, seed=0) for _ in range(2))
    except InputError:
        return found
    with tf.device("CPU"):
        dataset = tf.data.Dataset.from_tensor_slices(images).batch(BATCH)
        dataset = dataset.map(lambda batch: in_pipeline(batch, training=True))

    def piped() -> None:
        for batch in dataset:
            batch.numpy()

    batches = [tf.constant(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    step = tf.function(lambda batch: on_device(batch, training=True))

    def stepped() -> None:
        for batch in batches:
            result = step(batch)
        result.numpy()

    return found | {"Keras in tf.data": piped, f"Keras on {'GPU' if on_gpu else 'CPU'}": stepped}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=256)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    keras.utils.set_random_seed(0)
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    images = photographs(options.images, options.size)
    print(f"{options.images} images, {options.size} px; images per second of one core, or of a GPU")
    for name in PRESETS:
        if name == "none":
            continue
        runs = ways(name, images, on_gpu)
        seconds = dict.fromkeys(runs, float("inf"))
        for turn in range(TURNS + 1):  # in turns, so that a drift of the machine meets all alike
            for way, run in runs.items():
                clock = time.perf_counter if way.endswith("GPU") else time.process_time
                began = clock()
                run()
                if turn:  # the first one traces
                    seconds[way] = min(seconds[way], clock() - began)
        for way, spent in seconds.items():
            ratio = spent / seconds["ours"]
            print(f"  {name:<12}{way:<18}{len(images) / spent:9.0f}   this / ours {ratio:5.2f}")


if __name__ == "__main__":
    main()
