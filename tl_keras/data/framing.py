"""The way back: from the network's square to the pixels of the image that it was made of."""

import io
import os
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image

from tl_keras.data.augment.geometry import to_square
from tl_keras.data.decoding import Source, UnreadableImageError, decode, formats, open_regular
from tl_keras.data.resizing import check_resize
from tl_keras.data.rgb import orientation
from tl_keras.errors import InputError

# Others may have a frame larger than the header says (GIF), or are turned by Pillow (TIFF).
_HEADER_IS_ENOUGH = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "PPM")
# What a PNG may say about its being turned; else Pillow decodes all of it to look for more.
_PNG_EXIF = (b"eXIf", b"Raw profile", b"XML:com.adobe.xmp")


class Frame(NamedTuple):
    """How an image of some size lies in the square that :func:`tl_keras.data.load_image` makes.

    Attributes:
        height: Of the image, upright, px.
        width: Of the image, upright, px.
        size: Side of the square, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Example:
        >>> Frame(100, 200, 50, "crop").boxes(np.array([[0, 0, 25, 50]])).tolist()
        [[50.0, 0.0, 100.0, 100.0]]
    """

    height: int
    width: int
    size: int
    resize: str

    def _axes(self) -> tuple[float, float, float, float]:
        """Scale and shift across, scale and shift down, from the image to the square."""
        matrix = to_square(self.height, self.width, self.size, self.resize)
        return matrix[0, 0], matrix[0, 2], matrix[1, 1], matrix[1, 2]

    def boxes(self, xyxy: np.ndarray) -> np.ndarray:
        """Boxes of the square in the image's own pixels.

        Args:
            xyxy: (..., 4), px of the square.

        Returns:
            float32 of the same shape, px of the image, cut off at its edges; a box that lies
            wholly in the padding becomes one of no area.
        """
        across, left, down, top = self._axes()
        xyxy = np.asarray(xyxy, np.float64)
        moved = (xyxy - np.array([left, top, left, top])) / np.array([across, down, across, down])
        limits = np.array([self.width, self.height, self.width, self.height])
        return np.clip(moved, 0, limits).astype(np.float32)

    def mask(self, values: np.ndarray, outside: int) -> np.ndarray:
        """A map of the square in the image's own pixels, each that of the nearest one.

        Args:
            values: (S, S), classes or numbers of things, or (S, S, K), of any type.
            outside: What stands where the square does not reach (``"crop"`` cuts edges off), such
                as 255 for classes and -1 or 0 for things.

        Returns:
            (height, width) or (height, width, K) of the same type.

        Raises:
            InputError: the map is not of this square.
        """
        values = np.asarray(values)
        if values.shape[:2] != (self.size, self.size):
            raise InputError(
                f"a map of shape {values.shape} for a square of {self.size} px; give the model's "
                "own, as large as its input"
            )
        across, left, down, top = self._axes()
        columns = np.floor((np.arange(self.width) + 0.5) * across + left).astype(np.int64)
        rows = np.floor((np.arange(self.height) + 0.5) * down + top).astype(np.int64)
        shape = (self.height, self.width, *values.shape[2:])
        result = np.full(shape, outside, values.dtype)
        wide, high = (np.flatnonzero((at >= 0) & (at < self.size)) for at in (columns, rows))
        result[np.ix_(high, wide)] = values[np.ix_(rows[high], columns[wide])]
        return result


def frame_of(source: Source, size: int, resize: str = "crop") -> Frame:
    """The frame of a picture that :func:`tl_keras.data.load_image` brings to a square.

    Args:
        source: as for :func:`tl_keras.data.read_image`; of a file, the header is read, and all of
            it only where that is not enough (GIF, TIFF).
        size: side of the square, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Returns:
        The frame.

    Raises:
        InputError: it is no picture, or ``size`` or ``resize`` is unusable.

    Example:
        >>> frame_of(np.zeros((30, 40), np.uint8), 16)
        Frame(height=30, width=40, size=16, resize='crop')
    """
    check_resize(size, resize)
    if isinstance(source, np.ndarray):
        if source.ndim not in (2, 3) or 0 in source.shape:
            raise UnreadableImageError(
                f"array {source.dtype} {source.shape}", "expected (height, width[, channels])"
            )
        return Frame(*source.shape[:2], size, resize)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return Frame(*_upright_size(bytes(source), "bytes"), size, resize)
    if not isinstance(source, (str, os.PathLike)):
        raise UnreadableImageError(type(source).__name__, "expected a path, bytes or a numpy array")
    with open_regular(source) as file:
        return Frame(*_upright_size(file.read(), str(source)), size, resize)


def _upright_size(data: bytes, name: str) -> tuple[int, int]:
    """Height and width, px."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=formats()) as image:
                if image.format not in _HEADER_IS_ENOUGH:
                    image.load()
                plain = image.format == "PNG" and not any(mark in data for mark in _PNG_EXIF)
                sideways = not plain and orientation(image) >= 5  # EXIF: lies on its side
                return image.size if sideways else image.size[::-1]
    except Exception:  # hostile bytes: the decoder knows what to say
        return decode(io.BytesIO(data), name).shape[:2]
