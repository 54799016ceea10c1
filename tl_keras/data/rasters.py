"""Outlines to pixels: polygons filled, run-lengths read and written."""

from collections.abc import Sequence

import numpy as np

from tl_keras.errors import InputError


def filled(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Fills one polygon by the even-odd rule: a pixel is in where its centre is.

    Args:
        polygon: float array (P, 2) of x, y in px, closed by itself; may leave the picture.
        height: of the picture, px.
        width: of the picture, px.

    Returns:
        uint8 array (height, width), 0 or 1.

    Example:
        >>> filled(np.array([[0, 0], [2, 0], [2, 1], [0, 1]]), 2, 3).tolist()
        [[1, 1, 0], [0, 0, 0]]
    """
    mask = np.zeros((height, width + 1), np.uint8)
    ends = np.roll(polygon, -1, axis=0)
    low, high = np.minimum(polygon[:, 1], ends[:, 1]), np.maximum(polygon[:, 1], ends[:, 1])
    # Rows whose centre y + 0.5 lies in [low, high) of the edge.
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.int64)
    last = np.clip(np.ceil(high - 0.5), 0, height).astype(np.int64)
    lengths = last - first
    edge = np.repeat(np.arange(len(polygon)), lengths)
    rows = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + first[edge]
    steep = (ends[edge, 0] - polygon[edge, 0]) / (ends[edge, 1] - polygon[edge, 1])
    crossing = polygon[edge, 0] + (rows + 0.5 - polygon[edge, 1]) * steep
    columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    np.bitwise_xor.at(mask, (rows, columns), 1)
    if len(rows):  # beyond the outermost edges nothing is in
        part = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        mask[part] = np.bitwise_xor.accumulate(mask[part], axis=1)
    return mask[:, :-1]


def run_lengths_to_mask(counts: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Draws COCO's run-lengths: column by column, lengths of pixels off, on, off, ....

    Args:
        counts: whole numbers from 0 on, height × width together.
        size: ``(height, width)``, px.

    Returns:
        uint8 array (height, width), 0 or 1.

    Example:
        >>> run_lengths_to_mask([1, 2, 3], (2, 3)).tolist()
        [[0, 1, 0], [1, 0, 0]]
    """
    values = np.arange(len(counts)) % 2
    flat = np.repeat(values.astype(np.uint8), np.asarray(counts, np.int64))
    return np.ascontiguousarray(flat.reshape(size[1], size[0]).T)


def unpack_run_lengths(text: str) -> tuple[int, ...]:
    """Reads COCO's compressed run-lengths.

    Numbers are written in groups of five bits, lowest first, one character (48 + bits) a group;
    the sixth bit says that more follows; from the fourth number on, each is the difference to the
    last but one.  Source: ``rleFrString`` in ``maskApi.c`` of
    https://github.com/cocodataset/cocoapi.

    Args:
        text: the characters.

    Returns:
        The lengths: off, on, off, ....

    Raises:
        InputError: that is no such text.

    Example:
        >>> unpack_run_lengths("123")
        (1, 2, 3)
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 40:  # six bits; no image has 2**40 px
            raise InputError("no compressed run-lengths; take them from COCO's tools as they are")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            if len(counts) > 2:  # the first three stand for themselves
                value += counts[-2]
            counts.append(value)
            value = shift = 0
    if shift or any(count < 0 for count in counts):
        raise InputError("compressed run-lengths that are cut off; take the whole text")
    return tuple(counts)
