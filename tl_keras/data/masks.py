"""Masks of one image, whatever file they lie in: classes by pixel, or things one by one."""

from typing import Protocol

import numpy as np

from tl_keras.data.instances import Instances

#: Class of pixels that are neither trained on nor measured (void, border).
IGNORE = 255


class Mask(Protocol):
    """What the readers put into ``Examples.masks``; pixels are read when they are asked for.

    Sizes are those of the image, upright, in px.  Files that cannot be read raise
    ``UnreadableImageError`` naming the file, and so does a mask of another size than its image.
    Those that come with the house: :class:`tl_keras.data.mask_files.ClassMask` (a file whose
    values stand for classes), :class:`tl_keras.data.mask_files.ThingMask` (a file for each thing),
    :class:`tl_keras.data.mask_shapes.ShapeMask` (polygons and run-lengths).
    """

    def check(self, height: int, width: int) -> None:
        """Looks, while data is read, whether the mask is sound and fits its image.

        Raises:
            UnreadableImageError: it is not, or does not.
        """

    def semantic(self, height: int, width: int) -> np.ndarray:
        """Classes by pixel.

        Returns:
            uint8 (H, W): an index into the table's ``class_names``, or :data:`IGNORE`.  Pixels
            of nothing are of the class ``"background"`` where the table has one, else ignored.
        """

    def instances(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Things one by one.

        Returns:
            bool (M, H, W), and their classes, int32 (M,).  Where the image has boxes as well,
            thing k belongs to the k-th box that is not to be ignored.
        """

    def things(self, height: int, width: int) -> Instances:
        """What is seen of the things, on one map; where they overlap, the later lies on top.

        Returns:
            ids int32 (H, W): 0 for pixels of nothing, -1 for those that nobody knows about
            (crowds, void).  A thing of which nothing is seen is left out.
        """

    def kinds(self) -> tuple[int, ...]:
        """Classes that its pixels may have, with the background, told without reading a file."""

    def fingerprint(self) -> str:
        """Identifies the content: digests of the files, or of polygons, in hexadecimal."""
