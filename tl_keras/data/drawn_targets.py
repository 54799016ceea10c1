"""Boxes and masks as the rows of a batch: moved to where resizing and augmentation put them."""

import numpy as np

from tl_keras.data.augment.change import Change
from tl_keras.data.augment.geometry import move_boxes, move_ids, move_mask, to_square
from tl_keras.data.boxes import Boxes
from tl_keras.data.decoding import UnreadableImageError
from tl_keras.data.examples import Examples
from tl_keras.data.instance_targets import maps_of
from tl_keras.data.instances import Instances, seen
from tl_keras.data.needed_columns import (
    check_boxes,
    check_mask_size,
    image_sizes,
    mask_classes,
    nothing_in,
)
from tl_keras.data.packed_maps import PackedMaps
from tl_keras.errors import InputError

# A box of which less is left is no longer the thing (Albumentations and torchvision leave that to
# the user; a quarter keeps most cut-off things and drops slivers).
LEFT = 0.25
_MOST = 2**15 - 1  # things of one image: what int16 holds


class BoxTargets:
    """The boxes of each image, padded to as many as the fullest image has.

    Boxes that do not count (crowds, difficult ones) are marked so: they are neither things to find
    nor background.

    Args:
        examples: With boxes.
        image_size: Side of the square images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Attributes:
        dtype: float32.
        shape: (N, M, 6): ``x1, y1, x2, y2`` in px of the square, class, and 1 for a box or 0 for
            padding, -1 for a box that does not count.

    Raises:
        InputError: The examples bring no boxes, or no sizes of images, or no image has one that
            counts.
    """

    dtype = np.dtype("float32")

    def __init__(self, examples: Examples, image_size: int, resize: str):
        check_boxes(examples)
        self._sizes = image_sizes(examples)
        self._examples, self._image_size, self._resize = examples, image_size, resize
        if len(examples) and all(boxes.ignore.all() for boxes in examples.boxes):
            raise nothing_in(examples, "a box that counts", "boxes")
        most = max((len(boxes) for boxes in examples.boxes), default=0)
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
        size = self._image_size
        matrix = change.matrix @ to_square(*self._sizes[index], size, self._resize)
        moved, left = move_boxes(boxes.xyxy, matrix, size, size, LEFT)
        rows = np.zeros(self.shape[1:], self.dtype)
        rows[: len(moved), :4] = moved
        rows[: len(moved), 4] = boxes.classes[left]
        rows[: len(moved), 5] = np.where(boxes.ignore[left], -1, 1)
        return rows


class PixelTargets:
    """The class of each pixel, 255 where there is none to learn.

    Masks are drawn once (:mod:`tl_keras.data.packed_maps`).

    Args:
        examples: With masks.
        image_size: Side of the square images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Attributes:
        dtype: uint8.
        shape: (N, S, S).

    Raises:
        InputError: The examples bring no masks, or no sizes of images, or an image has no mask, or
            all masks are of one class.
    """

    dtype = np.dtype("uint8")

    def __init__(self, examples: Examples, image_size: int, resize: str):
        kinds = mask_classes(examples)
        if not kinds and len(examples):
            raise nothing_in(examples, "a class by pixel", "masks")
        if len(kinds) == 1:
            raise InputError(
                f"every pixel of {examples.root or 'the data'} is of the class {kinds[0]!r} or "
                "ignored; add images of others, or, where pixels of no thing are to be a class, "
                "read it with background='background'"
            )
        self._sizes = image_sizes(examples)
        self._examples, self._image_size, self._resize = examples, image_size, resize
        self.shape = (len(examples), image_size, image_size)
        self._drawn = PackedMaps(self._classes)

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
        mask, _ = self._drawn[index]
        size = self._image_size
        matrix = change.matrix @ to_square(*self._sizes[index], size, self._resize)
        return move_mask(mask, matrix, (size, size))

    def _classes(self, index: int) -> tuple[np.ndarray, None]:
        height, width = self._sizes[index]
        mask = self._examples.masks[index].semantic(height, width)
        check_mask_size(self._examples.paths[index], mask, height, width)
        return mask, None


