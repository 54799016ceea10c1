"""An archive, or the address of one: fetched, checked, unpacked once, and opened."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from tl_keras.data.examples import Examples
from tl_keras.data.locks import only_one
from tl_keras.data.naming import is_hidden
from tl_keras.data.reading.archive_kinds import DamagedArchiveError
from tl_keras.data.reading.cache import cache_folder, cannot_write
from tl_keras.data.reading.checksums import checked_sha256, file_sha256
from tl_keras.data.reading.download import download, is_url
from tl_keras.data.reading.unpacking import unpack
from tl_keras.data.walking import IMAGE_SUFFIXES
from tl_keras.errors import InputError


def from_archive(
    source: str | os.PathLike,
    *,
    sha256: str | None = None,
    into: str | os.PathLike | None = None,
    format: str | None = None,
    strict: bool = False,
    progress: bool = True,
    **options: Any,
) -> Examples:
    """Reads what is packed in a zip or tar file (plain, gzip, bzip2, xz), here or on the net.

    It is unpacked once, into a folder named after its content; a second call finds it there.  A
    single folder within is entered, and what is found goes through
    :func:`tl_keras.data.open_data`.

    Args:
        source: a file, or its address, ``http://`` or ``https://``.
        sha256: its checksum, 64 hexadecimal digits, verified before anything is unpacked; without
            one, the line on standard error names the checksum found.
        into: the folder that takes the download and what is unpacked; by default
            ``tl_keras/archives`` and ``tl_keras/unpacked`` below Keras' home.
        format: of the data within, see :func:`tl_keras.data.open_data`.
        strict: raise instead of leaving a file out.
        progress: say what is done and show bars on standard error.
        **options: of the reader of what is within.

    Returns:
        The table.  Links within the archive are left out.

    Raises:
        InputError: it cannot be fetched, has another checksum, is damaged, no archive or a
            dangerous one (see :mod:`tl_keras.data.reading.unpacking`), the disk is full, or what
            is in it cannot be read.

    Example:
        >>> from_archive("https://example.org/photos.zip", sha256="0f...")  # doctest: +SKIP
    """
    from tl_keras.data.reading.opening import open_data

    wanted = checked_sha256(sha256)
    fetched = is_url(source)
    if fetched:
        archive = download(source, into, sha256=wanted, progress=progress)
    else:
        archive = Path(source).expanduser().absolute()
        if not archive.is_file():
            raise InputError(f"{source} does not exist or is no file; give an archive")
    folder = unpacked(archive, sha256=wanted, into=into, fetched=fetched, progress=progress)
    return open_data(
        single_folder(folder), format=format, strict=strict, progress=progress, **options
    )


def unpacked(
    archive: Path,
    *,
    sha256: str | None = None,
    into: str | os.PathLike | None = None,
    fetched: bool = False,
    progress: bool = True,
) -> Path:
    """The folder that an archive was unpacked to, now or before.

    Args:
        archive: the file.
        sha256: its checksum, as from :func:`tl_keras.data.reading.checksums.checked_sha256`.
        into: the folder that takes the folder.
        fetched: it was downloaded, and is removed where it is damaged, so that the next call gets
            it anew.
        progress: say what is done and show a bar on standard error.

    Raises:
        InputError: as :func:`from_archive`.

    Example:
        >>> unpacked(Path("photos.zip"))  # doctest: +SKIP
    """
    parent = Path(into).expanduser() if into else cache_folder("unpacked")
    try:
        found = file_sha256(archive)
        if sha256 and found != sha256:
            raise InputError(
                f"{archive} has the sha256 {found}, not {sha256}; get it anew, or check the "
                "checksum"
            )
        if not sha256 and progress:
            print(
                f"{archive.name}: not verified, for no checksum was given; it has sha256={found}",
                file=sys.stderr,
            )
        parent.mkdir(parents=True, exist_ok=True)
        # The archive's own name, for people who look into the cache.
        folder = parent / f"{archive.name.split('.')[0][:60]}-{found[:16]}"
        with only_one(parent / f"{folder.name}.lock"):
            if not folder.is_dir():
                _unpack_whole(archive, folder, progress)
    except DamagedArchiveError:
        if fetched:
            archive.unlink(missing_ok=True)
        raise
    except OSError as error:
        raise cannot_write(parent, error) from None
    return folder


def _unpack_whole(archive: Path, folder: Path, progress: bool) -> None:
    # It has its name only when all of it is there; what a killed process left is cleared away.
    scratch = folder.with_name(folder.name + ".part")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        links = unpack(archive, scratch, progress=progress)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if links and progress:
        print(f"{archive.name}: {links} link(s) within were left out", file=sys.stderr)


def single_folder(folder: Path) -> Path:
    """Enters folders that hold nothing but one folder, unless that one is a folder of images.

    Args:
        folder: where an archive was unpacked to.

    Returns:
        The folder that the data is in.

    Raises:
        InputError: it is empty.

    Example:
        >>> single_folder(Path("unpacked"))  # doctest: +SKIP
        PosixPath('unpacked/photos')
    """
    while True:
        entries = [entry for entry in folder.iterdir() if not is_hidden(entry.name)]
        if not entries:
            raise InputError(f"{folder} is empty; give an archive with images in it")
        if len(entries) > 1 or not entries[0].is_dir():
            return folder
        inner = [entry for entry in entries[0].iterdir() if not is_hidden(entry.name)]
        if all(entry.suffix.lower() in IMAGE_SUFFIXES for entry in inner):
            return folder
        folder = entries[0]
