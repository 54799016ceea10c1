"""The confusion matrix as a table whose numbers lead to the pictures behind them, without a script.

Every number is a link to a panel below the table, which is shown while the address points at it.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from tl_keras.evaluation.picture_pool import PicturePool

_MOST_CLASSES = 60  # rows of the table
_MANY = 20  # rows from which on cells are small
_WRONG, _RIGHT = 8, 4  # pictures of a cell beside the diagonal and of one on it
_HERE = "confusion"  # id of the table


def confusion_section(metrics: Mapping[str, Any], panels: Mapping[tuple[int, int], str]) -> str:
    """The table, and the panels of its cells.

    Args:
        metrics: As from :func:`~tl_keras.evaluation.evaluate_classification`.
        panels: Of :func:`cell_panels`; cells without are no links.

    Returns:
        HTML.

    Example:
        >>> metrics = {"class_names": ["ant", "bee"], "confusion_matrix": [[3, 1], [0, 4]]}
        >>> confusion_section(metrics, {}).count("<td")
        5
    """
    names = [str(name) for name in metrics["class_names"]]
    counts = np.asarray(metrics["confusion_matrix"])
    chosen = _confused_most(counts)
    inside = {pair for pair in panels if {*pair} <= {*chosen}}
    head = "".join(
        f'<th scope="col" title="{escape(names[k])}"><span>{escape(names[k])}</span></th>'
        for k in chosen
    )
    rows = "".join(_row(names, counts, row, chosen, inside) for row in chosen)
    notes = ["Rows are true classes, columns what was predicted; the stronger the colour, the "
             "larger the share of the true class."]  # fmt: skip
    if inside:
        notes.append("Choose a number to see its images.")
    if len(chosen) < len(names):
        part = counts[np.ix_(chosen, chosen)]
        left = _errors(counts).sum() - _errors(part).sum()
        notes.append(
            f"Of {len(names):,} classes these are the {len(chosen)} that are confused most; "
            f"{left:,} of {_errors(counts).sum():,} errors lie outside the table."
        )
    shown = "".join(panels[pair] for pair in sorted(inside))
    kind = "confusion many" if len(chosen) > _MANY else "confusion"
    return (
        f"<p>{' '.join(notes)}</p>"
        f'<div class="wide matrix" id="{_HERE}" tabindex="0" role="region" '
        f'aria-label="Confusion matrix"><table class="{kind}">'
        f"<thead><tr><td>true</td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        f'<div class="panels">{shown}</div>'
    )


def cell_panels(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], pool: PicturePool
) -> dict[tuple[int, int], str]:
    """The images behind each number of the table.

    Of errors the surest eight are shown, of right answers the four least sure.  Where there are
    more pictures than the pool takes, every cell gets its first before any gets its second.

    Args:
        labels: True classes, int (N,).
        probabilities: float (N, C).
        names: The C names.
        pool: For the pictures.

    Returns:
        (true class, predicted class) to HTML, of every pair that occurs.
    """
    predicted = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1)
    totals = np.bincount(labels, minlength=len(names))
    cells: dict[tuple[int, int], np.ndarray] = {}
    for pair in sorted(set(zip(labels.tolist(), predicted.tolist(), strict=True))):
        rows = np.flatnonzero((labels == pair[0]) & (predicted == pair[1]))
        right = pair[0] == pair[1]
        cells[pair] = rows[np.argsort(sure[rows] if right else -sure[rows], kind="stable")]
    wrong_first = sorted(cells, key=lambda pair: (pair[0] == pair[1], -len(cells[pair])))
    for place in range(_WRONG):
        for pair in wrong_first:
            if place < min(_shown(pair), len(cells[pair])):
                pool.take(int(cells[pair][place]))
    return {
        pair: _panel(pair, rows, probabilities, names, int(totals[pair[0]]), pool)
        for pair, rows in cells.items()
    }


def _shown(pair: tuple[int, int]) -> int:
    return _RIGHT if pair[0] == pair[1] else _WRONG


def _panel(
    pair: tuple[int, int], rows: np.ndarray, probabilities: np.ndarray, names: Sequence[str],
    total: int, pool: PicturePool,
) -> str:  # fmt: skip
    true, answer = (str(names[k]) for k in pair)
    right = pair[0] == pair[1]
    title = f"{true}, named rightly" if right else f"{true} taken for {answer}"
    said = f"{len(rows):,} of {total:,} images of {true} ({100 * len(rows) / total:.0f} %)"
    if len(rows) > _shown(pair):
        said += f"; the {_shown(pair)} {'least' if right else 'most'} certain are shown"
    figures = "".join(
        pool.figure(int(row), _words(probabilities[row], pair, names), "right" if right else "")
        for row in rows[: _shown(pair)]
    )
    kind = "panel" if right else "panel wrong"
    return (
        f'<div class="{kind}" id="{_id(pair)}"><h3>{escape(title)}</h3><p>{escape(said)}. '
        f'<a href="#{_HERE}">Back to the table</a></p><div class="thumbs">{figures}</div></div>'
    )


def _words(row: np.ndarray, pair: tuple[int, int], names: Sequence[str]) -> str:
    said = f"{names[pair[1]]} {row[pair[1]]:.2f}"
    return said if pair[0] == pair[1] else f"{said}, {names[pair[0]]} {row[pair[0]]:.2f}"


def _row(
    names: Sequence[str], counts: np.ndarray, row: int, chosen: Sequence[int],
    linked: set[tuple[int, int]],
) -> str:  # fmt: skip
    total = int(counts[row].sum())
    cells = "".join(
        _cell(int(counts[row, column]), total, (row, column), names, linked) for column in chosen
    )
    name = escape(names[row])
    return f'<tr><th scope="row" title="{name}: {total:,} images">{name}</th>{cells}</tr>'


def _cell(
    count: int, total: int, pair: tuple[int, int], names: Sequence[str],
    linked: set[tuple[int, int]],
) -> str:  # fmt: skip
    if not count:
        return "<td></td>"
    # Nine strengths: a style of its own in each cell would double the table.
    strength = min(9, 1 + int(9 * count / total))
    kind = f"s{strength}{' own' if pair[0] == pair[1] else ''}"
    text = str(count)
    if pair in linked:
        words = f"{names[pair[0]]} → {names[pair[1]]}: {count:,} of {total:,}"
        text = f'<a href="#{_id(pair)}" title="{escape(words)}">{count}</a>'
    return f'<td class="{kind}">{text}</td>'


def _id(pair: tuple[int, int]) -> str:
    return f"c{pair[0]}-{pair[1]}"


def _errors(counts: np.ndarray) -> np.ndarray:
    return counts - np.diag(np.diagonal(counts))


def _confused_most(counts: np.ndarray) -> list[int]:
    """All classes in their order, or those with the most errors where they are too many."""
    wrong = _errors(counts)
    errors = wrong.sum(axis=0) + wrong.sum(axis=1)
    most = np.argsort(-errors, kind="stable")[:_MOST_CLASSES]
    return sorted(most.tolist())
