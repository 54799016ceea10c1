"""The single things of one image as one map of numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tl_keras.errors import InputError


@dataclass(frozen=True, eq=False)
class Instances:
    """Things of one image, true or found; no two overlap.

    Attributes:
        ids: int32 (H, W): 0 for none, k + 1 for the k-th thing, -1 for pixels that nobody knows
            about (crowds, void; in the truth only).
        classes: int32 (K,), kinds, 0..C-1.
        scores: float32 (K,), 0..1; ones for true things.

    Example:
        >>> Instances(np.array([[0, 1], [2, 2]]), np.array([4, 4]), np.ones(2)).masks.sum((1, 2))
        array([1, 2])
    """

    ids: np.ndarray
    classes: np.ndarray
    scores: np.ndarray

    @property
    def masks(self) -> np.ndarray:
        """bool (K, H, W)."""
        return self.ids == np.arange(1, len(self.classes) + 1)[:, None, None]

    def __len__(self) -> int:
        return len(self.classes)


def instances_of(masks: Any, classes: Any, ignore: Any = None) -> Instances:
    """Lay masks on one map: where they overlap, the later thing lies on top.

    Args:
        masks: bool (M, H, W), such as ``Mask.instances`` returns.
        classes: int (M,), their kinds.
        ignore: bool (H, W), pixels that nobody knows about, or None; things lie on top of them.

    Returns:
        The things that are seen: one wholly covered, or of no pixel, is left out.

    Raises:
        InputError: Shapes do not fit.

    Example:
        >>> seen = instances_of(np.ones((2, 1, 2), bool) & [[[1, 1]], [[0, 1]]], [5, 6])
        >>> seen.ids.tolist(), seen.classes.tolist()
        ([[1, 2]], [5, 6])
    """
    masks, classes = np.asarray(masks, bool), np.asarray(classes, np.int32).reshape(-1)
    if masks.ndim != 3 or len(masks) != len(classes):
        raise InputError(
            f"masks of shape {masks.shape} and {len(classes)} classes; expected (M, H, W) and (M,)"
        )
    ids = np.zeros(masks.shape[1:], np.int32)
    if ignore is not None:
        ignore = np.asarray(ignore, bool)
        if ignore.shape != ids.shape:
            raise InputError(
                f"ignore of shape {ignore.shape} for masks of {ids.shape}; give the same"
            )
        ids[ignore] = -1
    for k, mask in enumerate(masks):
        ids[mask] = k + 1
    return seen(ids, classes)


def seen(ids: np.ndarray, classes: Any) -> Instances:
    """True things of a map, without those that have no pixel.

    Args:
        ids: int (H, W), as of :class:`Instances`.
        classes: int (M,), the kind of each thing.

    Returns:
        The things that have pixels.

    Example:
        >>> seen(np.array([[2, 2, 0]]), [5, 6]).classes.tolist()
        [6]
    """
    classes = np.asarray(classes, np.int32).reshape(-1)
    area = np.bincount(np.maximum(ids, 0).ravel(), minlength=len(classes) + 1)[1:]
    things = Instances(ids, classes, np.ones(len(classes), np.float32))
    return only(things, area > 0)


def only(things: Instances, kept: Any) -> Instances:
    """Some of the things; pixels of the others are of none.

    Args:
        things: Of one image.
        kept: bool (K,), which of them.

    Returns:
        Those things, numbered anew; ``things`` itself where all are kept.

    Example:
        >>> two = Instances(np.array([[1, 2, -1]]), np.array([7, 8]), np.ones(2))
        >>> only(two, [False, True]).ids.tolist()
        [[0, 1, -1]]
    """
    kept = np.asarray(kept, bool)
    if kept.all():
        return things
    number = np.zeros(len(kept) + 2, things.ids.dtype)
    number[1:-1][kept], number[-1] = np.arange(1, kept.sum() + 1), -1
    return Instances(number[things.ids], things.classes[kept], things.scores[kept])
