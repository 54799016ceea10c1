"""Numbers of boxes that look as if they meant something else than they were read as."""

import numpy as np

_SHARE = 0.2  # of boxes that are wrong as they were read, from which a fitting reading is named
_MOST = 0.5  # likewise, from which something must be meant otherwise, whatever it is
_FITTING = 0.95  # of boxes that have to fit as something else, to name what
_SLACK = 0.05  # of a side, by which a box may leave its image by a slip of the hand
_FEWEST = 8  # boxes from which numbers say anything
_SMALLEST = 8  # px of an image's shorter side, from which a box of one px is none


def odd_convention(xyxy: np.ndarray, sizes: np.ndarray, *, relative: bool = False) -> str | None:
    """Says what the boxes of a whole data set look like, where that is not what they were read as.

    Args:
        xyxy: float (N, 4), all boxes, ``x1, y1, x2, y2`` as they were read, before anything is cut
            off; in px, or in shares of the sides.
        sizes: (N, 2), width and height of the image of each box, px.
        relative: they are shares.

    Returns:
        How many boxes are odd, and what they look like; ``None`` where nothing is odd.

    Example:
        >>> boxes = np.array([[50, 40, 20, 30], [10, 10, 30, 20]] * 4)
        >>> odd_convention(boxes, np.full((8, 2), 100))
        '4 of 8 boxes are turned over: their last two numbers look like width and height, not like \
the far corner'
    """
    finite = np.isfinite(xyxy).all(axis=1)
    boxes, sizes = xyxy[finite], np.asarray(sizes, np.float64)[finite]
    if len(boxes) < _FEWEST:
        return None
    limits = np.ones_like(sizes) if relative else sizes
    if relative and _share(np.abs(boxes).max(axis=1) > 2) > _MOST:
        return f"numbers up to {boxes.max():g} look like px, not like shares of the image's sides"
    if not relative and boxes.max() <= 1 and boxes.min() >= 0 and sizes.min() >= _SMALLEST:
        return "no number is above 1: they look like shares of the image's sides, not like px"
    first, last = boxes[:, :2], boxes[:, 2:]
    turned = (last < first).any(axis=1)
    leaving = (last > limits * (1 + _SLACK)).any(axis=1) | (first < -limits * _SLACK).any(axis=1)
    for odd, what, other in (
        (turned, "are turned over", "their corners look like another order than x1, y1, x2, y2"),
        (leaving, "leave their image by far", "they look drawn on a picture of another size"),
    ):
        if _share(odd) < _SHARE:
            continue
        looks = _looks(boxes, limits)
        if looks or _share(odd) >= _MOST:
            return f"{odd.sum():,} of {len(boxes):,} boxes {what}: {looks or other}"
    return None


def _looks(boxes: np.ndarray, limits: np.ndarray) -> str | None:
    """What nearly all boxes fit as: the far corner by another reading, or x and y exchanged."""
    first, last = boxes[:, :2], boxes[:, 2:]
    if _fit(first, first + last, limits):
        return "their last two numbers look like width and height, not like the far corner"
    if _fit(first, last - first, limits):
        return "their last two numbers look like the far corner, not like width and height"
    if _fit(boxes[:, 1::-1], boxes[:, :1:-1], limits):
        return "x and y look exchanged"
    return None


def _fit(first: np.ndarray, last: np.ndarray, limits: np.ndarray) -> bool:
    inside = (last <= limits * (1 + _SLACK)) & (first >= -limits * _SLACK) & (last > first)
    return _share(inside.all(axis=1)) >= _FITTING


def _share(chosen: np.ndarray) -> float:
    return float(np.mean(chosen))
