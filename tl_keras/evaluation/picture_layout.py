"""Panels side by side, with a legend below."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from tl_keras.evaluation.drawing import Panel, draw_rectangle
from tl_keras.evaluation.picture_colours import INK, STRIP, Colour
from tl_keras.evaluation.picture_words import fitted, font_of, text_size

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


def compose(panels: Sequence[Panel], legend: Sequence[Entry] = ()) -> np.ndarray:
    """Put panels side by side, with a legend below.

    Args:
        panels: The true one first.
        legend: In the order to show; what does not fit into four lines is counted.

    Returns:
        uint8 (H, W, 3).
    """
    drawn = [panel.draw() for panel in panels]
    side, gap = panels[0].side, 8
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
                    draw_rectangle(draw, mark, entry.colour, 2, True)
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
