"""From pictures that lay in no files of their own to the table."""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import Listed, assemble
from tl_keras.data.reading.cache import cache_folder
from tl_keras.data.reading.storing import Item, store
from tl_keras.errors import InputError

_SHOWN = 3


class Target(NamedTuple):
    """What a reader knows of a picture.

    Attributes:
        label: its class, or ``None``.
        split: ``"train"``, ``"val"``, ``"test"`` or ``None``.
        group: what must not be torn apart, or ``None``.
        tags: 1, 0 or -1 for each tag; ``None`` where there are none.
        drawn: its boxes; ``None`` where the data has none.

    Example:
        >>> Target("ants").split is None
        True
    """

    label: str | None = None
    split: str | None = None
    group: str | None = None
    tags: tuple[int, ...] | None = None
    drawn: Drawn | None = None


def table_of(
    items: Iterable[Item],
    *,
    what: str,
    class_order: Sequence[str] | None = None,
    tag_names: Sequence[str] = (),
    into: str | os.PathLike | None = None,
    total: int | None = None,
    broken: Sequence[Skipped] = (),
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Writes pictures to files, checks them like any other file, and builds the table.

    Args:
        items: pictures, each with a :class:`Target`.
        what: the source, for messages.
        class_order: names in the order in which the source counts them; those that no picture has
            are left out.
        tag_names: the tags.
        into: see :func:`tl_keras.data.reading.storing.store`.
        total: how many items, if that is known.
        broken: what could not be read; may grow while the items are.
        strict: raise instead of leaving anything out.
        progress: show bars on standard error when it takes long.

    Returns:
        The table.

    Raises:
        InputError: there are no pictures, the disk is full, or as for
            :func:`tl_keras.data.files.assemble`.

    Example:
        >>> table_of([Item(b"...", "row 0", Target("ants"))], what="rows")  # doctest: +SKIP
    """
    files: list[Listed] = []
    targets: list[Target] = []
    left_out: list[Skipped] = []
    origins: dict[str, list[str]] = defaultdict(list)
    for stored in store(items, into, total=total, progress=progress):
        if stored.path is None:
            left_out.append(Skipped(stored.origin, stored.reason or "no picture"))
            continue
        target: Target = stored.target
        files.append(Listed(stored.path, target.label, target.split))
        targets.append(target)
        origins[stored.path].append(stored.origin)
    left_out = [*broken, *left_out]
    if not files:
        if left_out:
            path, reason = left_out[0]
            raise InputError(f"{what} holds no image that can be read; the first, {path}: {reason}")
        raise InputError(f"{what} is empty; give data with images in it")
    names = {target.label for target in targets}
    names.update(name for target in targets if target.drawn for name in target.drawn.names)
    has_boxes = any(target.drawn is not None for target in targets)
    try:
        examples = assemble(
            files,
            class_names=[name for name in class_order or () if name in names],
            tags=np.array([target.tags for target in targets], np.int8) if tag_names else None,
            tag_names=tag_names,
            drawn=[target.drawn or Drawn("") for target in targets] if has_boxes else None,
            groups=_column([target.group for target in targets]),
            skipped=left_out,
            progress=progress,
            root=os.fspath(into or cache_folder("images")),
        )
    except InputError as error:
        raise InputError(f"{what}: {error}") from None
    skipped = _with_origins(examples.skipped, origins)
    if strict and skipped:
        path, reason = skipped[0]
        raise InputError(
            f"{what}: {len(skipped)} image(s) would be left out, the first: {path}: {reason}; mend "
            "or remove them, or read without strict"
        )
    return replace(examples, skipped=skipped, crossing=_with_origins(examples.crossing, origins))


def _column(values: list[str | None]) -> list[str | None] | None:
    return None if all(value is None for value in values) else values


def _with_origins(skipped: Sequence[Skipped], origins: dict[str, list[str]]) -> tuple[Skipped, ...]:
    """Says of a file, whose name is a digest, where its picture stood."""
    return tuple(
        Skipped(path, f"{_listed(origins[path])}: {reason}") if path in origins
        else Skipped(path, reason)
        for path, reason in skipped
    )  # fmt: skip


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
