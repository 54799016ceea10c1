"""What pictures of truth beside prediction are drawn with: panels, boxes, masks, words, legends.

Pillow draws the words, in the font that comes with matplotlib: it has Latin, Greek, Cyrillic and
more, and what it lacks is drawn as an empty box.
"""

import colorsys
import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

PANEL_SIDE = 360
"""Longer side of an image in a picture, px: a pair is still read at half a desktop page."""

Colour = tuple[int, int, int]

INK: Colour = (236, 240, 244)
STRIP: Colour = (28, 36, 48)
"""Of what surrounds the images; stands out on a light and on a dark page."""
DARK_LINE: Colour = (0, 0, 0)
LIGHT_LINE: Colour = (255, 255, 255)
KIND_COLOURS: dict[str, Colour] = {
    "wrong_class": (238, 119, 51),
    "bad_box": (51, 187, 238),
    "wrong_class_and_box": (187, 187, 187),
    "double": (0, 119, 187),
    "background": (204, 51, 17),
    "missed": (238, 51, 119),
}
"""By kind of error (Paul Tol's vibrant scheme, https://personal.sron.nl/~pault/); each is also
named in words."""
# Okabe and Ito's seven colours (https://jfly.uni-koeln.de/color/), which the colour-blind tell
# apart, then those of Tol's muted scheme that are least like them.
_PALETTE: tuple[Colour, ...] = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
    (204, 121, 167), (51, 34, 136), (221, 221, 221), (136, 34, 85), (68, 170, 153), (153, 153, 51),
    (221, 204, 119), (170, 68, 153), (17, 119, 51),
)  # fmt: skip
_GOLDEN = 0.618034  # turns of the colour circle: successive hues stay far apart
_NARROWEST = 0.6  # width of a panel at least, as a share of its side, for its words
_MOST_LINES = 4  # of a legend


class Entry(NamedTuple):
    """One entry of a legend.

    Attributes:
        colour: Of its mark.
        text: What it stands for.
        dashed: Whether the mark is dashed, as errors are.
    """

    colour: Colour
    text: str
    dashed: bool = False


def colour_of(number: int) -> Colour:
    """The colour of a class or of a thing.

    Args:
        number: Of the class, >= 0.

    Returns:
        RGB.  The first seven are told apart by the colour-blind too; no much larger set can be.

    Example:
        >>> colour_of(0)
        (230, 159, 0)
    """
    if number < len(_PALETTE):
        return _PALETTE[number]
    turn = (number * _GOLDEN) % 1
    light = (0.95, 0.7, 0.5)[number % 3]
    red, green, blue = colorsys.hsv_to_rgb(turn, 0.75, light)
    return round(255 * red), round(255 * green), round(255 * blue)


def contrast_of(colour: Colour) -> Colour:
    """Black or white, whichever is read on a colour.

    Example:
        >>> contrast_of((255, 255, 0))
        (0, 0, 0)
    """
    light = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return DARK_LINE if light > 128 else LIGHT_LINE


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


