"""Numbers that strangers wrote."""

import math
from typing import Any

# Larger than any picture, and far from where floats overflow.
_LARGEST = 1e9


def finite(value: Any) -> float | None:
    """A coordinate, or nothing.

    Args:
        value: a number, or the text of one.

    Returns:
        A float between -1e9 and 1e9; ``None`` for anything else.

    Example:
        >>> finite("1.5"), finite("nan"), finite(None), finite(True)
        (1.5, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= _LARGEST else None


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """The size of an image as an annotation gives it, or nothing.

    Args:
        width: px, a number or its text.
        height: likewise.

    Returns:
        ``(width, height)``, or ``None`` where one is missing or below 1, as many tools write.

    Example:
        >>> size_of("640", 480), size_of(0, 0)
        ((640, 480), None)
    """
    sides = (finite(width), finite(height))
    if None in sides or min(sides) < 1:
        return None
    return int(sides[0]), int(sides[1])
