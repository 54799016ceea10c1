"""A folder of images that are all of one class."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from tl_keras.data.copies import Listed
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import assemble
from tl_keras.data.walking import is_folder, listing, walk
from tl_keras.errors import InputError


def one_class_in(path: str | os.PathLike) -> Path | None:
    """The folder of the one class that a folder holds or is; None where it is no such folder.

    Args:
        path: A folder: of files, or of one folder of files and nothing else.

    Example:
        >>> one_class_in("no/such/folder") is None
        True
    """
    root = Path(path)
    if not is_folder(root):
        return None
    entries = listing(root)
    folders = [entry for entry in entries if is_folder(entry)]
    if not folders:
        return root if entries else None
    return folders[0] if len(entries) == 1 and one_class_in(folders[0]) else None


def from_class_folder(
    path: str | os.PathLike, *, strict: bool = False, progress: bool = True
) -> Examples:
    """Reads a folder of images as one class, named as the folder.

    Args:
        path: As of :func:`one_class_in`.
        strict: stop at files that would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table, of a single class.

    Raises:
        InputError: There is no such folder, or no image in it.

    Example:
        >>> from_class_folder("photos/wasps").class_names  # doctest: +SKIP
        ('wasps',)
    """
    folder = one_class_in(path)
    if folder is None:
        raise InputError(f"{os.fspath(path)} is no folder of images of one class; give one")
    skipped: list[Skipped] = []
    files = [Listed(file, None) for file in walk(folder, skipped)]
    read = assemble(files, root=str(folder), skipped=skipped, strict=strict, progress=progress)
    labels = np.zeros(len(read), "int32")
    return replace(read, labels=labels, class_names=(folder.resolve().name,))
