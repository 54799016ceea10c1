"""What kind of archive a file is, or what it is instead."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

from tl_keras.errors import InputError

#: First bytes of a packed tar file, and what opens it.
OPENERS: dict[bytes, Callable] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_OTHERS = {b"7z\xbc\xaf'\x1c": "7-Zip", b"Rar!": "RAR", b"\x28\xb5\x2f\xfd": "Zstandard"}


class DamagedArchiveError(InputError):
    """A file that is no archive, or not a whole one.

    Example:
        >>> isinstance(DamagedArchiveError("photos.zip is cut off"), InputError)
        True
    """


def archive_kind(path: Path) -> str | None:
    """What an archive is, by its first bytes.

    Args:
        path: a file.

    Returns:
        ``"zip"``, ``"tar"`` (packed or not), or ``None`` for anything else.

    Raises:
        InputError: it is an archive of a kind that is not read.

    Example:
        >>> archive_kind(Path("photos.tar.gz"))  # doctest: +SKIP
        'tar'
    """
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise InputError(f"{path} is a {name} archive; unpack it and give the folder")
    return "tar" if head.startswith(tuple(OPENERS)) or head[257:262] == b"ustar" else None


def looks_like(path: Path) -> str:
    """What to say of a file that is no archive.

    Args:
        path: the file.

    Returns:
        The rest of a sentence: what it is instead, if that is known, and the remedy.

    Example:
        >>> looks_like(Path("photos.zip"))  # doctest: +SKIP
        ', it is empty; get it anew'
    """
    with path.open("rb") as file:
        head = file.read(1024).lstrip().lower()
    if not head:
        return ", it is empty; get it anew"
    if head.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return ", it is a web page; get the file itself (log in, or find the direct address)"
    return "; give a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz"


def damaged(archive: Path, error: BaseException | str) -> DamagedArchiveError:
    """The error for an archive that cannot be read to its end.

    Args:
        archive: the file.
        error: what the library said.

    Example:
        >>> str(damaged(Path("a.zip"), EOFError()))
        'a.zip is damaged or cut off (EOFError); get it anew'
    """
    reason = " ".join(str(error).split())[:150] or type(error).__name__
    return DamagedArchiveError(f"{archive} is damaged or cut off ({reason}); get it anew")
