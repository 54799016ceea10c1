"""From the nearest vectors to hits: ids left out, near-duplicates collapsed."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tl_keras.errors import InputError
from tl_keras.retrieval.store import Hit


class Nearest(Protocol):
    """The items nearest to a query, whatever keeps them.  A key is what the store finds them by."""

    def first(self, count: int) -> list[tuple[float, Any]]:
        """Cosine and key of the nearest, best first; fewer only where there are no more."""
        ...

    def id(self, key: Any) -> str:
        """The id of an item."""
        ...

    def vector(self, key: Any) -> np.ndarray:
        """The unit vector of an item."""
        ...

    def metadata(self, key: Any) -> dict[str, Any]:
        """The metadata of an item."""
        ...


def check_search(k: int, exclude: Sequence[str], collapse: float | None) -> frozenset[str]:
    """Refuses arguments of a search that are out of range; returns the ids to leave out.

    Raises:
        InputError: One is.

    Example:
        >>> sorted(check_search(5, ["a"], 0.98))
        ['a']
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError(f"k: {k!r} is no whole number from 1 on")
    if isinstance(exclude, str):
        raise InputError(f"exclude: a list of ids, not the one string; write [{exclude!r}]")
    if collapse is not None and not 0 < collapse <= 1:
        raise InputError(f"collapse: {collapse!r} is no cosine above 0 and up to 1 (try 0.98)")
    return frozenset(exclude)


def ranked_hits(
    nearest: Nearest,
    k: int,
    left_out: frozenset[str],
    collapse: float | None,
    seen: np.ndarray | None,
) -> list[Hit]:
    """The k best.

    Args:
        nearest: Where they come from.
        k: How many.
        left_out: Ids that are not wanted.
        collapse: Cosine from which an item counts as a repetition of a better one, or None.
        seen: A unit vector whose repetitions are collapsed as well, (D,), or None.

    Returns:
        The hits, best first.

    Example:
        >>> ranked_hits(nearest, 5, frozenset(), 0.98, None)  # doctest: +SKIP
    """
    wanted = k + len(left_out)
    if collapse is None:
        hits = []
        for score, key in nearest.first(wanted):
            item = nearest.id(key)
            if item not in left_out and len(hits) < k:
                hits.append(Hit(item, min(score, 1.0), nearest.metadata(key)))
        return hits
    wanted += k
    while True:
        found = nearest.first(wanted)
        hits = _collapsed(nearest, found, k, left_out, collapse, seen)
        if len(hits) == k or len(found) < wanted:
            return hits
        wanted *= 4


def _collapsed(
    nearest: Nearest,
    found: list[tuple[float, Any]],
    k: int,
    left_out: frozenset[str],
    collapse: float,
    seen: np.ndarray | None,
) -> list[Hit]:
    """The first k of what was found that repeat nothing before them."""
    limit = collapse - 1e-6  # equal vectors have a cosine of 1 but for rounding
    shown: list[np.ndarray] = [] if seen is None else [seen]
    kept: list[tuple[str, float, Any]] = []
    repeated: list[list[str]] = [[] for _ in shown]
    for score, key in found:
        item = nearest.id(key)
        if item in left_out:
            continue
        vector = nearest.vector(key)
        cosines = np.array([one @ vector for one in shown])
        if len(cosines) and cosines.max() >= limit:
            repeated[int(cosines.argmax())].append(item)
            continue
        if len(kept) == k:
            break
        shown.append(vector)
        repeated.append([])
        kept.append((item, score, key))
    return [
        Hit(item, min(score, 1.0), nearest.metadata(key), tuple(duplicates))
        for (item, score, key), duplicates in zip(
            kept, repeated[len(repeated) - len(kept) :], strict=True
        )
    ]
