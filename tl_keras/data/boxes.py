"""Boxes of one image: where things are, which class each has, and which do not count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of one image, in its own pixels (upright, as ``read_image`` returns it).

    Attributes:
        xyxy: float32 (M, 4), read-only: ``x1, y1, x2, y2`` in px from the top left corner, far
            edges exclusive, so that width is ``x2 - x1``.
        classes: int32 (M,), read-only; an index into the ``class_names`` of the table.
        ignore: bool (M,), read-only: neither a miss nor a false alarm when measuring, and not
            trained on (a crowd of COCO, a difficult one of VOC).

    Example:
        >>> boxes = Boxes.of([(10, 20, 30, 60)], [0])
        >>> len(boxes), boxes.areas().tolist()
        (1, [800.0])
    """

    xyxy: np.ndarray
    classes: np.ndarray
    ignore: np.ndarray

    @classmethod
    def of(
        cls, xyxy: Any = (), classes: Sequence[int] = (), ignore: Sequence[bool] | None = None
    ) -> "Boxes":
        """Boxes from lists.

        Args:
            xyxy: M rows ``x1, y1, x2, y2``, px.
            classes: M indices of classes.
            ignore: M truth values; by default every box counts.

        Raises:
            ValueError: They do not fit each other.
        """
        corners = np.array(xyxy, "float32").reshape(-1, 4)
        indices = np.array(classes, "int32").reshape(-1)
        skipped = np.zeros(len(corners), bool) if ignore is None else np.array(ignore, bool)
        if not len(corners) == len(indices) == len(skipped):
            raise ValueError(f"{len(corners)} boxes, {len(indices)} classes, {len(skipped)} flags")
        for array in (corners, indices, skipped):
            array.flags.writeable = False
        return cls(corners, indices, skipped)

    def __len__(self) -> int:
        return len(self.xyxy)

    def areas(self) -> np.ndarray:
        """float32 (M,), px²; 0 where a box is empty or turned over."""
        sides = np.maximum(self.xyxy[:, 2:] - self.xyxy[:, :2], 0)
        return sides[:, 0] * sides[:, 1]
