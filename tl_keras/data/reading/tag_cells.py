"""Columns of a table to tags: several in a cell, one column each, or values of categories."""

import json
from collections.abc import Sequence

import numpy as np

from tl_keras.data.naming import class_name, natural_key
from tl_keras.data.reading.table_columns import Plan
from tl_keras.data.reading.table_files import Table, shown
from tl_keras.data.reading.usual_names import TAG, separator_in
from tl_keras.errors import InputError

_YES = {"1", "1.0", "true", "yes"}
_NO = {"0", "0.0", "false", "no"}
_MINUS = {"-1", "-1.0"}
# A column of more values than this is an id or a price; its array would fill the memory.
_MOST = 10_000


def read_tags(table: Table, plan: Plan, separator: str | None) -> tuple[np.ndarray, list[str]]:
    """Makes tags of the columns that hold them.

    * One column of several tags each: ``red|round``, or a JSON list; the separator is the first
      of bar, semicolon and comma that occurs.  An empty cell: nobody knows; ``[]``: none of them.
    * A column of 0 and 1 (true, yes, ...) is one tag; empty or -1: not known.  Where no column has
      a 0, as in CelebA, -1 means no.
    * A column of other values is a category: a tag ``column=value`` for each; an empty cell makes
      all of them not known.

    Args:
        table: the table.
        plan: its columns; ``plan.tags`` are read.
        separator: between several tags in a cell, or ``None``: found out.

    Returns:
        int8 array (rows, T) of 1, 0 and -1, and the T names.

    Raises:
        InputError: more than 10,000 different tags.

    Example:
        >>> table = Table("a.csv", {"path": ["1", "2"], "colour": ["red", ""]}, [2, 3], [])
        >>> read_tags(table, Plan("path", tags=("colour",)), None)
        (array([[ 1],
               [-1]], dtype=int8), ['colour=red'])
    """
    if plan.separated:
        return _separated(table, plan.tags[0], separator)
    flags = [name for name in plan.tags if _is_flag(name, table.columns[name])]
    values = {cell.strip().casefold() for name in flags for cell in table.columns[name]}
    minus_is_no = bool(values & _MINUS) and not values & _NO
    arrays, names = [], []
    for name in plan.tags:
        cells = [cell.strip() for cell in table.columns[name]]
        if name in flags:
            arrays.append(_flags(cells, minus_is_no)[:, None])
            names.append(name.removeprefix(TAG))
            continue
        known = sorted({class_name(cell) for cell in cells if cell}, key=natural_key)
        _check_count(table, name, known)
        arrays.append(_marked([[class_name(cell)] if cell else None for cell in cells], known))
        names += [f"{name}={value}" for value in known]
    return np.concatenate(arrays, axis=1), names


def _is_flag(name: str, cells: Sequence[str]) -> bool:
    found = {cell.strip().casefold() for cell in cells} - {""}
    return name.startswith(TAG) or (bool(found) and found <= _YES | _NO | _MINUS)


def _flags(cells: Sequence[str], minus_is_no: bool) -> np.ndarray:
    meaning = dict.fromkeys(_YES, 1) | dict.fromkeys(_NO, 0)
    meaning |= dict.fromkeys(_MINUS, 0 if minus_is_no else -1)
    return np.array([meaning.get(cell.casefold(), -1) for cell in cells], np.int8)


def _separated(table: Table, name: str, separator: str | None) -> tuple[np.ndarray, list[str]]:
    cells = [cell.strip() for cell in table.columns[name]]
    separator = separator or separator_in([cell for cell in cells if not _is_list(cell)])
    rows = [_split(cell, separator) for cell in cells]
    known = sorted({tag for row in rows if row for tag in row}, key=natural_key)
    if not known:
        raise InputError(f"{table.path}: column {shown(name)} (tags=) holds no tags; name another")
    _check_count(table, name, known)
    return _marked(rows, known), known


def _is_list(cell: str) -> bool:
    return cell.startswith("[") and cell.endswith("]")


def _split(cell: str, separator: str | None) -> list[str] | None:
    if not cell:
        return None
    if _is_list(cell):
        try:
            return [class_name(tag) for tag in json.loads(cell) if isinstance(tag, str)]
        except (ValueError, RecursionError):
            pass  # a tag in brackets
    parts = cell.split(separator) if separator else [cell]
    return [class_name(part.strip()) for part in parts if part.strip()]


def _marked(rows: Sequence[Sequence[str] | None], known: Sequence[str]) -> np.ndarray:
    index = {name: i for i, name in enumerate(known)}
    marked = np.zeros((len(rows), len(known)), np.int8)
    for i, row in enumerate(rows):
        if row is None:
            marked[i] = -1
        else:
            marked[i, [index[tag] for tag in row]] = 1
    return marked


def _check_count(table: Table, name: str, known: Sequence[str]) -> None:
    if len(known) > _MOST:
        raise InputError(
            f"{table.path}: column {shown(name)} holds {len(known)} different tags, over "
            f"{_MOST}; is it one? name other columns by tags="
        )
