"""Which files are to be converted, and what their paths say: class, group and part."""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tl_keras.data.examples import PARTS
from tl_keras.data.naming import class_name, is_hidden, natural_key
from tl_keras.errors import InputError

_PART_OF = {
    **{"train": "train", "training": "train", "test": "test", "testing": "test"},
    **{"val": "val", "valid": "val", "validation": "val"},
}
_FIELDS = ("label", "group", "split")


@dataclass(frozen=True)
class Source:
    """A file to convert.

    Attributes:
        path: the file.
        name: its path below the folder that was given, without suffix, ``/`` between the parts.
        label: its class, or ``None``.
        group: who or what it comes from, or ``None``.
        split: ``"train"``, ``"val"``, ``"test"`` or ``None``.

    Example:
        >>> Source("clips/dog/1.wav", "dog/1", "dog", None, None).label
        'dog'
    """

    path: str
    name: str
    label: str | None
    group: str | None
    split: str | None


def find_sources(
    given: str | os.PathLike | Sequence[str | os.PathLike],
    suffixes: Collection[str] | None,
    names: str | None = None,
) -> list[Source]:
    """Lists files and reads class, group and part from their paths.

    Without ``names`` the first folder below ``given`` is the class, below ``train``, ``val`` or
    ``test`` if those are there; files that lie in no folder have no class.

    Args:
        given: a folder, a file, or a list of files.
        suffixes: ``{".wav"}`` and so on, in lower case; files of a folder with another suffix are
            passed over.  ``None``: all files.
        names: a pattern for the path below ``given`` without its suffix, such as
            ``"{label}_{group}_*"`` or ``"{split}/{group}/{label}"``: ``{label}``, ``{group}`` and
            ``{split}`` stand for the shortest text within one folder's or file's name that lets
            the whole pattern match, ``*`` for any text within one, ``**`` for any text.

    Returns:
        The files in natural order of their names.

    Raises:
        InputError: nothing there, no file of these suffixes, or a path that ``names`` does not
            match.

    Example:
        >>> find_sources("no/such/folder", {".wav"})
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no/such/folder does not exist; give a folder or a file
    """
    if isinstance(given, (str, os.PathLike)):
        found = _listed(Path(given), suffixes)
    else:
        found = [(Path(one), Path(one).name) for one in given]
        if not found:
            raise InputError("an empty list of files; give one or more")
    pattern = None if names is None else _pattern(names)
    sources = []
    for path, below in found:
        name = os.path.splitext(below)[0]  # noqa: PTH122 (of the text below the folder)
        if pattern is None:
            label, group, split = _by_folder(name)
        else:
            match = pattern.fullmatch(name)
            if match is None:
                raise InputError(
                    f"{path}: {name!r} does not match the names {names!r}; mend the pattern or "
                    "take the file away"
                )
            label, group, split = (match.groupdict().get(key) for key in _FIELDS)
            split = _part(split, path, names)
        label = None if label is None else class_name(label)
        sources.append(Source(str(path), name, label, group, split))
    return sources


def _listed(root: Path, suffixes: Collection[str] | None) -> list[tuple[Path, str]]:
    if root.is_file():
        return [(root, root.name)]
    if not root.is_dir():
        raise InputError(f"{root} does not exist; give a folder or a file")
    found = []
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if not is_hidden(name)]
        for file in files:
            path = Path(folder, file)
            if not is_hidden(file) and (suffixes is None or path.suffix.lower() in suffixes):
                found.append((path, path.relative_to(root).as_posix()))
    if not found:
        wanted = "files" if suffixes is None else f"{', '.join(sorted(suffixes))} files"
        raise InputError(f"{root} holds no {wanted}; give the folder they lie in")
    return sorted(found, key=lambda one: natural_key(one[1]))


def _by_folder(name: str) -> tuple[str | None, None, str | None]:
    *folders, _ = name.split("/")
    split = None
    if folders and folders[0].casefold() in _PART_OF:
        split = _PART_OF[folders.pop(0).casefold()]
    return (folders[0] if folders else None), None, split


def _part(text: str | None, path: Path, names: str) -> str | None:
    if text is None:
        return None
    if text.casefold() not in _PART_OF:
        raise InputError(
            f"{path}: {{split}} in {names!r} is {text!r}; it must be one of {', '.join(PARTS)}"
        )
    return _PART_OF[text.casefold()]


def _pattern(names: str) -> re.Pattern:
    pieces = re.split(r"(\{[^{}]*\}|\*\*|\*)", names)
    written = []
    for piece in pieces:
        if piece == "**":
            written.append(".*")
        elif piece == "*":
            written.append("[^/]*")
        elif piece.startswith("{") and piece.endswith("}"):
            if piece[1:-1] not in _FIELDS or pieces.count(piece) > 1:
                raise InputError(
                    f"names {names!r}: {piece} is unknown or twice there; there are {{label}}, "
                    "{group}, {split}, each once, * and **"
                )
            written.append(f"(?P<{piece[1:-1]}>[^/]+?)")
        else:
            written.append(re.escape(piece))
    return re.compile("".join(written), re.DOTALL)
