"""The folder of an index: one small file says which others count; it is replaced in one step.

    index.json              format, dimension, fingerprint, version, and the segments that count
    writer.lock             held by whoever writes
    segment-<version>/      written once (tl_keras/retrieval/segment.py), and in it
    segment-.../deleted-<version>.npy   which of its rows are deleted, as of that version

A writer writes its new files beside the old, makes sure that they are on the disk, and only then
renames a new ``index.json`` over the old one.  Killed at any moment it leaves either the old index
or the new; what it left besides is removed by the next writer.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from tl_keras.errors import InputError
from tl_keras.retrieval.array_files import sync_folder

FORMAT = 1
POINTER = "index.json"
LOCK = "writer.lock"


@dataclass(frozen=True)
class Part:
    """A segment that counts.

    Attributes:
        name: Of its folder.
        deleted: File in it that says which rows are deleted, or None.
    """

    name: str
    deleted: str | None


@dataclass(frozen=True)
class Version:
    """What ``index.json`` says.

    Attributes:
        dimension: Numbers a vector.
        fingerprint: Of the model that makes the vectors.
        version: Counts the changes.
        segments: What counts.
    """

    dimension: int
    fingerprint: str
    version: int = 0
    segments: tuple[Part, ...] = ()


def read_version(folder: Path) -> Version:
    """Reads ``index.json``.

    Raises:
        InputError: There is none, or it is not of this format.

    Example:
        >>> read_version(Path("shoes")).dimension  # doctest: +SKIP
        256
    """
    try:
        text = (folder / POINTER).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder} holds no index; make one with tl-keras index") from None
    try:
        saved = json.loads(text)
        if saved.pop("format") != FORMAT:
            raise ValueError("another format")
        parts = tuple(Part(**one) for one in saved.pop("segments"))
        return Version(segments=parts, **saved)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{folder / POINTER} is no index of this version of tl-keras ({error}); "
            "index the catalogue again into another folder"
        ) from None


def write_version(folder: Path, version: Version) -> None:
    """Makes a version the one that counts, in one step and for good.

    Example:
        >>> write_version(Path("shoes"), Version(256, "4f1c"))  # doctest: +SKIP
    """
    scratch = folder / f"{POINTER}.new"
    with scratch.open("w", encoding="utf-8") as stream:
        json.dump({"format": FORMAT, **asdict(version)}, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    sync_folder(folder)  # the segments' names first
    scratch.replace(folder / POINTER)
    sync_folder(folder)


def remove_leftovers(folder: Path, version: Version) -> None:
    """Removes what no longer counts; readers that have it open keep it until they are done.

    Args:
        folder: Of the index, whose lock the caller holds.
        version: The one that counts.

    Example:
        >>> remove_leftovers(Path("shoes"), read_version(Path("shoes")))  # doctest: +SKIP
    """
    counted = {part.name: part.deleted for part in version.segments}
    for segment in folder.glob("segment-*"):
        if segment.name not in counted:
            shutil.rmtree(segment, ignore_errors=True)
            continue
        for file in segment.glob("deleted-*.npy"):
            if file.name != counted[segment.name]:
                file.unlink(missing_ok=True)
