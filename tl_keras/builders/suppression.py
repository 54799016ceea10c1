"""From the cells of a detector to a list of boxes, inside the model: decoding and suppression."""

from typing import Any

import keras
import numpy as np

from tl_keras.builders.arguments import share, whole
from tl_keras.builders.box_geometry import pairwise_iou
from tl_keras.errors import InputError

_ROUNDS = 16


def detection_model(
    model: keras.Model,
    *,
    score_threshold: float = 0.05,
    iou_threshold: float = 0.6,
    max_boxes: int = 100,
    candidates: int = 300,
) -> keras.Model:
    """Put what turns cells into boxes behind a detector: to predict with and to export.

    The best-scored candidates of all classes together are thinned class by class: a box is dropped
    if one of its class with a higher score that is itself kept overlaps it by more than
    ``iou_threshold``, which is non-maximum suppression.  As a model has no loop that exports
    everywhere, it is computed for all boxes at once in 16 rounds (Cluster-NMS; Zheng et al. 2021,
    arXiv:2005.03572): the result is exactly that of the one-by-one procedure unless more than 16
    boxes hang together in a chain of which each drops the next.

    Args:
        model: A model of ``build_detector``, whose layers are shared, not copied.
        score_threshold: Lower scores are no detections, 0 <= score_threshold < 1.  For measuring
            average precision take a low one, for answers that of ``evaluate_detection``.
        iou_threshold: From which overlap on two boxes of a class are one, 0 to 1.
        max_boxes: K, at most so many boxes of an image.
        candidates: How many of the best (cell, class) pairs are looked at.

    Returns:
        A functional ``keras.Model`` of built-in layers and ``keras.ops``: images as of ``model``
        -> ``"detections"``, float32 (batch, K, 6): rows ``x1, y1, x2, y2`` in px, within the
        image, class, score; best first; rows past the last box are 0, 0, 0, 0, -1, 0.

    Raises:
        InputError: An argument cannot be used, or the model is no detector.

    Example:
        >>> from tl_keras.builders.detector import build_detector
        >>> model = build_detector("mobilenet_025", 3, image_size=64, weights=None)
        >>> detection_model(model, max_boxes=10).output_shape
        (None, 10, 6)
    """
    shape = getattr(model, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 3 or shape[2] < 5:
        raise InputError(
            f"model {getattr(model, 'name', model)!r} is no detector; give one of "
            "tl_keras.build_detector"
        )
    rows = decode_cells(
        model.output,
        model.input_shape[1],
        score_threshold=share(score_threshold, "score_threshold"),
        iou_threshold=share(iou_threshold, "iou_threshold"),
        max_boxes=whole(max_boxes, 1, "max_boxes", "give 1 or more"),
        candidates=whole(candidates, 1, "candidates", "give 1 or more"),
    )
    output = keras.layers.Activation("linear", dtype="float32", name="detections")(rows)
    return keras.Model(model.input, output, name="detections")


def decode_cells(
    predictions: Any,
    image_size: int,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_boxes: int,
    candidates: int,
) -> Any:
    """What :func:`detection_model` does, on a detector's output.

    Args:
        predictions: Float32 (batch, N, 4 + C), of ``build_detector``, a tensor or a symbolic one.
        image_size: Side of the square image, px.
        score_threshold: As of :func:`detection_model`, and so are the others.
        iou_threshold: From which overlap on two boxes of a class are one.
        max_boxes: At most so many boxes of an image, no more than the (cell, class) pairs.
        candidates: How many pairs are looked at.

    Returns:
        Float32 (batch, K, 6).

    Example:
        >>> cells = np.float32([[[0, 0, 8, 8, 9], [1, 0, 8, 8, 5]]])
        >>> found = decode_cells(cells, 16, score_threshold=0.5, iou_threshold=0.5, max_boxes=2,
        ...                      candidates=2)
        >>> np.asarray(found)[0].round(2).tolist()
        [[0.0, 0.0, 8.0, 8.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, -1.0, 0.0]]
    """
    ops = keras.ops
    cells, classes = predictions.shape[1], predictions.shape[2] - 4
    count = min(candidates, cells * classes)
    scores = ops.reshape(ops.sigmoid(predictions[:, :, 4:]), (-1, cells * classes))
    scores, chosen = ops.top_k(scores, count)
    cell = ops.expand_dims(ops.floor_divide(chosen, classes), -1)
    boxes = ops.take_along_axis(predictions[:, :, :4], cell, axis=1)
    boxes = ops.clip(boxes, 0.0, float(image_size))
    labels = ops.cast(ops.mod(chosen, classes), "float32")
    standing = ops.cast(scores > score_threshold, "float32")
    keep = _suppress(boxes, labels, standing, iou_threshold)
    scores, best = ops.top_k(scores * keep, min(max_boxes, count))
    there = ops.expand_dims(ops.cast(scores > 0, "float32"), -1)
    rows = ops.concatenate([boxes, ops.expand_dims(labels + 1, -1)], -1)
    rows = ops.take_along_axis(rows, ops.expand_dims(best, -1), axis=1) * there
    rows = rows - np.array([0, 0, 0, 0, 1], "float32")  # class -1 where there is nothing
    return ops.concatenate([rows, ops.expand_dims(scores, -1)], -1)


def _suppress(boxes: Any, labels: Any, standing: Any, iou_threshold: float) -> Any:
    """(batch, candidates) 1 or 0, whether a box is kept; candidates stand best first."""
    ops = keras.ops
    same = ops.equal(ops.expand_dims(labels, 1), ops.expand_dims(labels, 2))
    over = ops.cast(pairwise_iou(boxes, boxes) > iou_threshold, "float32")
    count = boxes.shape[1]
    earlier = np.triu(np.ones((count, count), "float32"), 1)
    over = over * ops.cast(same, "float32") * earlier  # [i, j]: i would drop j
    keep = standing
    for _ in range(_ROUNDS):
        dropped = ops.squeeze(ops.matmul(ops.expand_dims(keep, 1), over), 1)
        keep = standing * ops.relu(1.0 - dropped)
    return keep
