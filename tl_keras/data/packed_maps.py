"""Maps of pixels that are slow to draw, kept packed after the first time."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

#: Bytes kept at most.  Packed, a mask of a photograph has a few kB: room for tens of thousands.
LIMIT = 256 * 2**20


class PackedMaps:
    """Draws the map of an image once, as long as there is room.

    Masks do not change between epochs: polygons would be drawn, and files decoded, again and
    again.  What no longer fits is drawn anew each time; nothing is thrown out, for epochs visit
    all images in turn.  May be used by several threads.

    Args:
        draw: Position in the table -> an array, and anything that belongs to it.
        limit: Bytes of packed maps kept at most.

    Example:
        >>> maps = PackedMaps(lambda index: (np.full((2, 2), index), None))
        >>> maps[7][0].tolist(), maps[7][0].tolist()
        ([[7, 7], [7, 7]], [[7, 7], [7, 7]])
    """

    def __init__(self, draw: Callable[[int], tuple[np.ndarray, Any]], limit: int = LIMIT):
        self._draw, self._room = draw, limit
        self._kept: dict[int, tuple[bytes, np.dtype, tuple[int, ...], Any]] = {}

    def __getitem__(self, index: int) -> tuple[np.ndarray, Any]:
        """The array, maybe read-only, and what belongs to it."""
        kept = self._kept.get(index)
        if kept is not None:
            data, dtype, shape, rest = kept
            return np.frombuffer(zlib.decompress(data), dtype).reshape(shape), rest
        array, rest = self._draw(index)
        data = zlib.compress(np.ascontiguousarray(array), 1)
        if len(data) <= self._room:
            self._room -= len(data)
            self._kept[index] = data, array.dtype, array.shape, rest
        return array, rest
