"""Archives of strangers, unpacked so that nothing lands outside and nothing fills the disk.

Only plain files and folders are made.  A name that leads outside and a device are taken for an
attack, and the archive is refused; links are left out (a hard link becomes a copy), so none can
lead out.  What is written is counted: :data:`MAX_RATIO` times the archive's own size is the bound,
a gibibyte is always allowed.  Python's own filter for tar files does less and has been got round
(CVE-2025-4517): https://docs.python.org/3/library/tarfile.html#tarfile-extraction-filter
"""

import lzma
import re
import shutil
import stat
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from tl_keras.data.reading.archive_kinds import (
    OPENERS,
    DamagedArchiveError,
    archive_kind,
    damaged,
    looks_like,
)
from tl_keras.data.reading.cache import cannot_write
from tl_keras.errors import InputError

#: Unpacked bytes per byte of the archive above which it is taken for a bomb.
MAX_RATIO = 200

#: Unpacked bytes that are always allowed.
ALWAYS_ALLOWED = 2**30

#: Files and folders above which it is taken for a bomb.
MAX_MEMBERS = 5_000_000

_CHUNK = 2**20  # also the longest header of a tar file, which is read at once
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError,
    UnicodeError, ValueError, OverflowError,
)  # fmt: skip


def unpack(archive: Path, folder: Path, *, progress: bool = True) -> int:
    """Unpacks an archive into an empty folder.

    Args:
        archive: zip, or tar, plain or packed by gzip, bzip2 or xz.
        folder: exists, and nobody else writes to it.
        progress: show a bar on standard error, if somebody is looking (a terminal).

    Returns:
        How many links were left out.

    Raises:
        InputError: it is no archive, damaged, needs a password, would write elsewhere, unpacks to
            far more than its size, or the disk is full.

    Example:
        >>> unpack(Path("photos.zip"), Path("photos"))  # doctest: +SKIP
    """
    kind = archive_kind(archive)
    if kind is None:
        raise DamagedArchiveError(f"{archive} is no zip or tar archive{looks_like(archive)}")
    with tqdm(
        desc=f"unpacking {archive.name}", unit="B", unit_scale=True, unit_divisor=1024,
        file=sys.stderr, disable=None if progress else True, leave=False,
    ) as bar:  # fmt: skip
        target = _Target(archive, folder, bar)
        try:
            return (_unpack_zip if kind == "zip" else _unpack_tar)(archive, target)
        except InputError:
            raise
        except RuntimeError as error:  # zipfile has no better class for it
            if "password" in str(error) or "encrypted" in str(error):
                raise InputError(
                    f"{archive} is locked by a password; unpack it and give the folder"
                ) from None
            raise damaged(archive, error) from None
        except _DAMAGED as error:
            raise damaged(archive, error) from None
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise damaged(archive, f"{error.filename} is both file and folder") from None
        except OSError as error:
            if error.errno is None:  # gzip's own errors
                raise damaged(archive, error) from None
            raise cannot_write(folder, error) from None


class _Target:
    """The folder, and the account of what was written to it."""

    def __init__(self, archive: Path, folder: Path, bar: tqdm) -> None:
        self.archive, self.folder, self._bar = archive, folder, bar
        self.bound = max(ALWAYS_ALLOWED, MAX_RATIO * archive.stat().st_size)
        self.bound_by_disk = shutil.disk_usage(folder).free
        self._written = self._members = 0

    def path(self, name: str) -> Path:
        """Where a member belongs; one that belongs elsewhere ends everything."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise self._bomb(f"more than {MAX_MEMBERS} files")
        parts = name.replace("\\", "/").split("/")
        if not parts[0] or ".." in parts or "\0" in name or re.match("[A-Za-z]:", name):
            raise InputError(
                f"{self.archive} would write to {name!r}, outside of its folder; nothing of it is "
                "used: get it from somebody you trust"
            )
        return self.folder.joinpath(*(part for part in parts if part not in ("", ".")))

    def write(self, path: Path, source: BinaryIO) -> None:
        """Copies a member; it ends where the bound is reached, whatever the header says."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while chunk := source.read(_CHUNK):
                self.count(len(chunk))
                file.write(chunk)

    def count(self, size: int) -> None:
        """Adds to what was written, or is going to be."""
        self._written += size
        self._bar.update(size)
        self.check(self._written)

    def check(self, size: int) -> None:
        """Ends everything if so many bytes are too many."""
        if size > self.bound:
            raise self._bomb(f"more than {self.bound} bytes")
        if size > self.bound_by_disk:
            raise InputError(
                f"{self.archive} unpacks to more than the {self.bound_by_disk} bytes free at "
                f"{self.folder.parent}; free some space, or give into= a folder on another disk"
            )

    def check_stream(self, position: int) -> None:
        """Ends everything where headers and gaps, which are never written, grow without bound."""
        if position > 2 * self.bound:
            raise self._bomb(f"more than {2 * self.bound} bytes")

    def _bomb(self, what: str) -> InputError:
        return InputError(
            f"{self.archive} ({self.archive.stat().st_size} bytes) unpacks to {what} (a bomb?); if "
            "you trust it, unpack it yourself and give the folder"
        )


def _unpack_zip(archive: Path, target: _Target) -> int:
    links = 0
    with zipfile.ZipFile(archive) as file:
        target.check(sum(member.file_size for member in file.infolist()))
        for member in file.infolist():
            path, mode = target.path(member.filename), member.external_attr >> 16
            if member.is_dir():
                path.mkdir(parents=True, exist_ok=True)
            elif stat.S_ISLNK(mode):
                links += 1
            elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                with file.open(member) as source:
                    target.write(path, source)
            else:
                raise _device(archive, member.filename)
    return links


def _unpack_tar(archive: Path, target: _Target) -> int:
    links = 0
    with archive.open("rb") as raw:
        head = raw.read(6)
        raw.seek(0)
        opener = next((o for magic, o in OPENERS.items() if head.startswith(magic)), None)
        stream = _Watched(opener(raw) if opener else raw, target)
        with tarfile.open(fileobj=stream, mode="r:") as file:
            while member := file.next():
                path = target.path(member.name)
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                elif member.isreg():
                    target.write(path, file.extractfile(member))
                elif member.islnk():
                    links += not _copy_of(target, target.path(member.linkname), path)
                elif member.issym():
                    links += 1
                else:
                    raise _device(archive, member.name)
                file.members = []  # else every header stays in memory
        # Where tarfile meets noise, or nothing, instead of a header, it takes that for the end.
        if not stream.last or any(stream.last):
            raise tarfile.ReadError("it lacks the mark of its end")
    return links


def _copy_of(target: _Target, source: Path, path: Path) -> bool:
    """A hard link: a copy of what was unpacked before, if it was."""
    if not source.is_file() or source == path:
        return False
    with source.open("rb") as file:
        target.write(path, file)
    return True


class _Watched:
    """The unpacked stream of a tar file: neither it nor one header of it grows without bound."""

    def __init__(self, stream: BinaryIO, target: _Target) -> None:
        self._stream, self._target = stream, target
        self.last = b""

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _CHUNK:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self.last = self._stream.read(size)
        self._target.check_stream(self._stream.tell())
        return self.last

    def seek(self, position: int) -> int:
        self._target.check_stream(position)
        return self._stream.seek(position)

    def tell(self) -> int:
        return self._stream.tell()


def _device(archive: Path, name: str) -> InputError:
    return InputError(
        f"{archive} holds a device or a pipe, {name!r}; nothing of it is used: get it from "
        "somebody you trust"
    )
