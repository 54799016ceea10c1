"""The folder of a catalogue: the index, and what made it.

index.json, segment-.../   the vectors and columns (tl_keras/retrieval/index_folder.py)
catalogue.json             the embedder, its fingerprint, the root of the images, the columns
catalogue.lock             held by whoever brings it up to date
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError
from tl_keras.retrieval.array_files import sync_folder
from tl_keras.retrieval.index_folder import LOCK, POINTER
from tl_keras.retrieval.vector_index import VectorIndex

FORMAT = 1
DESCRIPTION = "catalogue.json"
LOCK_FILE = "catalogue.lock"


def check_place(folder: Path) -> None:
    """Raise, before anything is computed, if a catalogue could not be in a folder.

    Raises:
        InputError: It is a file, or holds other files.

    Example:
        >>> check_place(Path("no/such"))
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder for the index")
    ours = {POINTER, LOCK, DESCRIPTION, LOCK_FILE, f"{POINTER}.new", f"{DESCRIPTION}.new"}
    if folder.is_dir():
        found = {entry.name for entry in folder.iterdir()}
        if found - ours and not found & {POINTER, DESCRIPTION}:
            raise InputError(
                f"{folder} holds other files ({min(found - ours)}); give a folder of its own for "
                "the index"
            )


def check_same(folder: Path, index: VectorIndex, root: Path, ids: Sequence[str]) -> None:
    """Raise if an index is of other pictures: who mistakes a folder shall not lose what is in it.

    Args:
        folder: Of the index.
        index: In it.
        root: Of the pictures.
        ids: Of the pictures.

    Raises:
        InputError: It holds none of them, and is of another folder.

    Example:
        >>> check_same(folder, index, Path("shop"), ["a.jpg"])  # doctest: +SKIP
    """
    held = index.ids()
    if not held or not ids or not set(held).isdisjoint(ids):
        return
    before = (
        read_description(folder)["root"] if (folder / DESCRIPTION).exists() else "something else"
    )
    if before != str(root):
        raise InputError(
            f"{folder} is the index of {before}, of which {root} has not one picture; give "
            "another folder"
        )


def read_description(folder: Path) -> dict[str, Any]:
    """What ``catalogue.json`` says.

    Raises:
        InputError: There is none, or it is not of this format.

    Example:
        >>> read_description(Path("index"))["root"]  # doctest: +SKIP
        '/data/shop'
    """
    try:
        said = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder} holds no catalogue; make one with tl-keras index") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / DESCRIPTION} cannot be read ({error}); run tl-keras index "
                         "again") from None  # fmt: skip
    needed = {"format", "root", "embedder", "fingerprint", "columns"}
    if not isinstance(said, dict) or needed - set(said) or said["format"] != FORMAT:
        raise InputError(
            f"{folder / DESCRIPTION} is none of this version of tl-keras; index the catalogue "
            "again into another folder"
        )
    return said


def write_description(folder: Path, said: dict[str, Any]) -> None:
    """Replaces ``catalogue.json`` in one step.

    Args:
        folder: Of the catalogue.
        said: Root, embedder, fingerprint and columns.

    Example:
        >>> write_description(Path("index"), {"root": "/data/shop"})  # doctest: +SKIP
    """
    scratch = folder / f"{DESCRIPTION}.new"
    with scratch.open("w", encoding="utf-8") as stream:
        json.dump({"format": FORMAT, **said}, stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(folder / DESCRIPTION)
    sync_folder(folder)
