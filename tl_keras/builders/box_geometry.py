"""Overlaps of boxes in ``keras.ops``: IoU of all pairs, and the GIoU and CIoU that losses take."""

import math
from typing import Any

import keras

_TINY = 1e-7

OVERLAPS = ("iou", "giou", "ciou")
"""Overlaps that :func:`box_overlap` knows."""


def pairwise_iou(first: Any, second: Any) -> Any:
    """Intersection over union of every box of one set with every box of another.

    Args:
        first: (..., N, 4), ``x1, y1, x2, y2``.
        second: (..., M, 4), in the same unit.

    Returns:
        (..., N, M), 0..1; 0 where a box is empty or turned over.

    Example:
        >>> boxes = keras.ops.convert_to_tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.0]])
        >>> pairwise_iou(boxes, boxes[:1])[:, 0].numpy().tolist()
        [1.0, 0.5]
    """
    ops = keras.ops
    first, second = ops.expand_dims(first, -2), ops.expand_dims(second, -3)
    low = ops.maximum(first[..., :2], second[..., :2])
    high = ops.minimum(first[..., 2:], second[..., 2:])
    shared = _area(high - low)
    areas = _area(first[..., 2:] - first[..., :2]), _area(second[..., 2:] - second[..., :2])
    return shared / ops.maximum(areas[0] + areas[1] - shared, _TINY)


def box_overlap(true: Any, predicted: Any, kind: str = "iou") -> Any:
    """Overlap of each box with its own counterpart.

    Args:
        true: (..., 4), ``x1, y1, x2, y2``.
        predicted: (..., 4), in the same unit, not turned over.
        kind: ``"iou"``; ``"giou"``: less the share of the hull that neither covers (Rezatofighi et
            al. 2019, arXiv:1902.09630), which tells boxes that do not touch how far they are off;
            ``"ciou"``: less the distance of the centres and the difference of the aspect ratios
            (Zheng et al. 2020, arXiv:1911.08287).

    Returns:
        (...): IoU 0..1, GIoU -1..1, CIoU up to 1.

    Example:
        >>> round(float(box_overlap([0.0, 0, 1, 1], [2.0, 0, 3, 1], "giou")), 4)
        -0.3333
    """
    ops = keras.ops
    true, predicted = ops.convert_to_tensor(true), ops.convert_to_tensor(predicted)
    low = ops.maximum(true[..., :2], predicted[..., :2])
    high = ops.minimum(true[..., 2:], predicted[..., 2:])
    shared = _area(high - low)
    sides, own = true[..., 2:] - true[..., :2], predicted[..., 2:] - predicted[..., :2]
    union = _area(sides) + _area(own) - shared
    iou = shared / ops.maximum(union, _TINY)
    if kind == "iou":
        return iou
    hull = ops.maximum(true[..., 2:], predicted[..., 2:]) - ops.minimum(
        true[..., :2], predicted[..., :2]
    )
    if kind == "giou":
        area = ops.maximum(_area(hull), _TINY)
        return iou - (area - union) / area
    offset = (true[..., :2] + true[..., 2:] - predicted[..., :2] - predicted[..., 2:]) / 2
    apart = ops.sum(ops.square(offset), -1) / ops.maximum(ops.sum(ops.square(hull), -1), _TINY)
    aspect = (4 / math.pi**2) * ops.square(_angle(sides) - _angle(own))
    # Its weight is a factor, not a way for the gradient (section 3.3 of the paper).
    weight = ops.stop_gradient(aspect / ops.maximum(1 - iou + aspect, _TINY))
    return iou - apart - weight * aspect


def _area(sides: Any) -> Any:
    sides = keras.ops.maximum(sides, 0.0)
    return sides[..., 0] * sides[..., 1]


def _angle(sides: Any) -> Any:
    return keras.ops.arctan(sides[..., 0] / keras.ops.maximum(sides[..., 1], _TINY))
