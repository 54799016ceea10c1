"""Files as found, and the copies among them: across a split, and under different labels."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from tl_keras.data.examples import PARTS, Skipped
from tl_keras.errors import InputError


class Listed(NamedTuple):
    """A file as found, before anything is known about its content.

    Attributes:
        path: the file.
        label: its class name, or ``None``.
        split: the part it was found in, ``"train"``, ``"val"``, ``"test"`` or ``None``.

    Example:
        >>> Listed("photos/ants/a.jpg", "ants").label
        'ants'
    """

    path: str
    label: str | None = None
    split: str | None = None


def without_crossing(
    files: Sequence[Listed], sound: Sequence[tuple[int, str]]
) -> tuple[list[tuple[int, str]], list[Skipped]]:
    """Leaves copies that cross a brought split on one side: test before val before train.

    Args:
        files: what was found.
        sound: positions of the sound files, and their digests.

    Returns:
        What stays, as ``sound``, and what was left out.

    Example:
        >>> files = [Listed("a.jpg", split="train"), Listed("b.jpg", split="test")]
        >>> without_crossing(files, [(0, "0f"), (1, "0f")])[0]
        [(1, '0f')]
    """
    keeper: dict[str, Listed] = {}
    rank = {part: i for i, part in enumerate((None, *PARTS))}
    for i, digest in sound:
        if digest not in keeper or rank[files[i].split] > rank[keeper[digest].split]:
            keeper[digest] = files[i]
    kept, crossing = [], []
    for i, digest in sound:
        if files[i].split == keeper[digest].split:
            kept.append((i, digest))
        else:
            other = keeper[digest]
            reason = f"the same bytes as {other.path}"
            if other.path == files[i].path:
                reason = f"listed for {files[i].split} and for {other.split}, which keeps it"
            crossing.append(Skipped(files[i].path, reason))
    return kept, crossing


def without_conflicts(
    files: Sequence[Listed], sound: Sequence[tuple[int, str]]
) -> tuple[list[tuple[int, str]], list[Skipped]]:
    """Leaves out byte-identical files of different labels; files without a label stay.

    Args:
        files: what was found.
        sound: positions of the sound files, and their digests.

    Returns:
        What stays, as ``sound``, and what was left out.

    Example:
        >>> files = [Listed("a.jpg", "cat"), Listed("b.jpg", "dog"), Listed("c.jpg", "dog")]
        >>> without_conflicts(files, [(0, "0f"), (1, "0f"), (2, "1e")])[0]
        [(2, '1e')]
    """
    owners: dict[str, dict[str, Listed]] = defaultdict(dict)
    for i, digest in sound:
        if files[i].label is not None:
            owners[digest].setdefault(files[i].label, files[i])
    kept, conflicts = [], []
    for i, digest in sound:
        label = files[i].label
        other = next((f for name, f in owners[digest].items() if name != label), None)
        if other is None or label is None:
            kept.append((i, digest))
        else:
            reason = f"labelled {label!r}, but the same bytes are {other.label!r}: "
            conflicts.append(Skipped(files[i].path, reason + other.path))
    return kept, conflicts


def check_classes(
    sound: list[Listed], class_names: tuple[str, ...], left_out: list[Skipped]
) -> None:
    """Looks whether each part has images of each class.

    Args:
        sound: the files that are left.
        class_names: what must be there.
        left_out: what was left out, for the message.

    Raises:
        InputError: a class has no image (in a part).

    Example:
        >>> check_classes([Listed("a.jpg", "cat")], ("cat", "dog"), [])
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: no readable image of class 'dog'; add images or remove the class
    """
    found: dict[str | None, set[str | None]] = defaultdict(set)
    for file in sound:
        found[file.split].add(file.label)
    for split, names in found.items():
        missing = [name for name in class_names if name not in names]
        if missing:
            where = f" in the {split} part" if split else ""
            hint = f" ({len(left_out)} files were left out)" if left_out else ""
            raise InputError(
                f"no readable image of class {missing[0]!r}{where}{hint}; "
                "add images or remove the class"
            )
