"""Walking through folders: natural order, links followed but never in a circle."""

import os
from pathlib import Path

from tl_keras.data.examples import Skipped
from tl_keras.data.naming import is_hidden, natural_key
from tl_keras.errors import InputError

#: Endings of names that people give to pictures; whether one is a picture, its content decides.
IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"),
        *(".pgm", ".ppm", ".pbm", ".pnm", ".jp2", ".avif", ".heic"),
    }
)


def listing(folder: Path) -> list[Path]:
    """What lies in a folder, in natural order, without hidden and system files.

    Args:
        folder: the folder.

    Returns:
        Files and folders.

    Raises:
        InputError: it cannot be listed.

    Example:
        >>> listing(Path("photos"))  # doctest: +SKIP
        [PosixPath('photos/ants'), PosixPath('photos/bees')]
    """
    try:
        names = [name for name in os.listdir(folder) if not is_hidden(name)]  # noqa: PTH208
    except OSError as error:
        raise InputError(f"cannot list {folder}: {error.strerror}; check its permissions") from None
    return [folder / name for name in sorted(names, key=natural_key)]


def is_folder(path: str | os.PathLike) -> bool:
    """Whether a path leads to a folder; False, not an error, where that cannot be known.

    Args:
        path: any path.

    Returns:
        True for a folder or a link to one.

    Example:
        >>> is_folder("no/such")
        False
    """
    try:
        return os.path.isdir(path)  # noqa: PTH112 (False where stat fails)
    except ValueError:  # a NUL in the name
        return False


def folder_given(path: str | os.PathLike, what: str) -> Path:
    """The absolute folder that a user named.

    Args:
        path: as given; ``~`` is the home folder, links stay.
        what: what it should hold, for messages.

    Returns:
        An absolute path.

    Raises:
        InputError: it does not exist, or is a file.

    Example:
        >>> folder_given("no/such", "the masks")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no/such does not exist; give the folder of the masks
    """
    given = os.fspath(path)
    root = os.path.abspath(os.path.expanduser(given))  # noqa: PTH100, PTH111 (links stay)
    if is_folder(root):
        return Path(root)
    try:
        found = os.path.exists(root)  # noqa: PTH110 (False, not an error, for a link to itself)
    except ValueError:
        found = False
    if not found:
        raise InputError(f"{given} does not exist; give the folder of {what}")
    raise InputError(f"{given} is a file; give the folder of {what}")


def walk(folder: Path, skipped: list[Skipped]) -> list[str]:
    """All files below a folder, depth first, each real folder once.

    Args:
        folder: where to start.
        skipped: links that would lead round in a circle, or to a folder that was read already,
            are added here.

    Returns:
        The files, in natural order, those of a folder before those of its sub-folders.

    Raises:
        InputError: a folder cannot be listed.

    Example:
        >>> walk(Path("photos"), [])  # doctest: +SKIP
        ['photos/ants/1.jpg', 'photos/ants/2.jpg']
    """
    # A link upwards, be it to the root of the disk, must not lead round in a circle.
    seen = {os.path.realpath(parent) for parent in folder.parents}
    files: list[str] = []
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        real = os.path.realpath(current)
        if real in seen:
            skipped.append(Skipped(str(current), "a link to a folder that is read already"))
            continue
        seen.add(real)
        inner = []
        for entry in listing(current):
            if is_folder(entry):
                inner.append(entry)
            else:
                files.append(str(entry))
        waiting += reversed(inner)
    return files
