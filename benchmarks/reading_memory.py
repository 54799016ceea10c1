"""Peak memory and speed of reading 200 and 20,000 images: the memory must not grow.

Each count is measured in a fresh process: scan the folder, then one shuffled and augmented pass
through ``dataset()``.  The files are 200 photographs' worth of noise (500 x 400 JPEG), hard-linked
to make up the number, so the disk is not what is measured.

    python benchmarks/reading_memory.py

Ends with exit code 1 where the larger count needs over 20 % more.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNTS = (200, 20_000)
DISTINCT = 200
BOUND = 1.2


def write_images(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for i in range(DISTINCT):
        coarse = random.integers(0, 256, (25, 32, 3), np.uint8)
        photo = Image.fromarray(coarse).resize((500, 400), Image.Resampling.BICUBIC)
        noise = random.normal(0, 6, (400, 500, 3))
        pixels = np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.jpg", quality=90)


def link_images(distinct: Path, folder: Path, count: int) -> None:
    for i in range(count):
        # A picture stays within one class: under two it would contradict itself.
        source = i % DISTINCT
        target = folder / f"class{source % 2}" / f"{i}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(distinct / f"{source}.jpg")


def measure(folder: str) -> None:
    from tl_keras.data import from_folder

    start = time.perf_counter()
    examples = from_folder(folder, progress=False)
    scanned = time.perf_counter()
    batches = examples.dataset(batch_size=32, image_size=224, shuffle=True, augment="light")
    built, cpu = time.perf_counter(), time.process_time()
    images = sum(len(labels) for _, labels in batches)
    passed, cpu = time.perf_counter(), time.process_time() - cpu
    assert images == len(examples)
    unit = 1024 if sys.platform == "darwin" else 1
    result = {
        "images": images,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit / 1024,
        "scanned_per_second": images / (scanned - start),
        "read_per_second": images / (passed - built),
        "read_per_core_second": images / cpu,
    }
    print(json.dumps(result))


def main() -> int:
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        distinct = Path(name) / "distinct"
        distinct.mkdir()
        write_images(distinct)
        for count in COUNTS:
            folder = Path(name) / str(count)
            link_images(distinct, folder, count)
            done = subprocess.run(
                [sys.executable, __file__, str(folder)],
                env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            result = json.loads(done.stdout)
            peaks.append(result["peak_mib"])
            print(
                f"{count:>6} images: peak {result['peak_mib']:.0f} MiB, "
                f"scan {result['scanned_per_second']:.0f} images/s, "
                f"pass {result['read_per_second']:.0f} images/s "
                f"({result['read_per_core_second']:.0f} per second of one core)",
                flush=True,
            )
    ratio = peaks[1] / peaks[0]
    print(f" ratio: {ratio:.3f} (bound {BOUND})")
    return int(ratio > BOUND)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        sys.exit(main())
