"""From the label that a data set holds to the name of a class."""

import math
from collections.abc import Sequence
from typing import Any

from tl_keras.data.naming import class_name
from tl_keras.errors import InputError

#: The class of boxes whose source names none.
UNNAMED = "object"


def class_of(label: Any, names: Sequence[str] | None, where: str) -> str | None:
    """The class that a label means.

    Args:
        label: a name, as text or UTF-8; a whole number from 0 on; -1, NaN, ``""`` or ``None`` for
            none.
        names: of the numbers, or ``None``: the number is the name.
        where: whose label it is, for messages.

    Returns:
        The name in Unicode's NFC, or ``None``.

    Raises:
        InputError: it is something else, or a number without a name.

    Example:
        >>> class_of(1, ["ants", "bees"], "image 7"), class_of(b"ants", None, "image 8")
        ('bees', 'ants')
    """
    if hasattr(label, "item") and getattr(label, "size", 1) == 1:  # of numpy
        label = label.item()
    if isinstance(label, bytes):
        label = label.decode("utf-8", "replace")
    if label is None or label == "" or (isinstance(label, float) and math.isnan(label)):
        return None
    if isinstance(label, str):
        if names is not None and label not in names:
            raise InputError(f"{where} has the label {label!r}, which is none of the class names")
        return class_name(label)
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if not isinstance(label, int):
        raise InputError(f"{where} has the label {label!r}; expected a name or a whole number")
    if label == -1:
        return None
    if label < 0 or (names is not None and label >= len(names)):
        count = "" if names is None else f", and there are {len(names)} class names"
        raise InputError(f"{where} has the label {label}{count}; labels count from 0 on")
    return str(int(label)) if names is None else class_name(names[label])


def named(count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    """Names for so many tags.

    Args:
        count: how many.
        names: theirs, or ``None`` for ``"0"``, ``"1"``, ...

    Raises:
        InputError: there are more or fewer names.

    Example:
        >>> named(2, None)
        ('0', '1')
    """
    if names is None:
        return tuple(str(number) for number in range(count))
    if len(names) != count:
        raise InputError(f"{count} tags and {len(names)} names; give one name per tag")
    return tuple(class_name(name) for name in names)
