"""Splits by time: what is newest is validated on, as the model will be used."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.splitting.units import Positions
from tl_keras.data.times import read_times
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def times_of(examples: "Examples", column: str) -> np.ndarray:
    """Reads a column of ``examples.extra`` as times.

    Args:
        examples: the table.
        column: of numbers or of dates, see :func:`tl_keras.data.times.read_times`.

    Returns:
        float64 (N,): the numbers, or seconds since 1970.

    Raises:
        InputError: there is no such column, or a value of it is neither.

    Example:
        >>> from tl_keras.data import Examples
        >>> table = Examples(("a",), np.zeros(1), ("x",), ("1",), (None,),
        ...                  extra={"day": ("1970-01-02",)})
        >>> times_of(table, "day")
        array([86400.])
    """
    if column not in examples.extra:
        known = ", ".join(sorted(examples.extra)) or "none"
        raise InputError(
            f"{examples.root or 'the data'} has no column {column!r} to split by time; its further "
            f"columns: {known}"
        )
    values = [value.strip() for value in examples.extra[column]]
    times = read_times(values)
    if None in times:
        position = times.index(None)
        raise InputError(
            f"{examples.paths[position]}: {column} is {values[position]!r}, which is no date; give "
            "every row a number, or a date such as 2024-05-01 or 2024-05-01T12:30:00"
        )
    return np.array(times, np.float64)


def in_time_order(
    examples: "Examples", column: str, units: Sequence[Positions], shares: Sequence[float]
) -> list[Positions]:
    """Cuts a table into parts that follow each other in time.

    Examples of the same time stay in one part, so that each cut is a moment: the one nearest to
    the share.  A unit (a file and its copies) goes by its newest example.

    Args:
        examples: the table.
        column: as for :func:`times_of`.
        units: what stays together.
        shares: of the parts, oldest first, summing to 1.

    Returns:
        Ascending positions of each part, none of them empty.

    Raises:
        InputError: the column cannot be read, or has too few different times.
    """
    times = times_of(examples, column)
    moments: dict[float, Positions] = {}
    for unit in units:
        moments.setdefault(max(times[unit]), []).extend(unit)
    ordered = [moments[moment] for moment in sorted(moments)]
    if len(ordered) < len(shares):
        raise InputError(
            f"{column} has {len(ordered)} different times, too few for {len(shares)} parts one "
            "after the other; give a finer column or fewer folds"
        )
    ends = np.array(list(accumulate(len(part) for part in ordered)))
    cuts = [0]
    for number, wanted in enumerate(np.cumsum(shares)[:-1] * ends[-1], 1):
        first, last = cuts[-1] + 1, len(ordered) - (len(shares) - number)
        allowed = np.arange(first, last + 1)
        cuts.append(int(allowed[np.argmin(np.abs(ends[allowed - 1] - wanted))]))
    cuts.append(len(ordered))
    return [sorted(i for part in ordered[a:b] for i in part) for a, b in pairwise(cuts)]
