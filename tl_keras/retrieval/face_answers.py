"""What a gallery of faces answers, and how it tells pictures from each other."""

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tl_keras.errors import InputError


class Verified(NamedTuple):
    """Whether two pictures show one person.

    Attributes:
        first: Its path, or ``"array 0"`` or ``"bytes 0"``.
        second: The same, with 1.
        same: Whether the score reaches the threshold.
        score: The cosine of their vectors, -1..1.
        threshold: From where on they count as one.
        false_accept_rate: That it was set for; None for a threshold that was given.
    """

    first: str
    second: str
    same: bool
    score: float
    threshold: float
    false_accept_rate: float | None


class Identified(NamedTuple):
    """Who is in a picture.

    Attributes:
        source: Its path, or ``"array 0"``, ``"bytes 0"`` with its position.
        person: The name, or None for nobody known.
        score: The cosine with the most alike picture of the gallery, -1..1.
        threshold: From where on a name is given.
        false_alarm_rate: That it was set for; None for a threshold that was given.
        nearest: The nearest names with the score of each, whatever the threshold.
    """

    source: str
    person: str | None
    score: float
    threshold: float
    false_alarm_rate: float | None
    nearest: tuple[tuple[str, float], ...]


def digest_of(picture: Any) -> str:
    """What tells a picture from all others: the hash of its file's bytes, or an array's numbers.

    Args:
        picture: A path, bytes of an image file, or an array.

    Returns:
        BLAKE2b, in hexadecimal.

    Raises:
        InputError: The file cannot be read.

    Example:
        >>> digest_of(b"P5") == digest_of(b"P5"), digest_of(b"P5") == digest_of(b"P6")
        (True, False)
    """
    if isinstance(picture, np.ndarray):
        array = np.ascontiguousarray(picture)
        content = f"{array.dtype}{array.shape}".encode() + array.tobytes()
    elif isinstance(picture, bytes):
        content = picture
    else:
        try:
            content = Path(picture).read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {picture}: {error.strerror}") from None
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def source_name(picture: Any, place: int = 0) -> str:
    """How a picture is called in answers.

    Args:
        picture: A path, bytes of an image file, or an array.
        place: Its position among those given.

    Returns:
        The path, or ``"bytes 0"`` or ``"array 0"`` with its position.

    Example:
        >>> source_name("ann.jpg"), source_name(b"", 2)
        ('ann.jpg', 'bytes 2')
    """
    if isinstance(picture, str | os.PathLike):
        return os.fspath(picture)
    return f"{'bytes' if isinstance(picture, bytes) else 'array'} {place}"
