"""Moments as people write them in tables."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

# The way that cameras write it (Exif 2.32, tag DateTimeOriginal).
_EXIF = "%Y:%m:%d %H:%M:%S"


def read_times(values: Sequence[str]) -> list[float | None]:
    """Reads a column of moments.

    Args:
        values: all numbers (years, seconds, frame numbers), or dates: ISO 8601 (``2024-05-01``,
            ``2024-05-01T12:30:00+02:00``; without a zone it is UTC) or Exif
            (``2024:05:01 12:30:00``).

    Returns:
        The numbers, or seconds since 1970; None for what is neither.

    Example:
        >>> read_times(["1970-01-02", "soon"])
        [86400.0, None]
    """
    stripped = [value.strip() for value in values]
    numbers = [_number(value) for value in stripped]
    return numbers if None not in numbers else [_date(value) for value in stripped]


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
