"""Arguments that builders have in common, checked."""

import operator
from typing import Any

from tl_keras.errors import InputError


def whole(value: Any, least: int, name: str, remedy: str) -> int:
    """A whole number of at least so much.

    Args:
        value: What was given.
        least: The smallest that can be used.
        name: Of the argument.
        remedy: What to give, for the message.

    Returns:
        The number.

    Raises:
        InputError: It is none, or too small.

    Example:
        >>> whole(3, 1, "num_classes", "give 1 or more")
        3
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or number < least:
        raise InputError(f"{name}={value!r} cannot be used; {remedy}")
    return number


def share(value: Any, name: str) -> float:
    """A share to drop.

    Args:
        value: What was given.
        name: Of the argument.

    Returns:
        The number, 0 or more and below 1.

    Raises:
        InputError: It is none.

    Example:
        >>> share(0.2, "dropout")
        0.2
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise InputError(f"{name}={value!r} is no share to drop; give 0 <= {name} < 1")
    return float(value)
