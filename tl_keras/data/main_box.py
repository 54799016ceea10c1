"""The one box of every image, as the rows of a batch."""

from collections.abc import Sequence

import numpy as np

from tl_keras.data.augment.change import Change
from tl_keras.data.augment.geometry import move_boxes, to_square
from tl_keras.data.boxes import Boxes
from tl_keras.data.drawn_targets import LEFT
from tl_keras.data.examples import Examples
from tl_keras.data.needed_columns import check_boxes, image_sizes


class MainBoxTargets:
    """Class and box of each image: the largest box that counts, of the image's class if it has one.

    Args:
        examples: With boxes.
        image_size: Side of the square images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Attributes:
        dtype: float32.
        shape: (N, 6): ``x1, y1, x2, y2`` in px of the square, class (-1: none), and 1, or 0 where
            there is no box.

    Raises:
        InputError: The examples bring no boxes, or no sizes of images.
    """

    dtype = np.dtype("float32")

    def __init__(self, examples: Examples, image_size: int, resize: str):
        check_boxes(examples)
        self._sizes = image_sizes(examples)
        self._image_size, self._resize = image_size, resize
        self.shape = (len(examples), 6)
        self._rows = localization_targets(examples.boxes, examples.labels)

    def row(self, index: int, change: Change) -> np.ndarray:
        """Class and box of one image after a change.

        Args:
            index: Position in the table.
            change: Of the square image.

        Returns:
            float32 (6,); a box that has left the image is none.
        """
        row = self._rows[index].copy()
        size = self._image_size
        matrix = change.matrix @ to_square(*self._sizes[index], size, self._resize)
        moved, left = move_boxes(row[None, :4], matrix, size, size, LEFT)
        kept = len(left) and row[5] > 0
        row[:4], row[5] = moved[0] if kept else 0, bool(kept)
        return row


def localization_targets(boxes: Sequence[Boxes], labels: Sequence[int] | None = None) -> np.ndarray:
    """The one box of every image: the largest that counts, of the image's class if it has one.

    Args:
        boxes: Of N images, in px of the model's input.
        labels: Classes of the images, -1 where there is none; by default those of the boxes.

    Returns:
        Float32 (N, 6): ``x1, y1, x2, y2``, class (-1: none), flag: 1, or 0 where there is no box.

    Example:
        >>> localization_targets([Boxes.of([(0, 0, 1, 1), (0, 0, 2, 2)], [0, 1])], [0]).tolist()
        [[0.0, 0.0, 1.0, 1.0, 0.0, 1.0]]
    """
    rows = np.zeros((len(boxes), 6), "float32")
    rows[:, 4] = -1 if labels is None else labels
    for row, own in zip(rows, boxes, strict=True):
        areas = np.where(own.ignore, 0, own.areas())
        if row[4] >= 0:
            areas = np.where(own.classes == row[4], areas, 0)
        if areas.any():
            main = int(areas.argmax())
            row[:4], row[4], row[5] = own.xyxy[main], own.classes[main], 1
    return rows
