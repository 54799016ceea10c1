"""Masks that lie in picture files: values that stand for classes, or a file for each thing."""

import functools
import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from tl_keras.data.decoding import MAX_PIXELS, UnreadableImageError, formats, open_regular
from tl_keras.data.instances import Instances, seen
from tl_keras.data.masks import IGNORE
from tl_keras.data.scanning import DIGEST_BYTES

#: In :attr:`ClassMask.classes`: a value that no pixel may have.
UNKNOWN = -1

#: Above this a pixel of a black-and-white mask is on; JPEG and resizing blur 0 and 255.
THRESHOLD = 127

_VALUES = 256


def read_values(path: str, height: int, width: int) -> np.ndarray:
    """Reads the numbers that a mask file stores, without any conversion of colours.

    Args:
        path: a picture of one channel, a palette, or of equal channels (alpha is passed over).
        height: expected, px.
        width: expected, px.

    Returns:
        uint8 array (height, width).

    Raises:
        UnreadableImageError: unreadable, of another size, in colours, or with values over 255.

    Example:
        >>> read_values("no/such.png", 4, 4)
        Traceback (most recent call last):
        ...
        tl_keras.data.decoding.UnreadableImageError: cannot read no/such.png: no such file; \
mend or remove it
    """
    with open_regular(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(file, formats=formats()) as image:
                if image.size != (width, height) or width * height > MAX_PIXELS:
                    columns, rows = image.size
                    reason = f"a mask of {columns} x {rows} px, its image has {width} x {height}"
                    raise UnreadableImageError(path, reason)
                values = np.asarray(image)
                with_alpha = image.mode in ("LA", "RGBA", "La", "RGBa")
        except UnreadableImageError:
            raise
        except Exception as error:  # hostile bytes: every kind of exception is possible
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UnreadableImageError(path, f"not a mask, or damaged ({reason})") from None
    if values.dtype == bool:
        return values.astype(np.uint8) * 255
    if values.ndim == 3:  # height, width, channels
        colours = values[..., :-1] if with_alpha else values
        values = colours[..., 0]
        if (colours != values[..., None]).any():
            raise UnreadableImageError(path, "in colours; expected one number a pixel (a palette)")
    if values.dtype != np.uint8:
        if values.size and (values.min() < 0 or values.max() >= _VALUES):
            raise UnreadableImageError(path, f"values up to {values.max()}; expected 0 to 255")
        values = values.astype(np.uint8)
    return values


def _digest(paths: Iterable[str], *rest: object) -> str:
    total = hashlib.blake2b(repr(rest).encode(), digest_size=DIGEST_BYTES)
    for path in paths:
        with open_regular(path) as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


@dataclass(frozen=True, eq=False)
class ClassMask:
    """A :class:`tl_keras.data.Mask` in one file whose values stand for classes.

    Attributes:
        path: the file.
        classes: for each value from 0 to 255 its class, ``IGNORE``, or ``UNKNOWN`` (-1) for a
            value that must not be there.
        background: the class that has no things; ``None``: each class has.

    Example:
        >>> mask = ClassMask("road.png", classes=(0, 1, *(-1,) * 253, 255))
        >>> mask.semantic(480, 640)  # doctest: +SKIP
        array([[0, 0, 1, ...
    """

    path: str
    classes: tuple[int, ...]
    background: int | None = None

    def check(self, height: int, width: int) -> None:
        """Reads it once, see :meth:`tl_keras.data.Mask.check`."""
        self.semantic(height, width)

    def semantic(self, height: int, width: int) -> np.ndarray:
        """Classes by pixel, see :meth:`tl_keras.data.Mask.semantic`."""
        classes = np.array(self.classes, np.int16)[read_values(self.path, height, width)]
        if (classes == UNKNOWN).any():
            values = np.unique(read_values(self.path, height, width))
            unknown = [str(v) for v in values if self.classes[v] == UNKNOWN]
            known = [str(v) for v in range(_VALUES) if self.classes[v] != UNKNOWN]
            reason = f"values {', '.join(unknown[:5])} stand for no class (known: "
            remedy = "name them as well, 'void' for what is not to count"
            raise UnreadableImageError(self.path, f"{reason}{', '.join(known)}); {remedy}")
        return classes.astype(np.uint8)

    def instances(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Things one by one: the connected regions (by edges and corners) of each class.

        Returns:
            bool (M, H, W), and their classes, int32 (M,), as of :class:`tl_keras.data.Mask`.
        """
        by_pixel = self.semantic(height, width)
        things, labels = [], []
        for label in np.unique(by_pixel):
            if label in (IGNORE, self.background):
                continue
            count, regions = cv2.connectedComponents((by_pixel == label).astype(np.uint8))
            things += [regions == k for k in range(1, count)]
            labels += [label] * (count - 1)
        return np.array(things, bool).reshape(-1, height, width), np.array(labels, np.int32)

    def things(self, height: int, width: int) -> Instances:
        """Things on one map, see :meth:`tl_keras.data.Mask.things`."""
        by_pixel = self.semantic(height, width)
        ids, classes = np.zeros((height, width), np.int32), []
        for label in np.flatnonzero(np.bincount(by_pixel.ravel(), minlength=_VALUES)).tolist():
            if label == IGNORE:
                ids[by_pixel == IGNORE] = -1
            elif label != self.background:
                count, regions = cv2.connectedComponents((by_pixel == label).astype(np.uint8))
                ids += np.where(regions > 0, regions + len(classes), 0)
                classes += [label] * (count - 1)
        return Instances(ids, np.array(classes, np.int32), np.ones(len(classes), np.float32))

    def kinds(self) -> tuple[int, ...]:
        """Classes that its pixels may have, see :meth:`tl_keras.data.Mask.kinds`."""
        return tuple(sorted({*self.classes} - {IGNORE, UNKNOWN}))

    @functools.cached_property
    def _identity(self) -> str:
        return _digest([self.path], self.classes)

    def fingerprint(self) -> str:
        """Identifies the file's bytes and the meaning of its values, in hexadecimal."""
        return self._identity


@dataclass(frozen=True, eq=False)
class ThingMask:
    """A :class:`tl_keras.data.Mask` of black-and-white files, one for each thing.

    Where things overlap, the later one lies on top.

    Attributes:
        paths: the files; pixels above 127 belong to the thing.
        classes: the class of each.
        background: class of the pixels of no thing; ``None``: they are ``IGNORE``.

    Example:
        >>> cells = ThingMask(("1.png", "2.png"), (1, 1), background=0)
        >>> things, classes = cells.instances(256, 256)  # doctest: +SKIP
    """

    paths: tuple[str, ...]
    classes: tuple[int, ...]
    background: int | None = None

    def check(self, height: int, width: int) -> None:
        """Reads every file once, see :meth:`tl_keras.data.Mask.check`."""
        for path in self.paths:
            read_values(path, height, width)

    def semantic(self, height: int, width: int) -> np.ndarray:
        """Classes by pixel, see :meth:`tl_keras.data.Mask.semantic`."""
        nothing = IGNORE if self.background is None else self.background
        classes = np.full((height, width), nothing, np.uint8)
        for path, label in zip(self.paths, self.classes, strict=True):
            classes[read_values(path, height, width) > THRESHOLD] = label
        return classes

    def instances(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Things one by one, see :meth:`tl_keras.data.Mask.instances`."""
        things = np.zeros((len(self.paths), height, width), bool)
        for k, path in enumerate(self.paths):
            things[k] = read_values(path, height, width) > THRESHOLD
        return things, np.array(self.classes, np.int32)

    def things(self, height: int, width: int) -> Instances:
        """Things on one map, see :meth:`tl_keras.data.Mask.things`."""
        ids = np.zeros((height, width), np.int32)
        for k, path in enumerate(self.paths):
            ids[read_values(path, height, width) > THRESHOLD] = k + 1
        return seen(ids, self.classes)

    def kinds(self) -> tuple[int, ...]:
        """Classes that its pixels may have, see :meth:`tl_keras.data.Mask.kinds`."""
        nothing = set() if self.background is None else {self.background}
        return tuple(sorted({*self.classes} | nothing))

    @functools.cached_property
    def _identity(self) -> str:
        return _digest(self.paths, self.classes, self.background)

    def fingerprint(self) -> str:
        """Identifies the files' bytes and their classes, in hexadecimal."""
        return self._identity
