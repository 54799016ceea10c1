"""One image as a panel of a picture: scaled, with boxes, masks and words on it."""

from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from tl_keras.evaluation.picture_colours import INK, STRIP, Colour, contrast_of
from tl_keras.evaluation.picture_words import fitted, font_of, text_size

PANEL_SIDE = 360
"""Longer side of an image in a picture, px: a pair is still read at half a desktop page."""

_NARROWEST = 0.6  # width of a panel at least, as a share of its side, for its words


class Panel:
    """One image, scaled, that boxes, masks and words are drawn on.

    Args:
        image: uint8 (H, W, 3).
        title: Above it.
        side: Longer side of the scaled image, px.

    Attributes:
        side: The same.
        scale: Panel px per image px.
        size: Width and height of the scaled image, px.
    """

    def __init__(self, image: Any, title: str, side: int = PANEL_SIDE) -> None:
        pixels = np.asarray(image, np.uint8)
        height, width = pixels.shape[:2]
        self.title, self.side = title, side
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

    def heat(self, values: Any) -> None:
        """Lay a heat map (H, W) of 0..1 over the image, the hotter the denser."""
        maps = np.asarray(values, np.float32).clip(0, 1)
        maps = cv2.resize(maps, self.size, interpolation=cv2.INTER_LINEAR)
        colours = cv2.applyColorMap((255 * maps).round().astype(np.uint8), cv2.COLORMAP_INFERNO)
        dense = 0.25 + 0.45 * maps[..., None]
        mixed = dense * colours[..., ::-1] + (1 - dense) * self._pixels
        self._pixels = mixed.round().astype(np.uint8)

    def hatch(self, mask: np.ndarray) -> None:
        """Grey stripes on the pixels that nobody knows about."""
        rows, columns = np.indices(mask.shape)
        self._pixels[mask] = np.where(
            ((rows + columns) // self._line % 4 < 2)[mask][:, None], 150, 90
        )

    def draw(self) -> Image.Image:
        """The panel with its title above."""
        width = max(self.size[0], round(_NARROWEST * self.side))
        top = text_size(self.side) + 10
        left = (width - self.size[0]) // 2
        picture = Image.new("RGB", (width, top + self.size[1]), STRIP)
        picture.paste(Image.fromarray(self._pixels), (left, top))
        draw = ImageDraw.Draw(picture)
        title = fitted(self.title, self._font, width - 8)
        draw.text((4, top // 2), title, font=self._font, fill=INK, anchor="lm")
        for place, colour, dashed, line in self._boxes:
            x1, y1, x2, y2 = place
            draw_rectangle(draw, (x1 + left, y1 + top, x2 + left, y2 + top), colour, line, dashed)
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
        wide, high = self._font.getlength(text) + 6, text_size(self.side) + 4
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


def draw_rectangle(
    draw: Any, box: tuple[float, ...], colour: Colour, width: int, dashed: bool
) -> None:
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
