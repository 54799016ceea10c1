"""The contact sheet of a search: queries, what they found, framed as right or wrong, and misses.

As a picture (:func:`contact_picture`) and as a section of a page (:func:`contact_section`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from tl_keras.evaluation.contact_choice import ContactRows, SheetHit, SheetRow
from tl_keras.evaluation.drawing import draw_rectangle
from tl_keras.evaluation.picture_colours import INK, KIND_COLOURS, STRIP, Colour
from tl_keras.evaluation.picture_words import fitted, font_of
from tl_keras.evaluation.report_blocks import thumbnail

_DRAWN = "Queries drawn by chance"
_WORST = "The worst misses"
_NOTE = (
    "✓ has the label of the query, ✗ has not; the number is the cosine with the query. Last in a "
    "row, dotted: the next item of the query's label, and its place among all results. The worst "
    "are those with the fewest right results for what there was to find, surest of a wrong one "
    "first."
)
_SIDE = 112  # px of a picture on the sheet
_GAP, _LINE, _FONT = 8, 17, 13
# Okabe and Ito's bluish green and vermillion, told apart by the colour-blind; words say it, too.
_RIGHT: Colour = (0, 158, 115)
_WRONG: Colour = (213, 94, 0)
_QUERY: Colour = (150, 150, 150)
_STYLES = {
    "query": (_QUERY, False),
    "right": (_RIGHT, False),
    "wrong": (_WRONG, True),
    "missed": (KIND_COLOURS["missed"], True),
}

Read = Callable[[int], np.ndarray]


def contact_picture(
    rows: ContactRows,
    read: Read,
    labels: Sequence[Any],
    *,
    read_query: Read | None = None,
    query_labels: Sequence[Any] | None = None,
) -> np.ndarray:
    """Draws queries and what they found.

    Args:
        rows: Of :func:`~tl_keras.evaluation.contact_rows`.
        read: From a position in the catalogue to its picture, uint8 (H, W, 3).
        labels: The label of each item.
        read_query: The same of queries, where they are not of the catalogue.
        query_labels: Their labels.

    Returns:
        uint8 (H', W', 3).

    Example:
        >>> from tl_keras.evaluation import contact_rows
        >>> labels = ["a", "a", "b", "b"]
        >>> some = contact_rows(np.eye(2)[[0, 0, 1, 1]], labels, hits=1)
        >>> contact_picture(some, lambda item: np.zeros((8, 8, 3), np.uint8), labels).dtype
        dtype('uint8')
    """
    parts = [(title, part) for title, part in ((_DRAWN, rows.drawn), (_WORST, rows.worst)) if part]
    cells = max(len(row.hits) for _, part in parts for row in part) + 2
    width = _GAP * (cells + 3) + _SIDE * cells
    height = sum(_head() + _high() * len(part) for _, part in parts) + _GAP
    picture = Image.new("RGB", (width, height), STRIP)
    draw, y = ImageDraw.Draw(picture), 0
    for title, part in parts:
        draw.text((_GAP, y + _head() // 2), title, font=font_of(_FONT + 3), fill=INK, anchor="lm")
        y += _head()
        for row in part:
            shown = _cells(row, read, labels, read_query or read, query_labels or labels)
            for kind, place, image, words in shown:
                # A little room sets query and miss apart from the results.
                x = _GAP * (1 + place) + _SIDE * place + _GAP * ((place > 0) + (kind == "missed"))
                _paste(picture, draw, (x, y), image, words, *_STYLES[kind])
            y += _high()
    return np.asarray(picture)


def contact_section(
    rows: ContactRows,
    read: Read,
    labels: Sequence[Any],
    *,
    read_query: Read | None = None,
    query_labels: Sequence[Any] | None = None,
) -> str:
    """The same as HTML for a page with the report's style sheet; about 5 kB a picture.

    Args:
        rows: As for :func:`contact_picture`, and so the others.
        read: The same.
        labels: The same.
        read_query: The same.
        query_labels: The same.

    Returns:
        HTML.

    Example:
        >>> from tl_keras.evaluation import contact_rows
        >>> labels = ["a", "a", "b", "b"]
        >>> some = contact_rows(np.eye(2)[[0, 0, 1, 1]], labels, hits=1)
        >>> page = contact_section(some, lambda item: np.zeros((8, 8, 3), np.uint8), labels)
        >>> page.count('class="right"')
        4
    """
    body = [f"<p>{_NOTE}</p>"]
    for title, part in ((_DRAWN, rows.drawn), (_WORST, rows.worst)):
        lines = []
        for row in part:
            shown = _cells(row, read, labels, read_query or read, query_labels or labels)
            figures = "".join(
                thumbnail(image, ", ".join(words), _SIDE, kind) for kind, _, image, words in shown
            )
            lines.append(f'<div class="found">{figures}</div>')
        if lines:
            body.append(f'<h3>{title}</h3><div class="wide">{"".join(lines)}</div>')
    return "\n".join(body)


Cell = tuple[str, int, np.ndarray, tuple[str, str]]


def _cells(
    row: SheetRow, read: Read, labels: Sequence[Any], read_query: Read, query_labels: Sequence[Any]
) -> list[Cell]:
    """Kind, place in the row, picture and two lines of each."""
    right = sum(hit.right for hit in row.hits)
    most = min(len(row.hits), row.relevant)
    said = (str(query_labels[row.query]), f"{right} of {most} found")
    cells: list[Cell] = [("query", 0, read_query(row.query), said)]
    for place, hit in enumerate(row.hits, 1):
        mark, kind = ("✓", "right") if hit.right else ("✗", "wrong")
        words = (f"{mark} {hit.score:.2f}", _name(labels, hit))
        cells.append((kind, place, read(hit.item), words))
    if row.missed:
        words = (f"place {row.missed.rank:,}", f"{row.missed.score:.2f}")
        cells.append(("missed", len(row.hits) + 1, read(row.missed.item), words))
    return cells


def _name(labels: Sequence[Any], hit: SheetHit) -> str:
    label = labels[hit.item]
    return "no label" if label is None or label == -1 else str(label)


def _head() -> int:
    return 3 * _GAP + _FONT


def _high() -> int:
    return _SIDE + 2 * _LINE + 2 * _GAP


def _paste(
    picture: Image.Image, draw: Any, corner: tuple[int, int], image: np.ndarray,
    words: tuple[str, str], colour: Colour, dashed: bool,
) -> None:  # fmt: skip
    x, y = corner
    small = Image.fromarray(np.asarray(image, np.uint8)).convert("RGB")
    small.thumbnail((_SIDE - 10, _SIDE - 10))
    picture.paste(small, (x + (_SIDE - small.width) // 2, y + (_SIDE - small.height) // 2))
    draw_rectangle(draw, (x + 1, y + 1, x + _SIDE - 2, y + _SIDE - 2), colour, 3, dashed)
    font = font_of(_FONT)
    for line, text in enumerate(words):
        place = (x + 2, y + _SIDE + _LINE * line + _LINE // 2 + 2)
        draw.text(place, fitted(text, font, _SIDE - 4), font=font, fill=INK, anchor="lm")
