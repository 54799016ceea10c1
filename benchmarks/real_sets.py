"""The small real data sets beside the checkout, each as training and test examples.

They are not part of the project; see the table in the README for what they are.
"""

import csv
from collections import Counter
from pathlib import Path

import tl_keras as tl

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def load_set(name: str, seed: int = 0):
    """(train, test) of ``hymenoptera``, ``brain-mri``, ``pets``, ``fashion``, ``magnetic-tile``.

    The first two bring a split, which is kept; the others are halved by the seed.
    """
    examples = load_whole(name)
    return examples.split() if examples.parts else examples.split(0.5, seed=seed)


def load_whole(name: str):
    """All examples of a set, before any split."""
    folder = SHARED / name
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there; this benchmark needs the real data sets")
    if name == "pets":
        # Labels stand in the file names: Abyssinian_12.jpg; the dirt (a GIF, .mat files) too.
        files = sorted((folder / "images").iterdir())
        labels = [file.stem.rsplit("_", 1)[0] for file in files]
    elif name == "fashion":
        with (folder / "styles.csv").open(newline="", encoding="utf-8") as file:
            rows = [(row["id"], row["articleType"]) for row in csv.DictReader(file)]
        common = {kind for kind, _ in Counter(kind for _, kind in rows).most_common(10)}
        rows = [(folder / "images" / f"{n}.jpg", kind) for n, kind in rows if kind in common]
        files, labels = zip(*(row for row in rows if row[0].exists()), strict=True)
    elif name == "magnetic-tile":
        # The .png beside each .jpg is its mask, not a picture.
        files = sorted(folder.glob("MT_*/*.jpg"))
        labels = [file.parent.name for file in files]
    else:
        return tl.data.from_folder(folder, progress=False)
    return tl.data.from_files(files, labels, progress=False)


def few(examples, per_class: int, seed: int):
    """At most ``per_class`` examples of each class, drawn by the seed."""
    import numpy as np

    rng = np.random.default_rng(seed)
    rows = [
        rng.permutation(np.flatnonzero(examples.labels == label))[:per_class]
        for label in range(len(examples.class_names))
    ]
    return examples.subset(np.sort(np.concatenate(rows)))
