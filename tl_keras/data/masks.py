"""Masks of one image, whatever file they lie in: classes by pixel, or things one by one."""

from typing import Protocol

import numpy as np

#: Class of pixels that are neither trained on nor measured (void, border).
IGNORE = 255


class Mask(Protocol):
    """What the readers put into ``Examples.masks``; pixels are read when they are asked for.

    Sizes are those of the image, upright, in px.  Files that cannot be read raise
    ``UnreadableImageError`` naming the file, and so does a mask of another size than its image.
    """

    def semantic(self, height: int, width: int) -> np.ndarray:
        """Classes by pixel.

        Returns:
            uint8 (H, W): an index into the table's ``class_names``, or :data:`IGNORE`.
        """

    def instances(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Things one by one.

        Returns:
            bool (M, H, W), and their classes, int32 (M,).
        """

    def fingerprint(self) -> str:
        """Identifies the content: digests of the files, or of polygons, in hexadecimal."""
