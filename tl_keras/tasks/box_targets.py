"""All boxes of a table as one array, for losses and figures."""

from collections.abc import Sequence

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.errors import InputError


def detection_targets(boxes: Sequence[Boxes], max_boxes: int | None = None) -> np.ndarray:
    """All boxes of every image, padded.

    Args:
        boxes: Of N images, in px of the model's input.
        max_boxes: M; by default as many as the fullest image has, at least 1.  The length is part
            of the compiled step, so give the same for every batch.

    Returns:
        Float32 (N, M, 6): ``x1, y1, x2, y2``, class, flag: 1 counts, 0 padding, -1 ignored.
        Boxes without area are padding.

    Raises:
        InputError: An image has more boxes than ``max_boxes``.

    Example:
        >>> detection_targets([Boxes.of([(1, 2, 3, 4)], [5]), Boxes.of()]).tolist()
        [[[1.0, 2.0, 3.0, 4.0, 5.0, 1.0]], [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]]
    """
    most = max((len(own) for own in boxes), default=0)
    if max_boxes is not None and most > max_boxes:
        raise InputError(
            f"an image has {most} boxes, max_boxes={max_boxes}; give {most} or more, or leave it "
            "out"
        )
    rows = np.zeros((len(boxes), max_boxes or max(most, 1), 6), "float32")
    for row, own in zip(rows, boxes, strict=True):
        drawn = own.areas() > 0
        count = int(drawn.sum())
        row[:count, :4], row[:count, 4] = own.xyxy[drawn], own.classes[drawn]
        row[:count, 5] = np.where(own.ignore[drawn], -1, 1)
    return rows
