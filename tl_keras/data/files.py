"""From a list of files to the table: check each, find copies, settle contradictions."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.copies import Listed, check_classes, without_conflicts, without_crossing
from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import Examples, Note, Skipped
from tl_keras.data.naming import natural_key, one_line
from tl_keras.data.scanning import Checked, scan, scan_masks
from tl_keras.data.settling import settle_all
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.boxes import Boxes
    from tl_keras.data.masks import Mask


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
    files = [Listed(str(p), str(label)) for p, label in zip(paths, labels, strict=True)]
    return assemble(files, strict=strict, progress=progress)


def assemble(
    files: Sequence[Listed],
    *,
    root: str = "",
    classes: Iterable[str] = (),
    class_names: Sequence[str] = (),
    tags: np.ndarray | None = None,
    tag_names: Sequence[str] = (),
    drawn: Sequence[Drawn] | None = None,
    masks: "Sequence[Mask | None] | None" = None,
    groups: Sequence[str | None] | None = None,
    extra: Mapping[str, Sequence[str]] | None = None,
    digests: Sequence[str | None] | None = None,
    skipped: Sequence[Skipped] = (),
    every_class: bool = True,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Checks every file and builds the table; each file is decoded once, however often listed.

    Byte-identical files under different labels contradict each other: all are left out.  Copies
    that cross a brought split stay on the side that measures (test before val before train) and
    leave the other.  All columns are as long as ``files``.

    Args:
        files: what was found.
        root: where, for messages.
        classes: names beyond those of labels and boxes; labels must have images of them.
        class_names: classes in an order of their own, which masks count on; those not among them
            follow.  By default all in natural order.
        tags: int8 (N, T): 1, 0, or -1 for not known.
        tag_names: the T tags.
        drawn: what was drawn on each image: boxes, and masks where there are shapes.
        masks: masks that are files; an image whose mask is unsound is left out.
        groups: what must not be torn apart, or ``None``.
        extra: further columns.
        digests: the digests that the files had; a file that changed since is left out.
        skipped: what was left out already.
        every_class: labels: every part of a brought split must have every class.
        strict: stop at what would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table.

    Raises:
        InputError: nothing to read, labels of fewer than two classes, a class without one
            readable image (in a part), or, under ``strict``, anything left out.

    Example:
        >>> assemble([Listed("a.jpg", "ants")], progress=False)
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: one class only (ants); give two or more
    """
    labelled = any(file.label is not None for file in files)
    names = _class_names(files, classes, class_names, drawn)
    if labelled and len(names) < 2:
        raise InputError(f"one class only ({one_line(', '.join(names))}); give two or more")
    left_out = list(skipped)
    found = _checked(files, digests, left_out, progress)
    boxes: dict[int, Boxes] = {}
    all_masks: dict[int, Mask] = {i: mask for i, mask in enumerate(masks or ()) if mask}
    notes: list[Note] = []
    if drawn is not None:
        boxes, outlined, refused, notes = settle_all(files, drawn, found, names)
        found = {i: image for i, image in found.items() if i in boxes}
        all_masks |= outlined
        left_out += refused
    if all_masks:
        found = _with_sound_masks(files, found, all_masks, left_out, progress)
    if not found:
        raise InputError(
            _nothing_read(files, root, left_out, drawn is not None or masks is not None)
        )
    sound = [(i, image.digest) for i, image in found.items()]
    sound, crossing = without_crossing(files, sound)
    sound, conflicts = without_conflicts(files, sound)
    left_out += conflicts
    left_out = [Skipped(path, one_line(reason)) for path, reason in left_out]
    if progress:
        for note in notes:
            print(f"{one_line(note.path)}: {note.text}", file=sys.stderr)
    if strict and left_out:
        raise InputError(
            f"{len(left_out)} file(s){' or boxes' if drawn else ''} would be left out, the first: "
            f"{left_out[0].path}: {left_out[0].reason}; mend or remove them, or read without strict"
        )
    kept = [i for i, _ in sound]
    if labelled and every_class:
        check_classes([files[i] for i in kept], names, left_out)
    index = {name: number for number, name in enumerate(names)}
    index[None] = -1
    return Examples(
        paths=tuple(files[i].path for i in kept),
        labels=[index[files[i].label] for i in kept],
        class_names=names,
        digests=tuple(digest for _, digest in sound),
        splits=tuple(files[i].split for i in kept),
        skipped=tuple(left_out),
        crossing=tuple(crossing),
        root=root,
        tags=None if tags is None else np.asarray(tags)[kept],
        tag_names=tuple(tag_names),
        boxes=None if drawn is None else tuple(boxes[i] for i in kept),
        masks=tuple(all_masks.get(i) for i in kept) if all_masks else None,
        sizes=[found[i].size[::-1] for i in kept],
        groups=None if groups is None else tuple(groups[i] for i in kept),
        extra={name: tuple(column[i] for i in kept) for name, column in (extra or {}).items()},
        notes=tuple(notes),
    )


def _class_names(
    files: Sequence[Listed],
    classes: Iterable[str],
    ordered: Sequence[str],
    drawn: Sequence[Drawn] | None,
) -> tuple[str, ...]:
    names = {*classes, *(file.label for file in files if file.label is not None)}
    for annotation in drawn or ():
        names.update(annotation.names)
    return (*ordered, *sorted(names.difference(ordered), key=natural_key))


def _checked(
    files: Sequence[Listed],
    digests: Sequence[str | None] | None,
    left_out: list[Skipped],
    progress: bool,
) -> dict[int, Checked]:
    """Positions of the sound files, and what is known of them."""
    paths = list(dict.fromkeys(file.path for file in files))
    images = dict(zip(paths, scan(paths, progress=progress), strict=True))
    found: dict[int, Checked] = {}
    for i, file in enumerate(files):
        image = images[file.path]
        if image.digest is None:
            left_out.append(Skipped(file.path, image.reason or "unreadable"))
        elif digests and digests[i] and digests[i] != image.digest:
            left_out.append(Skipped(file.path, "its bytes are not those that were written down"))
        else:
            found[i] = image
    return found


def _with_sound_masks(
    files: Sequence[Listed],
    found: dict[int, Checked],
    masks: "dict[int, Mask]",
    left_out: list[Skipped],
    progress: bool,
) -> dict[int, Checked]:
    checked = [i for i in found if i in masks]
    faults = scan_masks([(masks[i], found[i].size) for i in checked], progress=progress)
    faulty = set()
    for i, fault in zip(checked, faults, strict=True):
        if fault:
            left_out.append(Skipped(files[i].path, f"its mask {fault.path}: {fault.reason}"))
            faulty.add(i)
    return {i: image for i, image in found.items() if i not in faulty}


def _nothing_read(
    files: Sequence[Listed], root: str, left_out: list[Skipped], annotated: bool
) -> str:
    where = f" in {root}" if root else ""
    if not left_out:
        return f"nothing to read{where}; give a {'folder' if root else 'list'} of photos"
    if annotated:
        # Unsound pictures come first in the list, what does not fit them last.
        example = f"{left_out[-1].path}: {left_out[-1].reason}"
        count = f"none of the {len(files)} images" if files else "no image"
        return f"{count}{where} can be used, e.g. {example}; mend them"
    first = f"cannot read {left_out[0].path}: {left_out[0].reason}"
    return (
        f"none of the {len(files)} files{where} is a readable image, the first: {first}; "
        f"give a {'folder' if root else 'list'} of photos"
    )
