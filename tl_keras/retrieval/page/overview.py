"""What a page says of a catalogue as a whole: its filters, and items to pick from."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from tl_keras.retrieval.catalogue_rows import shown_columns
from tl_keras.retrieval.filters import conditions, kind_of
from tl_keras.retrieval.store import VectorStore

LOOKED_AT = 10_000
"""Items of a catalogue that filters and the list to pick from are made of."""

_SHORT = 20  # values of a list that is read from top to bottom
_MOST_VALUES = 300  # of one to look something up in
_FEW_NUMBERS = 12  # different ones, up to which they are a list, too


class Overview:
    """Some items of a store, in an order drawn by chance, and what filters their columns allow.

    Of more than :data:`LOOKED_AT` items so many are drawn.

    Args:
        store: Where they are.
        seed: Of the draw.

    Attributes:
        total: How many items the store has.
        ids: Those looked at.

    Example:
        >>> Overview(VectorIndex("shoes")).filters()  # doctest: +SKIP
        [{'name': 'gender', 'kind': 'choice', 'values': [['Men', 1022], ['Women', 873]]}]
    """

    def __init__(self, store: VectorStore, seed: int = 0) -> None:
        every = sorted(store.ids())
        self.total = len(every)
        order = np.random.default_rng(seed).permutation(len(every))[:LOOKED_AT]
        self.ids = [every[position] for position in order.tolist()]
        self._rows = store.metadata(self.ids)

    def some(
        self, where: Mapping[str, Any] | None, start: int, count: int
    ) -> tuple[list[tuple[str, dict[str, Any]]], int]:
        """Items to pick from.

        Args:
            where: As of a search.
            start: How many to pass over.
            count: How many to give.

        Returns:
            Ids and metadata, and how many satisfy ``where`` of those looked at.

        Raises:
            InputError: ``where`` is none.
        """
        wanted = conditions(where)
        fitting = [
            (one, row)
            for one, row in zip(self.ids, self._rows, strict=True)
            if all(condition.matches(row.get(condition.name)) for condition in wanted)
        ]
        return fitting[start : start + count], len(fitting)

    def filters(self) -> list[dict[str, Any]]:
        """What each column can be filtered by.

        Returns:
            For each: ``name``; ``kind`` "choice" with ``values``, pairs of a value and its count,
            the most frequent first, of more than 20 in the order of the alphabet; or "range" with
            ``low`` and ``high``.  Left out are columns of one value for all, and texts that name
            single items rather than kinds of them: more than 300 values, or half as many as items.
        """
        names = sorted({name for row in self._rows for name in shown_columns(row)})
        shown = (_filter(name, [row.get(name) for row in self._rows]) for name in names)
        return [one for one in shown if one is not None]


def _filter(name: str, values: list[Any]) -> dict[str, Any] | None:
    known = [value for value in values if kind_of(value) is not None]
    # True == 1 for Python, but not for a filter.
    counts = Counter((kind_of(value), value) for value in known)
    if not counts or (len(counts) == 1 and len(known) == len(values)):
        return None
    numbers = all(kind == "number" for kind, _ in counts)
    if numbers and len(counts) > _FEW_NUMBERS:
        found = [value for _, value in counts]
        return {"name": name, "kind": "range", "low": min(found), "high": max(found)}
    if len(counts) > _SHORT and len(counts) > min(_MOST_VALUES, len(known) / 2):
        return None
    listed = [[value, count] for (_, value), count in counts.most_common()]
    if numbers or len(counts) > _SHORT:
        listed.sort(key=lambda pair: pair[0] if numbers else str(pair[0]).casefold())
    return {"name": name, "kind": "choice", "values": listed}
