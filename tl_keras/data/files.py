"""From a list of files to the table: check each, find copies, settle contradictions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tl_keras.data.examples import PARTS, Examples, Skipped
from tl_keras.data.naming import natural_key
from tl_keras.data.scanning import scan
from tl_keras.errors import InputError


class Listed(NamedTuple):
    """A file as found, before anything is known about its content.

    Attributes:
        path: the file.
        label: its class name.
        split: the part it was found in, ``"train"``, ``"val"``, ``"test"`` or ``None``.

    Example:
        >>> Listed("photos/ants/a.jpg", "ants", None).label
        'ants'
    """

    path: str
    label: str
    split: str | None


def from_files(
    paths: Sequence[str | Path],
    labels: Sequence[str],
    *,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Makes examples of files whose classes are known otherwise, from their names or a list.

    Args:
        paths: the files.
        labels: the class name of each.
        strict: stop at files that would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table, in the order of the paths; what cannot be read is in ``skipped``.

    Raises:
        InputError: the lists differ in length, fewer than two classes, a class without one
            readable image, or, under ``strict``, anything left out.

    Example:
        >>> from_files(["a_1.jpg", "b_1.jpg"], ["a", "b"], progress=False)
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: none of the 2 files is a readable image, the first: \
cannot read a_1.jpg: no such file; give a list of photos
    """
    if len(paths) != len(labels):
        raise InputError(f"{len(paths)} paths and {len(labels)} labels; give one label per path")
    files = [Listed(str(p), str(label), None) for p, label in zip(paths, labels, strict=True)]
    return assemble(files, strict=strict, progress=progress)


def assemble(
    files: Sequence[Listed],
    *,
    root: str = "",
    classes: Iterable[str] = (),
    skipped: Sequence[Skipped] = (),
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Checks every file and builds the table.

    Byte-identical files under different classes contradict each other: all are left out.  Copies
    that cross a brought split stay on the side that measures (test before val before train) and
    leave the other.

    Args:
        files: what was found.
        root: where, for messages.
        classes: names that must have images, beyond those of the files.
        skipped: what was left out already.
        strict: stop at files that would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table.

    Raises:
        InputError: as for :func:`from_files`.

    Example:
        >>> assemble([Listed("a.jpg", "ants", None)], progress=False)
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: one class only (ants); give two or more
    """
    class_names = tuple(sorted({*classes, *(file.label for file in files)}, key=natural_key))
    if len(class_names) < 2:
        raise InputError(f"one class only ({', '.join(class_names)}); give two or more")
    left_out = list(skipped)
    sound: list[tuple[Listed, str]] = []
    results = scan([file.path for file in files], progress=progress)
    for file, (digest, reason) in zip(files, results, strict=True):
        if digest is None:
            left_out.append(Skipped(file.path, reason or "unreadable"))
        else:
            sound.append((file, digest))
    if not sound:
        first = f"cannot read {left_out[0].path}: {left_out[0].reason}"
        raise InputError(
            f"none of the {len(files)} files{f' in {root}' if root else ''} is a readable image, "
            f"the first: {first}; give a {'folder' if root else 'list'} of photos"
        )
    sound, crossing = _without_crossing(sound)
    sound, conflicts = _without_conflicts(sound)
    left_out += conflicts
    if strict and left_out:
        raise InputError(
            f"{len(left_out)} file(s) would be left out, the first: {left_out[0].path}: "
            f"{left_out[0].reason}; mend or remove them, or read without strict"
        )
    _check_classes(sound, class_names, left_out)
    index = {name: i for i, name in enumerate(class_names)}
    return Examples(
        paths=tuple(file.path for file, _ in sound),
        labels=[index[file.label] for file, _ in sound],
        class_names=class_names,
        digests=tuple(digest for _, digest in sound),
        splits=tuple(file.split for file, _ in sound),
        skipped=tuple(left_out),
        crossing=tuple(crossing),
        root=root,
    )


def _without_crossing(
    sound: list[tuple[Listed, str]],
) -> tuple[list[tuple[Listed, str]], list[Skipped]]:
    keeper: dict[str, Listed] = {}
    rank = {part: i for i, part in enumerate((None, *PARTS))}
    for file, digest in sound:
        if digest not in keeper or rank[file.split] > rank[keeper[digest].split]:
            keeper[digest] = file
    kept, crossing = [], []
    for file, digest in sound:
        if file.split == keeper[digest].split:
            kept.append((file, digest))
        else:
            crossing.append(Skipped(file.path, f"the same bytes as {keeper[digest].path}"))
    return kept, crossing


def _without_conflicts(
    sound: list[tuple[Listed, str]],
) -> tuple[list[tuple[Listed, str]], list[Skipped]]:
    owners: dict[str, dict[str, Listed]] = defaultdict(dict)
    for file, digest in sound:
        owners[digest].setdefault(file.label, file)
    kept, conflicts = [], []
    for file, digest in sound:
        other = next((f for label, f in owners[digest].items() if label != file.label), None)
        if other is None:
            kept.append((file, digest))
        else:
            reason = f"labelled {file.label!r}, but the same bytes are {other.label!r}: "
            conflicts.append(Skipped(file.path, reason + other.path))
    return kept, conflicts


def _check_classes(
    sound: list[tuple[Listed, str]], class_names: tuple[str, ...], left_out: list[Skipped]
) -> None:
    found: dict[str | None, set[str]] = defaultdict(set)
    for file, _ in sound:
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
