"""What ``model.json`` says of the split: which content stood on which side, and what crosses."""

from typing import Any

import numpy as np


def described_split(
    train: Any, val: Any, test: Any = None, target: str = "labels"
) -> dict[str, Any] | None:
    """One number for all sides, and for each its number with its targets and its counts.

    Args:
        train: ``Examples``.
        val: Likewise, or None.
        test: Likewise, or None.
        target: What is learned, as of ``Examples.dataset``: tags and boxes are counted where they
            are, images of each class else; masks are not, for that takes reading them.

    Returns:
        ``fingerprint``; ``train``, ``val``, ``test`` (where there are such): ``images``,
        ``fingerprint``, ``counts`` of each class or tag, and ``groups`` (how many, where there are
        any); ``brought``: whether the data brought the split; ``shared``: ``contents`` and
        ``groups`` that stand on more than one side.  None where a side is no table.
    """
    from tl_keras.data.splitting import split_fingerprint

    sides = {
        name: side
        for name, side in (("train", train), ("val", val), ("test", test))
        if side is not None
    }
    if not all(hasattr(side, "fingerprint") for side in sides.values()):
        return None
    groups = [_groups(side) for side in sides.values()]
    return {
        "fingerprint": split_fingerprint(train, val, test),
        **{name: described_side(side, target) for name, side in sides.items()},
        "brought": len(sides) > 1 and all(side.parts == (name,) for name, side in sides.items()),
        "shared": {
            "contents": _shared([set(side.digests) for side in sides.values()]),
            "groups": _shared(groups) if any(groups) else None,
        },
    }


def described_side(side: Any, target: str = "labels") -> dict[str, Any]:
    """What :func:`described_split` says of one side."""
    said = {"images": len(side), "fingerprint": side.fingerprint(), "counts": _counts(side, target)}
    groups = _groups(side)
    return {**said, "groups": len(groups)} if groups else said


def _groups(side: Any) -> set[str]:
    return {one for one in side.groups or () if one is not None}


def _counts(side: Any, target: str) -> dict[str, int] | None:
    """Images of each class; or with each tag; or boxes of each class."""
    bare = bool((side.labels < 0).all())
    if side.tags is not None and (bare or target == "tags"):
        return dict(zip(side.tag_names, (side.tags == 1).sum(axis=0).tolist(), strict=True))
    if side.boxes is not None and (bare or target == "boxes"):
        classes = np.concatenate([[], *(boxes.classes for boxes in side.boxes)]).astype("int64")
        found = np.bincount(classes[classes >= 0], minlength=len(side.class_names))
        return dict(zip(side.class_names, found.tolist(), strict=True))
    return None if bare or target in ("pixels", "instances") else side.counts()


def _shared(sides: list[set[str]]) -> int:
    """How many stand on more than one side."""
    return sum(len(side) for side in sides) - len(set().union(*sides))
