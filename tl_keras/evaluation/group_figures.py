"""Accuracy for each value of a column that the data brought: by patient, camera, place ..."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np

from tl_keras.evaluation.intervals import Figure, proportion
from tl_keras.evaluation.report_blocks import figures_table

_FEW = 10  # images; with fewer an interval spans half of all there is
_MOST_VALUES = 30  # of a column: with more it names single images rather than kinds
_MOST_ROWS = 40


class GroupFigure(NamedTuple):
    """How well the model does on the images of one value.

    Attributes:
        value: As the column says it; nothing where its cell is empty.
        count: Images.
        accuracy: With its 95 % interval (Wilson).
        lower: Whether the whole interval lies below the accuracy on all images.
    """

    value: str
    count: int
    accuracy: Figure
    lower: bool


def group_figures(right: np.ndarray, cells: Sequence[str]) -> list[GroupFigure]:
    """Accuracy for each value of a column, the lowest first.

    Args:
        right: bool (N,), whether each image was named rightly.
        cells: The value of each.

    Example:
        >>> found = group_figures(np.array([True, False, True]), ["a", "b", "a"])
        >>> [(one.value, one.count, one.accuracy["value"]) for one in found]
        [('b', 1, 0.0), ('a', 2, 1.0)]
    """
    right = np.asarray(right, bool)
    values, which = np.unique(np.asarray(cells, object).astype(str), return_inverse=True)
    counts, hits = np.bincount(which), np.bincount(which, weights=right)
    found = []
    for value, count, hit in zip(values.tolist(), counts.tolist(), hits.tolist(), strict=True):
        accuracy = proportion(int(hit), count)
        lower = accuracy["high"] < right.mean()
        found.append(GroupFigure(value, count, accuracy, bool(lower)))
    return sorted(found, key=lambda one: (one.accuracy["value"], -one.count, one.value))


def telling_columns(columns: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """The columns that put images together: of few values for many images, and the groups.

    Args:
        columns: Name to a text an image, as of ``MeasuredImages.columns``.

    Example:
        >>> sorted(telling_columns({"file": ["1", "2", "3"], "camera": ["a", "a", "b"]}))
        ['camera']
    """
    return {
        name: cells
        for name, cells in columns.items()
        if len(set(cells)) < len(cells)
        and (name == "group" or len(set(cells)) <= min(_MOST_VALUES, len(cells) // 2 + 1))
    }


def groups_section(right: np.ndarray, columns: Mapping[str, Sequence[str]]) -> str:
    """A table for each column.

    Args:
        right: bool (N,), whether each image was named rightly.
        columns: Name to a text an image.

    Returns:
        HTML; nothing where no column puts images together.
    """
    parts = []
    for name, cells in telling_columns(columns).items():
        found = group_figures(right, cells)
        rows: list[dict[str, Any]] = [
            {
                "name": one.value or "(empty)",
                "count": one.count,
                "accuracy": one.accuracy,
                "said": (_said(one), ""),
            }
            for one in found[:_MOST_ROWS]
        ]
        rest = len(found) - _MOST_ROWS
        notes = [f"… and {rest:,} more, with higher accuracy."] if rest > 0 else []
        heading = {"Images": "count", "Accuracy": "accuracy", "Note": "said"}
        parts.append(f"<h3>By {escape(name)}</h3>{figures_table(rows, heading, name, notes)}")
    if not parts:
        return ""
    note = (
        "Does the model do as well for all kinds of images? A value is marked lower where its "
        "whole interval lies below the accuracy on all images; of twenty values one may be marked "
        f"by chance. Under {_FEW} images say little."
    )
    return f"<p>{note}</p>{''.join(parts)}"


def _said(one: GroupFigure) -> str:
    if one.count < _FEW:
        return "few images"
    return "lower" if one.lower else ""
