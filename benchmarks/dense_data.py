"""The real sets with boxes or masks, each as its parts: what the dense tasks are measured on.

They are not part of the project; see the table in the README for what they are.  Parts that a set
brings are kept.  Elsewhere a fifth is held out as ``"test"`` and a part of the rest as ``"val"``,
by content and seed; choose on ``"val"``, tell of ``"test"``.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.data.examples import Examples
from tl_keras.data.reading.mask_folders import from_masks
from tl_keras.data.reading.voc import from_voc
from tl_keras.data.splitting.rules import split_positions

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

CAMVID = [
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
]
"""Classes of the values 0 to 10; 11 is void."""

_NEXT_TILE = 200
"""Frames between two photographs of magnetic tiles from which on they show different tiles."""

Parts = dict[str, Examples]


def pets_heads(seed: int = 0) -> Parts:
    """Localisation: the 296 pets whose head has a box; classes are breeds, from the file names."""
    table = from_voc(SHARED / "pets", progress=False)
    table = table.subset([row for row, boxes in enumerate(table.boxes) if len(boxes)])
    breeds = _breeds(table)
    names = tuple(sorted(set(breeds), key=str.casefold))
    labels = np.array([names.index(breed) for breed in breeds])
    boxes = tuple(
        Boxes.of(own.xyxy, [label] * len(own), own.ignore)
        for own, label in zip(table.boxes, labels, strict=True)
    )
    table = replace(table, labels=labels, class_names=names, boxes=boxes)
    return _held_out(table, breeds, seed)


def bccd(seed: int = 0) -> Parts:
    """Detection: blood cells of three kinds, in the set's own parts."""
    return _own_parts(from_voc(SHARED / "bccd", progress=False))


def camvid(seed: int = 0) -> Parts:
    """Segmentation: streets, eleven classes, void ignored, in the set's own parts."""
    home, parts = SHARED / "camvid", ("train", "val", "test")
    table = from_masks(
        {part: home / part for part in parts}, {part: home / f"{part}annot" for part in parts},
        class_names=CAMVID, ignore=11, progress=False,
    )  # fmt: skip
    return _own_parts(table)


def pets_trimaps(seed: int = 0) -> Parts:
    """Segmentation: pet or background; the border between them is ignored."""
    home = SHARED / "pets"
    table = from_masks(
        home / "images", home / "trimaps", kind="trimap", class_names=("background", "pet"),
        progress=False,
    )  # fmt: skip
    return _held_out(table, _breeds(table), seed)


def magnetic_tile(seed: int = 0) -> Parts:
    """Segmentation: defect or background; tiles are photographed up to six times, so by tile."""
    table = from_masks(
        SHARED / "magnetic-tile", kind="binary", class_names=("background", "defect"),
        progress=False,
    )  # fmt: skip
    frames = [int(re.search(r"num_(\d+)", Path(path).stem)[1]) for path in table.paths]
    order = np.argsort(frames)
    tile = np.zeros(len(frames), int)
    tile[order] = np.cumsum(np.diff(np.array(frames)[order], prepend=0) > _NEXT_TILE)
    table = replace(table, groups=tuple(map(str, tile)))
    return _held_out(table, [Path(path).parent.name for path in table.paths], seed)


def nuclei(seed: int = 0) -> Parts:
    """Instances: 30 images to train on, 10 to test on; too few for a part to choose on."""
    table = from_masks(SHARED / "nuclei", kind="things", class_names=("nucleus",), progress=False)
    train, test = table.split(0.25, seed)
    return {"train": train, "test": test}


SETS: dict[str, tuple[str, Callable[[int], Parts]]] = {
    "pets-heads": ("localize", pets_heads),
    "bccd": ("detect", bccd),
    "camvid": ("segment", camvid),
    "pets-trimaps": ("segment", pets_trimaps),
    "magnetic-tile": ("segment", magnetic_tile),
    "nuclei": ("instances", nuclei),
}
"""By name: the task, and what reads it."""


def load_dense(name: str, seed: int = 0) -> Parts:
    """The parts of a set.

    Args:
        name: One of :data:`SETS`.
        seed: Of the split, where the set brings none.

    Returns:
        ``"train"``, ``"val"`` (not for nuclei) and ``"test"``, disjoint by content.
    """
    if not SHARED.is_dir():
        raise SystemExit(f"{SHARED} is not there; this benchmark needs the real data sets")
    return SETS[name][1](seed)


def _breeds(table: Examples) -> list[str]:
    return [Path(path).stem.rsplit("_", 1)[0] for path in table.paths]


def _own_parts(table: Examples) -> Parts:
    return {part: table.part(part) for part in table.parts}


def _held_out(table: Examples, kinds: Sequence[str], seed: int) -> Parts:
    """64 % to train on, 16 % to choose on, 20 % to test on, each kind in each of them."""
    names = tuple(sorted(set(kinds)))
    labels = np.array([names.index(kind) for kind in kinds])
    # Labels and masks share class_names, so a table with masks is dealt by a copy that has labels.
    by_kind = replace(table, labels=labels, class_names=names, boxes=None, masks=None)
    rest, test = split_positions(by_kind, 0.2, seed)
    train, val = split_positions(by_kind.subset(rest), 0.2, seed)
    rest = np.asarray(rest)
    return {
        "train": table.subset(rest[train]),
        "val": table.subset(rest[val]),
        "test": table.subset(test),
    }


def main() -> None:
    for name in SETS:
        parts = load_dense(name)
        table = parts["train"]
        sizes = np.concatenate([part.sizes for part in parts.values()])
        print(
            name, {part: len(own) for part, own in parts.items()}, ", ".join(table.class_names),
            f"{len(table.skipped)} left out, sides {sizes.min()} to {sizes.max()} px",
        )  # fmt: skip


if __name__ == "__main__":
    main()
