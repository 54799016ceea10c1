"""Words in pictures: any name can be drawn, and is cut to its room.

The font is the one that comes with matplotlib, drawn by Pillow: it has Latin, Greek, Cyrillic and
more, and what it lacks is drawn as an empty box.
"""

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import ImageFont


def name_of(names: Sequence[str], number: int) -> str:
    """The name of a class as one line of text that can be drawn."""
    return printable(str(names[number]))


def printable(text: str) -> str:
    """The text without line breaks, controls and bytes that are no text: spaces instead."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


@functools.lru_cache(maxsize=16)
def font_of(size: int) -> Any:
    """Pillow's font of that size in px."""
    place = importlib.util.find_spec("matplotlib").submodule_search_locations[0]
    file = Path(place) / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    # Some systems' own matplotlib keeps its fonts elsewhere.
    return ImageFont.truetype(str(file), size) if file.is_file() else ImageFont.load_default(size)


def fitted(text: str, font: Any, width: float) -> str:
    """The text, cut short with an ellipsis where it is wider than that many px.

    Example:
        >>> fitted("a long name", font_of(14), 60)
        'a long…'
    """
    text = printable(text)
    if font.getlength(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:  # the most letters that fit
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle].rstrip() + "…") <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


def text_size(side: int) -> int:
    """Height of words in a panel of that side, px."""
    return min(max(12, round(side / 20)), 22)
