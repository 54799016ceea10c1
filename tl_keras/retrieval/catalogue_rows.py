"""From a table of pictures to what an index keeps of each: an id, and columns of values."""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tl_keras.data.examples import Examples, Skipped
from tl_keras.errors import InputError

#: The column that holds the BLAKE2b hash of a file's bytes: what says whether it has changed.
DIGEST = "blake2b"

_NUMBER_STARTS = tuple("0123456789+-.")


class Rows(NamedTuple):
    """What an index shall hold.

    Attributes:
        ids: Of each picture: its path below the root with ``/``, or its absolute path elsewhere.
        positions: Where in the table it stands.
        metadata: Of each, without columns that have no value.
        columns: Names of columns and what they hold, ``"number"``, ``"truth"`` or ``"text"``.
        skipped: Rows that cannot be kept, and why.
    """

    ids: list[str]
    positions: list[int]
    metadata: list[dict[str, Any]]
    columns: dict[str, str]
    skipped: list[Skipped]


def root_of(examples: Examples) -> Path:
    """The folder that ids are relative to: what the table was read from, or the folder it lies in.

    Example:
        >>> root_of(examples)  # doctest: +SKIP
        PosixPath('/data/shop')
    """
    if not examples.root:
        folders = [os.path.dirname(path) for path in examples.paths]  # noqa: PTH120 (many of them)
        return Path(os.path.commonpath(folders)) if folders else Path.cwd()
    root = Path(os.path.abspath(examples.root))  # noqa: PTH100 (links stay)
    return root if root.is_dir() else root.parent


def catalogue_rows(examples: Examples, root: Path) -> Rows:
    """Ids and columns of a table's pictures.

    Columns are ``path``; ``label``, ``group`` and ``split`` where there are; one of truth values
    for each tag; the table's further ones; and ``blake2b``.  A further column whose cells are all
    numbers (but for empty ones) holds numbers, one of ``true`` and ``false`` truth values; numbers
    that would lose by it, as the 0 of ``007``, are left to be text.

    Args:
        examples: The table.
        root: The folder that ids are relative to.

    Raises:
        InputError: A further column has the name of one of those above.

    Example:
        >>> catalogue_rows(examples, root_of(examples)).ids[0]  # doctest: +SKIP
        'images/10000.jpg'
    """
    columns = _columns(examples)
    values: dict[str, Sequence[Any]] = {}
    kinds = {"path": "text"}
    for name, cells in columns.items():
        values[name], kinds[name] = cells if isinstance(cells, tuple) else _typed(cells)
    rows = Rows([], [], [], kinds, [])
    taken: set[str] = set()
    prefix = f"{root}{os.sep}"
    for position, path in enumerate(examples.paths):
        one = path[len(prefix) :].replace(os.sep, "/") if path.startswith(prefix) else path
        reason = "stands in the table twice; its first row counts" if one in taken else _unfit(one)
        if reason:
            rows.skipped.append(Skipped(path, reason))
            continue
        taken.add(one)
        kept = {name: column[position] for name, column in values.items()}
        kept = {name: value for name, value in kept.items() if value is not None}
        rows.ids.append(one)
        rows.positions.append(position)
        rows.metadata.append({"path": one, **kept, DIGEST: examples.digests[position]})
    return rows


def _unfit(one: str) -> str | None:
    try:
        one.encode()
    except UnicodeEncodeError:
        return "its name is no valid Unicode text; rename it"
    return None


def _columns(examples: Examples) -> dict[str, Any]:
    """Name -> cells of text, or (values, kind) where the kind is known."""
    found: dict[str, Any] = {}
    if (examples.labels >= 0).any():
        names = [*examples.class_names, None]  # -1 is the last
        found["label"] = [names[label] for label in examples.labels.tolist()], "text"
    if examples.groups is not None:
        found["group"] = list(examples.groups), "text"
    if examples.parts:
        found["split"] = list(examples.splits), "text"
    for number, name in enumerate(examples.tag_names):
        known = {1: True, 0: False}
        found[name] = [known.get(tag) for tag in examples.tags[:, number].tolist()], "truth"
    for name, cells in examples.extra.items():
        if name in found or name in ("path", DIGEST):
            raise InputError(
                f"{examples.root or 'the table'} has a column {name!r}, which is what the index "
                "calls a column of its own; rename it"
            )
        found[name] = list(cells)
    return found


def _typed(cells: Sequence[str]) -> tuple[list[Any], str]:
    texts = [cell.strip() for cell in cells]
    for kind, meaning in (("number", _number), ("truth", _truth)):
        values = _all(texts, meaning)
        if values is not None:
            return values, kind
    return [text or None for text in texts], "text"


def _all(texts: Sequence[str], meaning: Callable[[str], Any]) -> list[Any] | None:
    """The value of every text; None where one has none, or all are empty."""
    values: list[Any] = []
    for text in texts:
        value = meaning(text) if text else None
        if text and value is None:
            return None
        values.append(value)
    return values if any(texts) else None


def _number(text: str) -> int | float | None:
    if not text.startswith(_NUMBER_STARTS):  # nan, inf
        return None
    try:
        if str(int(text)) == text:
            return int(text)
    except ValueError:
        pass
    digits = text.lstrip("+-")
    if "_" in digits or (digits[:1] == "0" and digits[1:2].isdecimal()):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _truth(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def shown_columns(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata without what only the index needs.

    Example:
        >>> shown_columns({"path": "a.jpg", "price": 20, "blake2b": "0f"})
        {'price': 20}
    """
    return {name: value for name, value in metadata.items() if name not in ("path", DIGEST)}
