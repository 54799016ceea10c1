"""Images per second of one core: `Examples.dataset()` against bare libjpeg-turbo and a resize.

The same JPEGs, in turns in one process, best of several turns each; CPU time of all threads, so
that a busy machine matters little and the number of threads not at all.

* ours: `examples.dataset(32, size)`, the whole way: read, check, decode, crop, antialias, batch.
  Once more with `augment="light"`.
* bare, linear: `simplejpeg.decode_jpeg` of every pixel (libjpeg-turbo, defaults) and
  `cv2.resize(..., INTER_LINEAR)` of the whole picture to size x size: no antialiasing, no crop, no
  check, no batch.  The bound of 0.7 is held against this one.
* bare, antialiased: the same with `cv2.INTER_AREA`.
* bare, scaled: as linear, but decoded at the 1/1 to 1/8 scale at which ours decodes.

    python benchmarks/reading_speed.py [FOLDER]

FOLDER: photographs in one folder per class; without it only big photographs are measured, which
are generated (12 megapixels: gradients and noise, enlarged).  Ends with exit code 1 below 0.7.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from tl_keras.data import Examples, from_folder

BOUND = 0.7
SIZES = (224, 128)
TURNS = 4


def write_big_photographs(folder: Path, count: int = 8) -> None:
    random = np.random.default_rng(0)
    for i in range(count):
        small = random.integers(0, 256, (30, 40, 3), np.uint8)
        large = cv2.resize(small, (4000, 3000), interpolation=cv2.INTER_CUBIC).astype(np.int16)
        grain = cv2.resize(random.integers(-60, 60, (1500, 2000, 3)).astype(np.int16), (4000, 3000))
        target = folder / f"class{i % 2}" / f"{i}.jpg"
        target.parent.mkdir(exist_ok=True)
        Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)).save(target, quality=90)


def plain(examples: Examples) -> Examples:
    """The JPEGs that the bare codec reads: others would be no comparison."""
    kept = []
    for i, path in enumerate(examples.paths):
        try:
            simplejpeg.decode_jpeg(Path(path).read_bytes())
            kept.append(i)
        except ValueError:
            continue
    return examples.subset(kept)


def bare(paths: tuple[str, ...], size: int, interpolation: int, scaled: bool = False) -> None:
    for path in paths:
        data = Path(path).read_bytes()
        least = {}
        if scaled:
            height, width = simplejpeg.decode_jpeg_header(data)[:2]
            scale = next((s for s in (8, 4, 2) if min(height, width) >= 2 * s * size), 1)
            least = {"min_height": -(-height // scale), "min_width": -(-width // scale)}
            least["min_factor"] = scale
        pixels = simplejpeg.decode_jpeg(data, **least)
        cv2.resize(pixels, (size, size), interpolation=interpolation)


def ways(examples: Examples, size: int) -> dict[str, Callable[[], None]]:
    def ours(augment: str) -> Callable[[], None]:
        batches = examples.dataset(32, size, augment=augment)

        def run() -> None:
            for _ in batches:
                pass

        return run

    return {
        "ours": ours("none"),
        "ours, augmented": ours("light"),
        "bare, linear": lambda: bare(examples.paths, size, cv2.INTER_LINEAR),
        "bare, antialiased": lambda: bare(examples.paths, size, cv2.INTER_AREA),
        "bare, scaled": lambda: bare(examples.paths, size, cv2.INTER_LINEAR, scaled=True),
    }


def measure(name: str, examples: Examples) -> float:
    examples = plain(examples)
    lowest = float("inf")
    for size in SIZES:
        runs = ways(examples, size)
        seconds = dict.fromkeys(runs, float("inf"))
        for _ in range(TURNS):  # in turns, so that a drift of the machine meets all alike
            for way, run in runs.items():
                began = time.process_time()
                run()
                seconds[way] = min(seconds[way], time.process_time() - began)
        print(f"{name}, {len(examples)} JPEGs -> {size} px, images per second of one core:")
        for way, spent in seconds.items():
            speed, ratio = len(examples) / spent, spent / seconds["ours"]
            print(f"  {way:<18}{speed:7.0f}   ours / this {ratio:.2f}", flush=True)
        lowest = min(lowest, seconds["bare, linear"] / seconds["ours"])
    return lowest


def main() -> int:
    cv2.setNumThreads(1)
    lowest = []
    if len(sys.argv) > 1:
        lowest.append(measure(sys.argv[1], from_folder(sys.argv[1], progress=False)))
    with tempfile.TemporaryDirectory() as folder:
        write_big_photographs(Path(folder))
        lowest.append(measure("4000 x 3000", from_folder(folder, progress=False)))
    print(f"lowest ratio to bare, linear: {min(lowest):.2f} (bound {BOUND})")
    return int(min(lowest) < BOUND)


if __name__ == "__main__":
    sys.exit(main())
