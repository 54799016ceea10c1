"""What the sides of a split should have alike: how often each class, tag or class of boxes."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


class Content(NamedTuple):
    """Units as counts.

    Attributes:
        units: per unit, how many of its examples have each column: column -> count.
        sizes: int64 (U,), examples of each unit.
        totals: int64 (C,), examples that have each column.
        classes: the first so many columns are classes, in the order of ``class_names``.
    """

    units: list[dict[int, int]]
    sizes: np.ndarray
    totals: np.ndarray
    classes: int

    def dense(self) -> np.ndarray:
        """Counts as float64 (U, C + 1); the last column is the size."""
        matrix = np.zeros((len(self.units), len(self.totals) + 1))
        for row, unit in enumerate(self.units):
            matrix[row, list(unit)] = list(unit.values())
        matrix[:, -1] = self.sizes
        return matrix


def content_of(examples: "Examples", units: Sequence[Sequence[int]], tags: bool) -> Content:
    """Counts what units hold.

    Classes count where examples have labels.  Tags count where asked for, and where there are no
    labels: each tag is one column for "has it" and one for "has it not", so that not only the rare
    tags but also the rare absences are spread; what nobody knows counts nowhere.  Where there are
    neither labels nor tags, the classes of the boxes count, once an image.

    Args:
        examples: the table.
        units: of :func:`tl_keras.data.splitting.units.units_of`.
        tags: whether tags count beside labels.

    Returns:
        The counts.

    Example:
        >>> from tl_keras.data import Examples
        >>> table = Examples(
        ...     tuple("abc"), np.array([0, 1, 1]), ("x", "y"), tuple("123"), (None,) * 3
        ... )
        >>> content_of(table, [[0], [1, 2]], tags=False).units
        [{0: 1}, {1: 2}]
    """
    labelled = bool((examples.labels >= 0).any())
    columns: list[list[int]] = [[] for _ in range(len(examples))]
    width = 0
    if labelled:
        for position, label in enumerate(examples.labels.tolist()):
            if label >= 0:
                columns[position].append(label)
        width = len(examples.class_names)
    if examples.tags is not None and (tags or not labelled):
        count = examples.tags.shape[1]
        for value, start in ((1, width), (0, width + count)):
            for position, tag in np.argwhere(examples.tags == value).tolist():
                columns[position].append(start + tag)
        width += 2 * count
    if not width and examples.boxes is not None:
        width = len(examples.class_names)
        columns = [np.unique(boxes.classes).tolist() for boxes in examples.boxes]
    counted = [dict(Counter(c for position in unit for c in columns[position])) for unit in units]
    totals = np.zeros(width, np.int64)
    for unit in counted:
        for column, count in unit.items():
            totals[column] += count
    sizes = np.array([len(unit) for unit in units], np.int64)
    return Content(counted, sizes, totals, len(examples.class_names) if labelled else 0)
