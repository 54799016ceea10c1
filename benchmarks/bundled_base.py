"""Which base to ship: linear-probe accuracy against CPU time, after equal short pretraining.

First, for each candidate (the teacher's features are computed once and shared):

    for base in mobilenet_v3_small mobilenet_050 mobilenet_v2_035; do
        python scripts/pretrain_backbone.py SHARDS --backbone $base --teacher mobilenet_v2 \\
            --subset 0.25 --sizes 96:2 --output compared/$base --cache compared
    done

then, on the weights it leaves in ``compared/BASE/BASE.npz``:

    python benchmarks/bundled_base.py compared/*/*.npz
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import keras
import numpy as np
from real_sets import load_set
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tl_keras as tl
from tl_keras.training.features import extract_features
from tl_keras.training.inputs import batches_of

SETS = ("hymenoptera", "pets", "fashion", "magnetic-tile")
SIZE = 96


def probe(file: Path, name: str) -> float:
    train, test = load_set(name)
    keras.utils.clear_session()
    model = tl.build_classifier(
        file.stem, len(train.class_names), image_size=SIZE, weights=str(file)
    )
    (x, y), (u, v) = (
        extract_features(model, batches_of(part, batch_size=32, image_size=SIZE), name, False)
        for part in (train, test)
    )
    regression = LogisticRegression(C=0.1, max_iter=2000)
    return make_pipeline(StandardScaler(), regression).fit(x, y).score(u, v)


def milliseconds(files: list[Path], batch: int) -> dict[Path, float]:
    """Median time of one image; the bases take turns, so that a drift meets all alike."""
    import tensorflow as tf

    pixels = tf.constant(np.random.default_rng(0).uniform(-1, 1, (batch, SIZE, SIZE, 3)), "float32")
    steps = {}
    for file in files:
        base = tl.build_backbone(file.stem, image_size=SIZE, weights=None)
        steps[file] = tf.function(lambda x, base=base: base(x, training=False), jit_compile=False)
        steps[file](pixels)
    times = {file: [] for file in files}
    for _ in range(30):
        for file, step in steps.items():
            began = time.perf_counter()
            step(pixels).numpy()
            times[file].append((time.perf_counter() - began) / batch * 1000)
    return {file: statistics.median(values) for file, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path, nargs="+", metavar="BASE.npz")
    files = parser.parse_args().files
    one, many = milliseconds(files, 1), milliseconds(files, 32)
    print(
        "| base | parameters | ms, batch 1 | ms, batch 32 | "
        + " | ".join(SETS)
        + " | mean per ms |"
    )
    print("|---" * (5 + len(SETS)) + "|")
    for file in files:
        record = tl.backbones.get_backbone(file.stem)
        scores = [probe(file, name) for name in SETS]
        cells = " | ".join(f"{score:.3f}" for score in scores)
        rate = np.mean(scores) / many[file]
        print(
            f"| {file.stem} | {record.parameters:,} | {one[file]:.2f} | {many[file]:.2f} | {cells} "
            f"| {rate:.2f} |"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