class InstanceTargets:
    """Single things as the maps that a bottom-up instance segmenter learns, and their numbers.

    Where boxes say more than masks, what lies in them is not known: an ignored box (a crowd) of
    which no pixel is marked so, and a box that counts but whose thing is not outlined.

    Maps of things are drawn once (:mod:`tl_keras.data.packed_maps`).

    Args:
        examples: With masks.
        image_size: Side of the square images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Attributes:
        dtype: float32.
        shape: (N, S, S, 6): the five maps of :mod:`tl_keras.data.instance_targets`, and the number
            of the thing: 0 none, k + 1 the k-th, -1 not known; see :func:`things_of`.

    Raises:
        InputError: The examples bring no masks, or no sizes of images, or an image has no mask, or
            none has a thing.
    """

    dtype = np.dtype("float32")

    def __init__(self, examples: Examples, image_size: int, resize: str):
        kinds = mask_classes(examples)
        if len(examples) and all(name.casefold() == "background" for name in kinds):
            raise nothing_in(examples, "a thing", "masks")
        self._sizes = image_sizes(examples)
        self._examples, self._image_size, self._resize = examples, image_size, resize
        self.shape = (len(examples), image_size, image_size, 6)
        self._drawn = PackedMaps(self._things)

    def row(self, index: int, change: Change) -> np.ndarray:
        """The things of one image after a change.

        Args:
            index: Position in the table.
            change: Of the square image.

        Returns:
            float32 (S, S, 6).

        Raises:
            UnreadableImageError: The mask has vanished or changed, or holds too many things.
        """
        ids, classes = self._drawn[index]
        size = self._image_size
        matrix = change.matrix @ to_square(*self._sizes[index], size, self._resize)
        things = seen(move_ids(ids, matrix, (size, size)), classes)
        maps = np.empty(self.shape[1:], self.dtype)
        maps[..., :5], maps[..., 5] = maps_of(things), things.ids
        return maps

    def _things(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of things, int16 (H, W), in the image's own pixels, and their classes."""
        height, width = self._sizes[index]
        things = self._examples.masks[index].things(height, width)
        path = self._examples.paths[index]
        check_mask_size(path, things.ids, height, width)
        if len(things) > _MOST:
            raise UnreadableImageError(
                f"the mask of {path}", f"{len(things)} things, over the bound of {_MOST}"
            )
        ids = things.ids.astype(np.int16)
        if self._examples.boxes is not None:
            _forget(ids, things.classes, self._examples.boxes[index])
        return ids, things.classes


def things_of(maps: np.ndarray) -> Instances:
    """The true things of one row of :class:`InstanceTargets`.

    Args:
        maps: float (S, S, 6).

    Returns:
        The things, with scores of 1.

    Example:
        >>> maps = np.zeros((1, 2, 6))
        >>> maps[0, 1] = (5, 1, 0, 0, 1, 1)  # class 4
        >>> things_of(maps).ids.tolist(), things_of(maps).classes.tolist()
        ([[0, 1]], [4])
    """
    ids = np.asarray(maps[..., 5]).astype(np.int32)
    classes = np.zeros(max(0, int(ids.max(initial=0))), np.int32)
    thing = ids > 0
    classes[ids[thing] - 1] = np.asarray(maps[..., 0])[thing].astype(np.int32) - 1
    return Instances(ids, classes, np.ones(len(classes), np.float32))


def _forget(ids: np.ndarray, classes: np.ndarray, boxes: Boxes) -> None:
    """Marks what lies in boxes without an outline as not known, in place."""
    height, width = ids.shape
    corners = np.concatenate([np.floor(boxes.xyxy[:, :2]), np.ceil(boxes.xyxy[:, 2:])], axis=1)
    corners = np.clip(corners, 0, [width, height, width, height]).astype(int)
    for (x1, y1, x2, y2), label, ignore in zip(corners, boxes.classes, boxes.ignore, strict=True):
        inside = ids[y1:y2, x1:x2]
        if ignore:
            drawn = (inside < 0).any()
        else:
            drawn = (np.append(classes, -1)[inside[inside > 0] - 1] == label).any()
        if not drawn:
            inside[inside == 0] = -1
