"""Masks of drawn shapes: polygons and run-lengths, rasterised when they are asked for."""

import functools
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from tl_keras.data.decoding import MAX_PIXELS, UnreadableImageError
from tl_keras.data.instances import Instances, seen
from tl_keras.data.masks import IGNORE
from tl_keras.data.rasters import filled, run_lengths_to_mask
from tl_keras.data.rgb import turned
from tl_keras.data.scanning import DIGEST_BYTES, same_shape
from tl_keras.errors import InputError


class Shape(NamedTuple):
    """The outline of one thing, as drawn.

    Attributes:
        polygons: its pieces, each ``(x, y, x, y, ...)``, in px or in shares of the image's sides.
        counts: or run-lengths, as COCO writes them: column by column, pixels off, on, off, ....
        size: ``(height, width)`` that the run-lengths belong to.

    Example:
        >>> Shape(polygons=((0, 0, 4, 0, 4, 4),)).counts
        ()
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    counts: tuple[int, ...] = ()
    size: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class ShapeMask:
    """A :class:`tl_keras.data.Mask` of shapes: COCO's segmentations, YOLO's polygons.

    Where shapes overlap, the later one lies on top.  Things to be ignored (crowds) are
    ``IGNORE`` in :meth:`semantic` and are left out of :meth:`instances`.

    Attributes:
        shapes: one per thing.
        classes: the class of each.
        ignore: whether it does not count.
        background: class of the pixels of no thing; ``None``: they are ``IGNORE``.
        size: ``(width, height)`` in px that the coordinates belong to; ``None``: the image's own.
        relative: coordinates are shares of the sides, 0 to 1.
        orientation: EXIF's number of the turn from the pixels drawn on to the upright image.

    Example:
        >>> corner = ShapeMask((Shape(((0, 0, 2, 0, 2, 1, 0, 1),)),), (1,), (False,), background=0)
        >>> corner.semantic(2, 3).tolist()
        [[1, 1, 0], [0, 0, 0]]
    """

    shapes: tuple[Shape, ...]
    classes: tuple[int, ...]
    ignore: tuple[bool, ...]
    background: int | None = None
    size: tuple[int, int] | None = None
    relative: bool = False
    orientation: int = 1

    def check(self, height: int, width: int) -> None:
        """Looks whether the shapes fit the image, without drawing them.

        Args:
            height: of the upright image, px.
            width: of the upright image, px.

        Raises:
            UnreadableImageError: run-lengths of another shape than the image, or of another
                number of pixels than they say.
        """
        columns, rows = self._frame(height, width)
        for number, shape in enumerate(self.shapes, 1):
            if shape.size:
                what = f"shape {number}, of {shape.size[1]} x {shape.size[0]} px"
                if shape.size[0] * shape.size[1] > MAX_PIXELS or not same_shape(
                    shape.size[::-1], (columns, rows)
                ):
                    raise UnreadableImageError(what, f"the image has {columns} x {rows} px")
                if sum(shape.counts) != shape.size[0] * shape.size[1]:
                    raise UnreadableImageError(what, f"its lengths give {sum(shape.counts)} px")

    def _frame(self, height: int, width: int) -> tuple[int, int]:
        """Width and height of the pixels drawn on, before they are turned."""
        sideways = self.orientation >= 5  # EXIF: height and width change places
        return (height, width) if sideways else (width, height)

    def _drawn(self, shape: Shape, height: int, width: int) -> np.ndarray:
        columns, rows = self._frame(height, width)
        if shape.size:
            mask = run_lengths_to_mask(shape.counts, shape.size)
            if mask.shape != (rows, columns):
                mask = cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_NEAREST)
        else:
            unit = (1, 1) if self.relative else self.size or (columns, rows)
            scale = np.array([columns / unit[0], rows / unit[1]])
            mask = np.zeros((rows, columns), np.uint8)
            for polygon in shape.polygons:
                mask |= filled(np.array(polygon, np.float64).reshape(-1, 2) * scale, rows, columns)
        return turned(mask, self.orientation).astype(bool)

    def semantic(self, height: int, width: int) -> np.ndarray:
        """Classes by pixel, see :meth:`tl_keras.data.Mask.semantic`.

        Raises:
            InputError: a class's number does not fit beside ``IGNORE``.
        """
        if max(self.classes, default=0) >= IGNORE:
            raise InputError(f"classes by pixel go up to {IGNORE - 1}; use the things one by one")
        classes = np.full((height, width), IGNORE, np.uint8)
        if self.background is not None:
            classes[:] = self.background
        for shape, label, ignore in zip(self.shapes, self.classes, self.ignore, strict=True):
            classes[self._drawn(shape, height, width)] = IGNORE if ignore else label
        return classes

    def instances(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Things one by one, see :meth:`tl_keras.data.Mask.instances`."""
        counting = [i for i, ignore in enumerate(self.ignore) if not ignore]
        things = np.zeros((len(counting), height, width), bool)
        for k, i in enumerate(counting):
            things[k] = self._drawn(self.shapes[i], height, width)
        return things, np.array([self.classes[i] for i in counting], np.int32)

    def things(self, height: int, width: int) -> Instances:
        """Things on one map, see :meth:`tl_keras.data.Mask.things`."""
        counting = [i for i, ignore in enumerate(self.ignore) if not ignore]
        number = {i: k + 1 for k, i in enumerate(counting)}
        ids = np.zeros((height, width), np.int32)
        for i, shape in enumerate(self.shapes):
            ids[self._drawn(shape, height, width)] = number.get(i, -1)
        return seen(ids, [self.classes[i] for i in counting])

    def kinds(self) -> tuple[int, ...]:
        """Classes that its pixels may have, see :meth:`tl_keras.data.Mask.kinds`."""
        counted = zip(self.classes, self.ignore, strict=True)
        nothing = set() if self.background is None else {self.background}
        return tuple(sorted({label for label, ignore in counted if not ignore} | nothing))

    @functools.cached_property
    def _digest(self) -> str:
        # repr of tuples of ints and floats: exact, and the same everywhere.
        text = repr((self.shapes, self.classes, self.ignore, self.background))
        frame = repr((self.size, self.relative, self.orientation))
        return hashlib.blake2b((text + frame).encode(), digest_size=DIGEST_BYTES).hexdigest()

    def fingerprint(self) -> str:
        """Identifies the shapes and their classes, in hexadecimal."""
        return self._digest
