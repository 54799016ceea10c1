"""Splits by time: what is newest is validated on, as the model will be used."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.splitting.units import Positions
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

# The way that cameras write it (Exif 2.32, tag DateTimeOriginal).
_EXIF = "%Y:%m:%d %H:%M:%S"


def times_of(examples: "Examples", column: str) -> np.ndarray:
    """Reads a column of ``examples.extra`` as times.

    Args:
        examples: the table.
        column: of numbers (years, seconds, frame numbers), or of dates: ISO 8601
            (``2024-05-01``, ``2024-05-01T12:30:00+02:00``; without a zone it is UTC) or Exif
            (``2024:05:01 12:30:00``).

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
    read = _number if all(_number(value) is not None for value in values) else _date
    times = [read(value) for value in values]
    if None in times:
        position = times.index(None)
        raise InputError(
            f"{examples.paths[position]}: {column} is {values[position]!r}, which is no date; give "
            "every row a number, or a date such as 2024-05-01 or 2024-05-01T12:30:00"
        )
    return np.array(times, np.float64)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _date(value: str) -> float | None:
    for read in (datetime.fromisoformat, lambda text: datetime.strptime(text, _EXIF)):
        try:
            moment = read(value)
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return None


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
