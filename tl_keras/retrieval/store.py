"""The few verbs of a vector store, whatever keeps the vectors."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np


class Hit(NamedTuple):
    """One result of a search.

    Attributes:
        id: Of the item.
        score: Cosine with the query, -1..1.
        metadata: Its columns; a column without a value is left out.
        duplicates: Ids of items passed over because they all but repeat this one.

    Example:
        >>> Hit("a17", 0.93, {"price": 20}).score
        0.93
    """

    id: str
    score: float
    metadata: dict[str, Any]
    duplicates: tuple[str, ...] = ()


class VectorStore(Protocol):
    """What :class:`~tl_keras.retrieval.VectorIndex` and ``PostgresIndex`` both do.

    Vectors are compared by cosine; they may be of any length but zero, and are stored as float32
    unit vectors.  Metadata is a dictionary of JSON values for each item; ``None`` is the same as
    no value.  ``where`` is explained at :func:`tl_keras.retrieval.filters.conditions`.
    """

    dimension: int
    fingerprint: str

    def add(
        self,
        ids: Sequence[str],
        vectors: np.ndarray,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Adds new items; all of them or, after an error, none."""
        ...

    def update(
        self,
        ids: Sequence[str],
        vectors: np.ndarray | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Replaces the vectors of items and sets the metadata keys given (None removes one)."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Removes items."""
        ...

    def search(
        self,
        query: np.ndarray,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
        collapse: float | None = None,
    ) -> list[Hit]:
        """The k items nearest to a vector, best first."""
        ...

    def similar(
        self,
        item: str,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
        collapse: float | None = None,
    ) -> list[Hit]:
        """The k items nearest to a stored one, itself left out."""
        ...

    def count(self, where: Mapping[str, Any] | None = None) -> int:
        """How many items there are."""
        ...

    def ids(self) -> list[str]:
        """All ids, in no particular order."""
        ...

    def vectors(self, ids: Sequence[str]) -> np.ndarray:
        """The unit vectors of items, float32 (N, dimension)."""
        ...

    def metadata(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The metadata of items, a dictionary each; a column without a value is left out."""
        ...
