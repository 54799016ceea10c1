"""Boxes and masks as the rows of a batch: moved to where resizing and augmentation put them."""

import numpy as np

from tl_keras.data.augment.change import Change
from tl_keras.data.augment.geometry import move_boxes, move_mask, to_square
from tl_keras.data.decoding import UnreadableImageError
from tl_keras.data.examples import Examples
from tl_keras.errors import InputError

# A box of which less is left is no longer the thing (Albumentations and torchvision leave that to
# the user; a quarter keeps most cut-off things and drops slivers).
_LEFT = 0.25


class BoxTargets:
    """The boxes of each image, padded to as many as the fullest image has.

    Boxes that do not count (crowds, difficult ones) are left out.

    Args:
        examples: With boxes.
        image_size: Side of the square images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Attributes:
        dtype: float32.
        shape: (N, M, 6): ``x1, y1, x2, y2`` in px of the square, class, and 1 for a box or 0 for
            padding.

    Raises:
        InputError: The examples bring no boxes, or no sizes of images.
    """

    dtype = np.dtype("float32")

    def __init__(self, examples: Examples, image_size: int, resize: str):
        if examples.boxes is None:
            raise InputError(
                f"{examples.root or 'the data'} brings no boxes; read them with "
                "tl_keras.data.from_voc, from_coco, from_yolo or from_csv"
            )
        self._sizes = _sizes(examples)
        self._examples, self._image_size, self._resize = examples, image_size, resize
        most = max((int((~boxes.ignore).sum()) for boxes in examples.boxes), default=0)
        self.shape = (len(examples), max(1, most), 6)

    def row(self, index: int, change: Change) -> np.ndarray:
        """The boxes of one image after a change.

        Args:
            index: Position in the table.
            change: Of the square image.

        Returns:
            float32 (M, 6).
        """
        boxes = self._examples.boxes[index]
        counted = ~boxes.ignore
        size = self._image_size
        matrix = change.matrix @ to_square(*self._sizes[index], size, self._resize)
        moved, left = move_boxes(boxes.xyxy[counted], matrix, size, size, _LEFT)
        rows = np.zeros(self.shape[1:], self.dtype)
        rows[: len(moved), :4] = moved
        rows[: len(moved), 4] = boxes.classes[counted][left]
        rows[: len(moved), 5] = 1
        return rows


class PixelTargets:
    """The class of each pixel, 255 where there is none to learn.

    Args:
        examples: With masks.
        image_size: Side of the square images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Attributes:
        dtype: uint8.
        shape: (N, S, S).

    Raises:
        InputError: The examples bring no masks, or no sizes of images, or an image has no mask.
    """

    dtype = np.dtype("uint8")

    def __init__(self, examples: Examples, image_size: int, resize: str):
        if examples.masks is None:
            raise InputError(
                f"{examples.root or 'the data'} brings no masks; read them with "
                "tl_keras.data.from_masks or from_coco"
            )
        bare = [path for path, mask in zip(examples.paths, examples.masks, strict=True) if not mask]
        if bare:
            raise InputError(
                f"{len(bare)} images have no mask, the first {bare[0]}; add or drop it"
            )
        self._sizes = _sizes(examples)
        self._examples, self._image_size, self._resize = examples, image_size, resize
        self.shape = (len(examples), image_size, image_size)

    def row(self, index: int, change: Change) -> np.ndarray:
        """The classes by pixel of one image after a change.

        Args:
            index: Position in the table.
            change: Of the square image.

        Returns:
            uint8 (S, S).

        Raises:
            UnreadableImageError: The mask has vanished or changed.
        """
        height, width = self._sizes[index]
        mask = self._examples.masks[index].semantic(height, width)
        if mask.shape != (height, width):
            raise UnreadableImageError(
                f"the mask of {self._examples.paths[index]}",
                f"it has {mask.shape[1]} x {mask.shape[0]} px, the image {width} x {height}",
            )
        size = self._image_size
        matrix = change.matrix @ to_square(height, width, size, self._resize)
        return move_mask(mask, matrix, (size, size))


def _sizes(examples: Examples) -> list[tuple[int, int]]:
    """Height and width of each image, px, upright."""
    if examples.sizes is None:
        raise InputError(
            "the table does not say how large its images are; read it with a function of "
            "tl_keras.data, or give Examples(sizes=...)"
        )
    return [(int(height), int(width)) for height, width in examples.sizes]
