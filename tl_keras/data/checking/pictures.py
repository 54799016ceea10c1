"""One look at every picture: its size, a thumbnail, a perceptual hash, figures of its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from tl_keras.data.checking.hashing import perceptual_hash
from tl_keras.data.checking.statistics import FIGURES, pixel_figures
from tl_keras.data.decoding import UnreadableImageError, decode, formats, open_regular
from tl_keras.data.rgb import orientation
from tl_keras.data.scanning import in_threads

#: Side of the thumbnails that are kept, px.
THUMBNAIL = 32

_LOOKED_AT = 64  # px; what the figures are computed on
_SIDEWAYS = 5  # EXIF orientations from this on lay a picture on its side


@dataclass(frozen=True, eq=False)
class Pictures:
    """What was seen of N pictures; rows of unreadable ones are zero.

    Attributes:
        sizes: int32 (N, 2): width and height, px, upright.
        thumbnails: uint8 (N, 32, 32, 3), RGB, stretched to the square.
        hashes: uint64 (N,), see :func:`~tl_keras.data.checking.hashing.perceptual_hash`.
        figures: float32 (N, F), see :func:`~tl_keras.data.checking.statistics.pixel_figures`.
        faults: what is wrong with the file, or ``None``.
    """

    sizes: np.ndarray
    thumbnails: np.ndarray
    hashes: np.ndarray
    figures: np.ndarray
    faults: tuple[str | None, ...]

    def subset(self, rows: Sequence[int] | np.ndarray) -> "Pictures":
        """Those of some rows, in that order."""
        rows = np.asarray(rows, np.int64)
        return Pictures(
            self.sizes[rows],
            self.thumbnails[rows],
            self.hashes[rows],
            self.figures[rows],
            tuple(self.faults[row] for row in rows),
        )


class _Seen(NamedTuple):
    fault: str | None
    size: tuple[int, int] = (0, 0)
    thumbnail: np.ndarray | None = None
    hash: int = 0
    figures: np.ndarray | None = None


def look_at(paths: Sequence[str], *, progress: bool = True) -> Pictures:
    """Reads every picture once, small; JPEGs are decoded at a reduced scale.

    Args:
        paths: the files.
        progress: show a bar on standard error when it takes long.

    Returns:
        What was seen.

    Example:
        >>> look_at(["no/such.jpg"], progress=False).faults
        ('no such file',)
    """
    count = len(paths)
    sizes = np.zeros((count, 2), np.int32)
    thumbnails = np.zeros((count, THUMBNAIL, THUMBNAIL, 3), np.uint8)
    hashes = np.zeros(count, np.uint64)
    figures = np.zeros((count, len(FIGURES)), np.float32)
    faults = []
    for row, seen in enumerate(in_threads(_look, paths, "image", progress)):
        faults.append(seen.fault)
        if seen.fault is None:
            sizes[row], thumbnails[row] = seen.size, seen.thumbnail
            hashes[row], figures[row] = seen.hash, seen.figures
    return Pictures(sizes, thumbnails, hashes, figures, tuple(faults))


def _look(path: str) -> _Seen:
    try:
        with open_regular(path) as file:
            pixels = decode(file, path, at_least=_LOOKED_AT)
            small = cv2.resize(pixels, (_LOOKED_AT, _LOOKED_AT), interpolation=cv2.INTER_AREA)
            file.seek(0)
            with Image.open(file, formats=formats()) as image:
                size = image.size if orientation(image) < _SIDEWAYS else image.size[::-1]
    except UnreadableImageError as error:
        return _Seen(error.reason)
    except OSError as error:  # a disk that fails between the two
        return _Seen(" ".join(str(error).split()))
    thumbnail = cv2.resize(small, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return _Seen(None, size, thumbnail, perceptual_hash(thumbnail), pixel_figures(small))
