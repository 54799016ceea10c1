"""The small real data sets beside the checkout, each as training and test examples.

They are not part of the project; see the table in the README for what they are.
"""

import csv
import os
import tempfile
from collections import Counter
from pathlib import Path

import tl_keras as tl

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def load_set(name: str, seed: int = 0):
    """(train, test) of ``hymenoptera``, ``brain-mri``, ``pets``, ``fashion``, ``magnetic-tile``.

    The first two bring a split, which is kept; the others are halved by the seed.
    """
    folder = SHARED / name
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there; this benchmark needs the real data sets")
    if name == "pets":
        # Labels stand in the file names: Abyssinian_12.jpg; dirt (a GIF, .mat files) included.
        files = sorted((folder / "images").iterdir())
        examples = _linked([(file, file.stem.rsplit("_", 1)[0]) for file in files])
    elif name == "fashion":
        with (folder / "styles.csv").open(newline="", encoding="utf-8") as file:
            rows = [(row["id"], row["articleType"]) for row in csv.DictReader(file)]
        common = {kind for kind, _ in Counter(kind for _, kind in rows).most_common(10)}
        rows = [(folder / "images" / f"{n}.jpg", kind) for n, kind in rows if kind in common]
        examples = _linked([row for row in rows if row[0].exists()])
    else:
        examples = tl.data.from_folder(folder, progress=False)
        if len(examples.parts) > 1:
            return examples.split()
    return examples.split(0.5, seed=seed)


def _linked(rows):
    """Examples from (file, class) pairs, by way of a folder of links per class."""
    root = Path(tempfile.mkdtemp(prefix="tl_keras_links_"))
    for file, name in rows:
        (root / name).mkdir(exist_ok=True)
        os.symlink(file, root / name / file.name)
    return tl.data.from_folder(root, progress=False)


def few(examples, per_class: int, seed: int):
    """At most ``per_class`` examples of each class, drawn by the seed."""
    import numpy as np

    rng = np.random.default_rng(seed)
    rows = [
        rng.permutation(np.flatnonzero(examples.labels == label))[:per_class]
        for label in range(len(examples.class_names))
    ]
    return examples.subset(np.sort(np.concatenate(rows)))
