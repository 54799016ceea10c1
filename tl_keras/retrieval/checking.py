"""What goes into a vector store, checked before anything is written."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError

_SMALL, _LARGE = 1e-20, 1e30  # squares in between lose nothing in float32
_PLAIN = (str, int, bool, type(None))


def unit_vectors(vectors: Any, dimension: int, *, what: str = "vectors") -> np.ndarray:
    """Vectors scaled to length 1.

    Args:
        vectors: Numbers, (N, dimension).
        dimension: What the store holds.
        what: How an error calls them.

    Returns:
        float32 (N, dimension).

    Raises:
        InputError: Another shape, no numbers, NaN or infinity, or a vector of length zero.

    Example:
        >>> unit_vectors([[3.0, 4.0]], 2).round(3).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    try:
        array = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}: not a table of numbers ({error})") from None
    if array.ndim != 2 or array.shape[1] != dimension:
        raise InputError(
            f"{what} of shape {array.shape}, expected (N, {dimension}): the index holds vectors of "
            f"{dimension} numbers; embed with the model that it was made with"
        )
    squares = np.einsum("nd,nd->n", array, array)
    if not ((squares > _SMALL) & (squares < _LARGE)).all():  # not so of NaN either
        # The largest number first, so that squares neither overflow nor vanish.
        largest = np.abs(array).max(axis=1, initial=0.0)
        bad = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
        if len(bad):
            kind = "zeros alone" if largest[bad[0]] == 0 else "NaN or infinity"
            raise InputError(
                f"{what}: number {bad[0]} (from 0) holds {kind}, {len(bad)} of {len(array)} are "
                "like it; leave these items out, or look at the model that made them"
            )
        array = array / largest[:, None]
        squares = np.einsum("nd,nd->n", array, array)
    scaled = array / np.sqrt(squares)[:, None]
    scaled += 0.0  # -0.0 becomes 0.0, so that equal vectors are equal byte for byte
    return scaled


def check_ids(ids: Sequence[str]) -> list[str]:
    """Ids as a list: strings, none empty, none twice.

    Args:
        ids: The ids.

    Raises:
        InputError: One is no string, is empty, cannot be stored as text, or is given twice.

    Example:
        >>> check_ids(("a", "b"))
        ['a', 'b']
    """
    if isinstance(ids, str):
        raise InputError(f"ids: a list of strings, not the one string {ids!r}; write [{ids!r}]")
    listed = list(ids)
    for one in listed:
        if not isinstance(one, str) or not one or "\0" in one:
            raise InputError(f"id {one!r}: expected a string that is not empty, without NUL")
        try:
            one.encode()
        except UnicodeEncodeError:
            raise InputError(f"id {one!r} is no valid Unicode text; rename the item") from None
    if len(set(listed)) < len(listed):
        seen: set[str] = set()
        twice = next(one for one in listed if one in seen or seen.add(one))
        raise InputError(f"id {twice!r} is given twice; every item has an id of its own")
    return listed


def check_metadata(metadata: Any, count: int) -> list[dict[str, Any]]:
    """Metadata as plain dictionaries of JSON values, one for each item.

    Args:
        metadata: ``count`` mappings from names to JSON values (numpy scalars count as the Python
            ones), or None.
        count: How many.

    Raises:
        InputError: Another number of them, a name that is no string, a value that JSON lacks.

    Example:
        >>> check_metadata([{"price": np.int64(3)}], 1)
        [{'price': 3}]
    """
    if metadata is None:
        return [{} for _ in range(count)]
    rows = list(metadata)
    if len(rows) != count:
        raise InputError(f"metadata for {len(rows)} items, ids of {count}; give one for each")
    return [_plain_row(row, number) for number, row in enumerate(rows)]


def _plain_row(row: Any, number: int) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise InputError(f"metadata number {number} (from 0) is {row!r}; expected a dictionary")
    return {_name(name): _plain(name, value) for name, value in row.items()}


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise InputError(f"metadata column {name!r}: names are strings that are not empty")
    return name


def _plain(name: str, value: Any) -> Any:
    if type(value) in _PLAIN or (type(value) is float and math.isfinite(value)):
        return value
    try:
        return json.loads(json.dumps(value, allow_nan=False, default=_item))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"metadata column {name!r}: {value!r} is no JSON value ({error}); None means no value"
        ) from None


def _item(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"type {type(value).__name__}")
