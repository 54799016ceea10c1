"""Queries and what was found for them, as one picture: a row each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from tl_keras.evaluation.picture_colours import INK, STRIP
from tl_keras.evaluation.picture_words import fitted, font_of

_SIDE, _GAP, _LINE, _FONT = 160, 10, 18, 13
_PER_ROW = 10  # hits; more go on below


class Shown(NamedTuple):
    """One picture and what stands below it.

    Attributes:
        image: uint8 (H, W, 3).
        words: Lines, cut to the width of the picture.
    """

    image: np.ndarray
    words: Sequence[str]


def hits_picture(rows: Sequence[Sequence[Shown]]) -> np.ndarray:
    """Draws rows of pictures; the first of each is the query, set apart by a line.

    Args:
        rows: Of each query itself and its hits, best first; ten hits stand beside each other.

    Returns:
        uint8 (H', W', 3).

    Example:
        >>> grey = np.full((40, 30, 3), 128, np.uint8)
        >>> hits_picture([[Shown(grey, ["query"]), Shown(grey, ["0.93", "shirt"])]]).shape
        (221, 361, 3)
    """
    lines = max(len(shown.words) for row in rows for shown in row)
    high = _SIDE + lines * _LINE + _GAP // 2
    most = max(len(row) for row in rows) - 1
    beside = min(most, _PER_ROW)
    width = 3 * _GAP + 1 + _SIDE + beside * (_SIDE + _GAP)
    heights = [max(1, -(-(len(row) - 1) // _PER_ROW)) * (high + _GAP) for row in rows]
    picture = Image.new("RGB", (width, sum(heights) + _GAP), STRIP)
    draw, top = ImageDraw.Draw(picture), _GAP
    first = 3 * _GAP + 1 + _SIDE
    for row, height in zip(rows, heights, strict=True):
        _paste(picture, draw, (_GAP, top), row[0])
        draw.line((first - _GAP, top, first - _GAP, top + height - _GAP), fill=INK)
        for number, shown in enumerate(row[1:]):
            x = first + number % _PER_ROW * (_SIDE + _GAP)
            _paste(picture, draw, (x, top + number // _PER_ROW * (high + _GAP)), shown)
        top += height
    return np.asarray(picture)


def _paste(
    picture: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], shown: Shown
) -> None:
    x, y = corner
    image = Image.fromarray(np.asarray(shown.image, np.uint8)).convert("RGB")
    scale = _SIDE / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    image = image.resize(size, Image.Resampling.LANCZOS)
    picture.paste(image, (x + (_SIDE - image.width) // 2, y + (_SIDE - image.height) // 2))
    font = font_of(_FONT)
    for number, text in enumerate(shown.words):
        place = (x, y + _SIDE + _LINE * number + _LINE // 2 + 2)
        draw.text(place, fitted(text, font, _SIDE), font=font, fill=INK, anchor="lm")
