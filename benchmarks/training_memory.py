"""Memory of training: it grows neither from epoch to epoch nor from fit to fit.

Two measurements, each in a fresh process, on generated JPEGs and the bundled base:

* one run over 2,000 images with the backbone unfrozen: resident memory after every epoch;
* ten calls of `tl.fit` in one process, each on a new model: resident memory after every call.

Resident memory is what the process has at that moment (Linux: /proc/self/statm), after Python's
garbage collection; peak memory is printed beside it.

    python benchmarks/training_memory.py

Ends with exit code 1 where the last epoch or fit has over 5 % more than the second (the first
brings in libraries and traced functions).
"""

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES, EPOCHS, FITS, FIT_IMAGES, SIZE = 2000, 6, 10, 200, 64
BOUND = 1.05


def write_images(folder: Path, count: int) -> None:
    import numpy as np
    from PIL import Image

    random = np.random.default_rng(0)
    for i in range(count):
        coarse = random.integers(0, 256, (8, 10, 3), np.uint8)
        coarse[..., i % 2] //= 4  # what tells the classes apart
        target = folder / f"class{i % 2}" / f"{i}.jpg"
        target.parent.mkdir(exist_ok=True)
        Image.fromarray(coarse).resize((100, 80), Image.Resampling.BICUBIC).save(target)


def resident_mib() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fit(train, epochs: int, callbacks=()) -> None:
    import tl_keras as tl

    model = tl.build_classifier("mobilenet_v3_small", 2, weights="bundled", image_size=SIZE)
    # Augmented, so that decoding goes on in every epoch; nothing is cached.
    stages = [tl.Stage("all", epochs, unfreeze="all", augment="light", patience=epochs)]
    tl.fit(model, train, recipe=stages, batch_size=32, verbose=False, callbacks=callbacks)


def measure(what: str, folder: str) -> None:
    import keras

    from tl_keras.data import from_folder

    train = from_folder(folder, progress=False)
    series = []

    def note() -> None:
        series.append((resident_mib(), peak_mib()))
        print(f"  {what} {len(series)}: {series[-1][0]:.0f} MiB", file=sys.stderr, flush=True)

    if what == "epoch":
        after = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: note())
        fit(train, EPOCHS, [after])
    else:
        few = train.subset(range(FIT_IMAGES))
        for _ in range(FITS):
            fit(few, 2)
            note()
    print(json.dumps(series))


def main() -> int:
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), IMAGES)
        for what in ("epoch", "fit"):
            done = subprocess.run(
                [sys.executable, __file__, what, folder],
                env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            resident, peak = zip(*json.loads(done.stdout.splitlines()[-1]), strict=True)
            growth = [resident[-1] / resident[1], peak[-1] / peak[1]]
            print(f"{what}s, resident MiB after each: {[round(value) for value in resident]}")
            print(f"{what}s, peak MiB until then:     {[round(value) for value in peak]}")
            print(
                f"  last against second: resident {growth[0]:.3f}, peak {growth[1]:.3f} "
                f"(bound {BOUND})",
                flush=True,
            )
            failed |= max(growth) > BOUND
    return int(failed)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(*sys.argv[1:])
    else:
        sys.exit(main())
