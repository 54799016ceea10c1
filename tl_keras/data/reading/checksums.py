"""Checksums of files, as data sets publish them."""

import hashlib
import re
from pathlib import Path

from tl_keras.errors import InputError


def checked_sha256(sha256: str | None) -> str | None:
    """A checksum in one form.

    Args:
        sha256: 64 hexadecimal digits, with or without ``sha256:`` before them, or ``None``.

    Returns:
        The digits in lower case, or ``None``.

    Raises:
        InputError: it is something else.

    Example:
        >>> checked_sha256("sha256:" + "AB" * 32)[:4]
        'abab'
    """
    if sha256 is None:
        return None
    digits = str(sha256).strip().casefold().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digits):
        raise InputError(f"sha256 is 64 hexadecimal digits; got {sha256!r}")
    return digits


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Args:
        path: the file.

    Example:
        >>> file_sha256(Path("photos.zip"))  # doctest: +SKIP
        '0f...'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