class Panel:
    """One image, scaled, that boxes, masks and words are drawn on.

    Args:
        image: uint8 (H, W, 3).
        title: Above it.
        side: Longer side of the scaled image, px.

    Attributes:
        scale: Panel px per image px.
        size: Width and height of the scaled image, px.
    """

    def __init__(self, image: Any, title: str, side: int = PANEL_SIDE) -> None:
        pixels = np.asarray(image, np.uint8)
        height, width = pixels.shape[:2]
        self.title, self._side = title, side
        self.scale = side / max(height, width)
        self.size = max(1, round(width * self.scale)), max(1, round(height * self.scale))
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC
        self._pixels = cv2.resize(pixels, self.size, interpolation=how)
        self._font = font_of(text_size(side))
        self._line = min(max(2, round(side / 120)), 4)
        self._boxes: list[tuple[tuple[float, ...], Colour, bool, int]] = []
        self._words: list[tuple[tuple[float, ...], str, Colour, bool]] = []

    def box(
        self, xyxy: Any, colour: Colour, text: str = "", *, dashed: bool = False,
        thin: bool = False, needed: bool = True,
    ) -> None:  # fmt: skip
        """Draw a box with words at one of its edges.

        Args:
            xyxy: In px of the image.
            colour: Of line and words' ground.
            text: The words; empty for none.
            dashed: For errors.
            thin: For what is only hinted at, and where there are many.
            needed: Whether words may lie on other words; where not, they are left out instead.
        """
        corners = np.nan_to_num(np.asarray(xyxy, "float64")[:4] * self.scale, posinf=1e6)
        far = (*self.size, *self.size)
        x1, y1, x2, y2 = (float(np.clip(v, 0, s - 1)) for v, s in zip(corners, far, strict=True))
        place = min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)
        width = self._line * 2 // 3 if thin else self._line
        self._boxes.append((place, colour, dashed, width))
        if text:
            self._words.append((place, text, colour, needed))

    def words(self, x: float, y: float, text: str, colour: Colour) -> None:
        """Write centred on a point in px of the image, unless other words lie there."""
        x, y = x * self.scale, y * self.scale
        self._words.append(((x, y, x, y), text, colour, False))

    def on_panel(self, labels: Any) -> np.ndarray:
        """A map of numbers (H, W) at the size of the scaled image."""
        maps = np.asarray(labels)
        kind = np.uint8 if maps.dtype in (bool, np.uint8) else np.int32
        # OpenCV resizes no integers of 32 bits; as floats they are exact up to 2**24.
        plane = maps.astype(np.uint8 if kind is np.uint8 else np.float32)
        resized = cv2.resize(plane, self.size, interpolation=cv2.INTER_NEAREST)
        return resized.astype(maps.dtype if maps.dtype == bool else kind)

    def fade(self, share: float = 0.6) -> None:
        """Take colour out of the image, so that masks' colours are read."""
        grey = cv2.cvtColor(self._pixels, cv2.COLOR_RGB2GRAY)[..., None]
        self._pixels = (share * grey + (1 - share) * self._pixels).round().astype(np.uint8)

    def tint(self, mask: np.ndarray, colour: Colour, strength: float = 0.6) -> None:
        """Lay a colour over the pixels of a mask at the panel's size."""
        self._pixels[mask] = (
            strength * np.array(colour) + (1 - strength) * self._pixels[mask]
        ).round()

    def outline(self, mask: np.ndarray, colour: Colour, width: int = 1) -> None:
        """Draw along the inner edge of a mask at the panel's size."""
        kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
        inner = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT,
                          borderValue=1)  # fmt: skip
        self._pixels[mask & (inner == 0)] = colour

    def borders(self, labels: np.ndarray, colour: Colour) -> None:
        """Draw a thin line between the classes of a map at the panel's size; -1 is no class."""
        edge = np.zeros(labels.shape, bool)
        for here, there in (
            ((slice(1, None),), (slice(None, -1),)),
            ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ):
            both = (labels[here] >= 0) & (labels[there] >= 0)
            edge[here] |= both & (labels[here] != labels[there])
        self._pixels[edge] = colour

    def hatch(self, mask: np.ndarray) -> None:
        """Grey stripes on the pixels that nobody knows about."""
        rows, columns = np.indices(mask.shape)
        self._pixels[mask] = np.where(
            ((rows + columns) // self._line % 4 < 2)[mask][:, None], 150, 90
        )

    def draw(self) -> Image.Image:
        """The panel with its title above."""
        width = max(self.size[0], round(_NARROWEST * self._side))
        top = text_size(self._side) + 10
        left = (width - self.size[0]) // 2
        picture = Image.new("RGB", (width, top + self.size[1]), STRIP)
        picture.paste(Image.fromarray(self._pixels), (left, top))
        draw = ImageDraw.Draw(picture)
        title = fitted(self.title, self._font, width - 8)
        draw.text((4, top // 2), title, font=self._font, fill=INK, anchor="lm")
        for place, colour, dashed, line in self._boxes:
            x1, y1, x2, y2 = place
            _rectangle(draw, (x1 + left, y1 + top, x2 + left, y2 + top), colour, line, dashed)
        taken: list[tuple[float, ...]] = []
        for place, text, colour, needed in sorted(self._words, key=lambda word: not word[3]):
            x1, y1, x2, y2 = place
            box = (x1 + left, y1 + top, x2 + left, y2 + top)
            self._write(draw, box, text, colour, needed, (0, top, *picture.size), taken)
        return picture

    def _write(
        self, draw: Any, box: tuple[float, ...], text: str, colour: Colour, needed: bool,
        frame: tuple[float, ...], taken: list[tuple[float, ...]],
    ) -> None:  # fmt: skip
        """Words above, below or inside a box, wherever they lie on no others."""
        x1, y1, x2, y2 = box
        text = fitted(text, self._font, frame[2] - frame[0] - 6)
        wide, high = self._font.getlength(text) + 6, text_size(self._side) + 4
        if x1 == x2 and y1 == y2:
            spots = [(x1 - wide / 2, y1 - high / 2)]
        else:
            spots = [(x1, y1 - high), (x1, y2), (x2 - wide, y1 - high), (x2 - wide, y2), (x1, y1),
                     (x1, y2 - high)]  # fmt: skip
        best, least = None, (np.inf, np.inf)
        for x, wished in spots:
            x = min(max(x, frame[0]), frame[2] - wide)
            y = min(max(wished, frame[1]), frame[3] - high)
            there = (x, y, x + wide, y + high)
            # Words that had to move up or down hide more of the box.
            cost = sum(_shared(there, other) for other in taken), abs(y - wished)
            if cost < least:
                best, least = there, cost
        if least[0] > 0 and not needed:
            return
        taken.append(best)
        draw.rectangle(best, fill=colour)
        middle = (best[0] + 3, (best[1] + best[3]) / 2)
        draw.text(middle, text, font=self._font, fill=contrast_of(colour), anchor="lm")


def compose(panels: Sequence[Panel], legend: Sequence[Entry] = ()) -> np.ndarray:
    """Put panels side by side, with a legend below.

    Args:
        panels: The true one first.
        legend: In the order to show; what does not fit into four lines is counted.

    Returns:
        uint8 (H, W, 3).
    """
    drawn = [panel.draw() for panel in panels]
    side, gap = panels[0]._side, 8
    width = sum(one.width for one in drawn) + gap * (len(drawn) + 1)
    lines = _legend_lines(legend, font_of(text_size(side)), width - 2 * gap, text_size(side))
    row = text_size(side) + 8
    height = max(one.height for one in drawn)
    picture = Image.new("RGB", (width, height + gap + row * len(lines)), STRIP)
    x = gap
    for one in drawn:
        picture.paste(one, (x, 0))
        x += one.width + gap
    draw = ImageDraw.Draw(picture)
    size = text_size(side)
    for number, line in enumerate(lines):
        x, y = gap, height + gap // 2 + row * number + row // 2
        for entry, text, wide in line:
            if entry is not None:
                mark = (x, y - size // 2, x + size, y + size // 2)
                if entry.dashed:
                    _rectangle(draw, mark, entry.colour, 2, True)
                else:
                    draw.rectangle(mark, fill=entry.colour, outline=INK)
            start = x + (0 if entry is None else size + 5)
            draw.text((start, y), text, font=font_of(size), fill=INK, anchor="lm")
            x += wide
    return np.asarray(picture)


def _legend_lines(
    legend: Sequence[Entry], font: Any, width: float, size: int
) -> list[list[tuple[Entry | None, str, float]]]:
    lines: list[list[tuple[Entry | None, str, float]]] = []
    room = 0.0
    more = font.getlength("… and 999 more")
    for number, entry in enumerate(legend):
        text = fitted(entry.text, font, width - size - 5)
        wide = size + 5 + font.getlength(text) + 14
        last = len(lines) == _MOST_LINES
        kept = more if last and number < len(legend) - 1 else 0
        if wide - 14 > room - kept:
            if last:
                lines[-1].append((None, f"… and {len(legend) - number} more", more))
                break
            lines.append([])
            room = width
        lines[-1].append((entry, text, wide))
        room -= wide
    return lines


def _rectangle(
    draw: Any, box: tuple[float, ...], colour: Colour, width: int, dashed: bool
) -> None:  # fmt: skip
    """A box of which the given edges are the outer ones, on a ground that it stands out from."""
    x1, y1, x2, y2 = (round(v) for v in box)
    ground = contrast_of(colour)
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=ground, width=width + 2)
    if not dashed:
        draw.rectangle((x1, y1, x2, y2), outline=colour, width=width)
        return
    dash = 3 * width
    for x in range(x1, x2 + 1, 2 * dash):
        far = min(x + dash, x2)
        draw.rectangle((x, y1, far, y1 + width - 1), fill=colour)
        draw.rectangle((x, y2 - width + 1, far, y2), fill=colour)
    for y in range(y1, y2 + 1, 2 * dash):
        far = min(y + dash, y2)
        draw.rectangle((x1, y, x1 + width - 1, far), fill=colour)
        draw.rectangle((x2 - width + 1, y, x2, far), fill=colour)


def _shared(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)
