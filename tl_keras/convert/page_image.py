"""The picture of a page's layout: where ink, text and large things are; not what it says."""

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from tl_keras.convert.settings import Settings, setting

_HEIGHT = 1000  # px, to which a page's longer side is brought: about 85 dots per inch on A4
_CHARACTER = 12  # px of that: height of a line of ordinary print, with its ascenders
_BLANK = 24  # grey levels: a page whose two shades differ by less shows no ink, but paper


@dataclass(frozen=True)
class PageImage(Settings):
    """How a page is rendered.

    The page's longer side is brought to 1000 px, its ink found by Otsu's threshold (Otsu 1979) as
    the darker side, and three maps of it are averaged over ``cells`` × ``cells`` squares, coarse
    enough that no text can be read: red, the density of ink, full at half of the square covered;
    green, blocks of text, found by run-length smoothing (Wong, Casey & Wahl 1982): gaps of up to
    one line's height sideways, then of up to two downwards, are filled, which joins words and
    lines but not columns; blue, what is larger than print (pictures, frames, rules, headings):
    connected ink (Fletcher & Kasturi 1988) higher or wider than three lines, with its hull.
    Layout compared on such a grid tells kinds of documents apart (Hu, Kashi & Wilfong 1999).

    Axes: the page's, upright, its shape kept, centred; black is no ink or beside the page.

    Attributes:
        size: side of the square picture, px.
        cells: squares along its longer side.
        dpi: at which the pages of a PDF are drawn.

    Raises:
        InputError: a value is out of its range.

    Example:
        >>> PageImage().render(np.full((280, 200), 255, np.uint8)) is None
        True
    """

    kind: ClassVar[str] = "pages"

    size: int = setting(224, "side of the square picture, px", low=16, high=4096)
    cells: int = setting(56, "squares along the page's longer side", low=8, high=512)
    dpi: int = setting(100, "at which pages of a PDF are drawn", low=30, high=600)

    def render(self, page: np.ndarray) -> np.ndarray | None:
        """Renders one page.

        Args:
            page: uint8 array (H, W) grey or (H, W, 3) RGB.

        Returns:
            uint8 array (size, size, 3), or ``None`` for a blank page.

        Example:
            >>> page = np.full((1000, 700), 255, np.uint8)
            >>> page[100:110, 50:650] = 0
            >>> PageImage().render(page).shape
            (224, 224, 3)
        """
        ink = _ink(page)
        if ink is None:
            return None
        maps = np.stack([np.minimum(2.0 * ink, 2.0), _blocks(ink), _large(ink)], axis=-1)
        height, width = ink.shape
        shrink = self.cells / max(height, width)
        rows, columns = max(1, round(height * shrink)), max(1, round(width * shrink))
        coarse = cv2.resize(maps, (columns, rows), interpolation=cv2.INTER_AREA)
        grid = np.zeros((self.cells, self.cells, 3), np.float32)
        top, left = (self.cells - rows) // 2, (self.cells - columns) // 2
        grid[top : top + rows, left : left + columns] = coarse
        shades = np.rint(255 * np.clip(grid, 0, 1)).astype(np.uint8)
        return cv2.resize(shades, (self.size, self.size), interpolation=cv2.INTER_NEAREST)


def _ink(page: np.ndarray) -> np.ndarray | None:
    """float32 array (H', W'), 1 where there is ink, of a page whose longer side is 1000 px."""
    grey = cv2.cvtColor(page, cv2.COLOR_RGB2GRAY) if page.ndim == 3 else page
    height, width = grey.shape
    scale = _HEIGHT / max(height, width)
    target = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(grey, target, interpolation=way)
    _, dark = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    if not dark.any() or dark.all():
        return None
    if grey[dark == 0].mean() - grey[dark == 1].mean() < _BLANK:
        return None
    return dark.astype(np.float32)


def _blocks(ink: np.ndarray) -> np.ndarray:
    """Ink with the gaps within lines filled, then those between lines."""
    lines = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, _CHARACTER)))
    return cv2.morphologyEx(lines, cv2.MORPH_CLOSE, np.ones((2 * _CHARACTER, 1)))


def _large(ink: np.ndarray) -> np.ndarray:
    """1 inside the hulls of connected ink that is larger than print."""
    count, _, boxes, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    filled = np.zeros_like(ink)
    for left, top, width, height, _ in boxes[1:count]:
        if max(width, height) > 3 * _CHARACTER:
            filled[top : top + height, left : left + width] = 1
    return filled
