"""Images per second from files to vectors, against one image a call.

    python benchmarks/embedding_throughput.py photos/ --backbone mobilenet_v2_035 --image-size 224
    python benchmarks/embedding_throughput.py photos/ --backbone resnet50

One image a call is what the well-known script of visual search does with its ResNet-50: for each
file ``keras.utils.load_img(path, target_size=...)``, ``img_to_array``, a batch of one,
``model.predict``, flatten, divide by the norm.  Both have the same model in the same process, its
preprocessing within, and take turns, so that a busy machine troubles both; the first turn of each,
call of each, with tracing, is not counted; the conversion to a faster runtime
(``tl_keras.training.extractors``) is, as a part of indexing.  Times include reading and
decoding.  Their resizing differs (stretched to the nearest pixel, cropped with anti-aliasing), so
of images that are not of the model's size the vectors are near, not the same; the cosine is
printed.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np

from tl_keras.data.walking import IMAGE_SUFFIXES
from tl_keras.retrieval import open_embedder
from tl_keras.training.extractors import preferred_runtime


def one_a_call(model: keras.Model, size: int, path: Path) -> np.ndarray:
    image = keras.utils.load_img(path, target_size=(size, size))
    batch = np.expand_dims(keras.utils.img_to_array(image), axis=0)
    result = model.predict(batch, verbose=0).flatten()
    return result / np.linalg.norm(result)


def per_second(embed, files) -> tuple[float, np.ndarray]:
    began = time.perf_counter()
    vectors = embed(files)
    return len(files) / (time.perf_counter() - began), vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2_035")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--weights")
    parser.add_argument("--files", type=int, default=2000, help="of the folder, at most")
    # Each file so often in the list: the size of a catalogue decides about the runtime.
    parser.add_argument("--times", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--single", type=int, default=60, help="files a turn, one a call")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()

    files = sorted(p for p in options.images.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    files = files[: options.files]
    if len(files) < options.single:
        sys.exit(
            f"{options.images}: {len(files)} images; give a folder of {options.single} or more"
        )
    named = {"weights": options.weights, "image_size": options.image_size}
    embedder = open_embedder(options.backbone, **named)
    model, size = embedder.model, embedder.image_size

    def single(paths) -> np.ndarray:
        return np.stack([one_a_call(model, size, path) for path in paths])

    print(f"{options.backbone} at {size} px, {len(files)} files, {os.cpu_count()} cores")
    single(files[: options.single])
    for times in options.times:
        chosen = files * times
        runtime = preferred_runtime(model, len(chosen))
        own, theirs = [], []
        for turn in range(options.turns):
            # A fresh one each turn, so that its conversion counts each time.
            fresh = open_embedder(embedder.source)
            if runtime == "keras":
                fresh.vectors(files[:32])  # traced, as that of one a call is
            speed, vectors = per_second(fresh.vectors, chosen)
            other, expected = per_second(single, files[: options.single])
            own.append(speed)
            theirs.append(other)
            print(f"  turn {turn}: {speed:7.1f} and one a call {other:6.1f} images/s", flush=True)
        cosines = (vectors[: options.single] * expected).sum(axis=1)
        ratios = [a / b for a, b in zip(own, theirs, strict=True)]
        print(
            f"{len(chosen):>7,} images by {runtime}: {statistics.median(own):.0f} images/s, one a "
            f"call {statistics.median(theirs):.1f}: {statistics.median(ratios):.1f} times as many "
            f"({min(ratios):.1f} to {max(ratios):.1f}); cosine of the two {cosines.mean():.3f}"
        )


if __name__ == "__main__":
    main()
