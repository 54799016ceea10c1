"""The index in a folder: :class:`VectorIndex`."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.data.locks import only_one
from tl_keras.errors import InputError
from tl_keras.retrieval.array_files import hash_texts
from tl_keras.retrieval.checking import check_ids, check_metadata, unit_vectors
from tl_keras.retrieval.committing import commit
from tl_keras.retrieval.filters import Condition, conditions
from tl_keras.retrieval.index_folder import (
    LOCK,
    POINTER,
    Part,
    Version,
    read_version,
    write_version,
)
from tl_keras.retrieval.ranking import check_search, ranked_hits
from tl_keras.retrieval.segment import Rows, Segment, check_columns
from tl_keras.retrieval.store import Hit


class VectorIndex:
    """Vectors with ids and metadata in a folder: exact while small, approximate when large.

    Every change is written beside what is there and takes effect in one step, so an index
    survives a killed writer; any number of processes read while one writes (others that want to
    write wait), and every call sees the newest version.  Vectors stay on the disk, mapped into
    memory and shared by all readers.

    Changes never rebuild the index: new items make a segment of their own, deleted ones are
    struck out, and small segments are joined as they gather, so that a row is copied about
    ``log(N)`` times in all.  A call that joins large ones takes as long as that takes; add in
    batches of thousands rather than one by one.

    Args:
        folder: Holds the index.
        fingerprint: Of the model that makes the vectors.  Without it, vectors from outside are
            refused; what needs none (``similar``, ``count``, ``delete``) works.

    Raises:
        InputError: There is no index, or it is of another model.

    Example:
        >>> import tempfile
        >>> index = VectorIndex.create(tempfile.mkdtemp(), dimension=2, fingerprint="4f1c")
        >>> index.add(["a", "b"], [[1, 0], [0.6, 0.8]], [{"price": 20}, {"price": 35}])
        >>> [(hit.id, round(hit.score, 2)) for hit in index.search([1, 0], k=2)]
        [('a', 1.0), ('b', 0.6)]
        >>> index.similar("a", where={"price": {"<": 40}})[0].metadata
        {'price': 35}
    """

    def __init__(self, folder: str | Path, fingerprint: str | None = None):
        self.folder = Path(folder)
        self._version = read_version(self.folder)
        if fingerprint is not None and fingerprint != self._version.fingerprint:
            raise InputError(
                f"{self.folder} was made with another model (fingerprint "
                f"{self._version.fingerprint}, this one is {fingerprint}); their vectors do not "
                "compare: use that model, or index the catalogue again into another folder"
            )
        self._trusted = fingerprint is not None
        self._state: Any = None
        self._segments: tuple[Segment, ...] = ()
        self._refresh()

    @classmethod
    def create(cls, folder: str | Path, dimension: int, fingerprint: str) -> "VectorIndex":
        """Makes an empty index.

        Args:
            folder: Where; made if it is not there.
            dimension: Numbers a vector.
            fingerprint: Any text that tells the model that makes the vectors from all others.

        Raises:
            InputError: There is an index already, or an argument is out of range.
        """
        folder = Path(folder)
        if not isinstance(dimension, int) or dimension < 1:
            raise InputError(f"dimension: {dimension!r} is no whole number from 1 on")
        if not isinstance(fingerprint, str) or not fingerprint:
            raise InputError("fingerprint: expected a text that names the model, not empty")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot hold an index ({error.strerror})") from None
        with only_one(folder / LOCK):
            if (folder / POINTER).exists():
                raise InputError(f"{folder} holds an index already; open it, or give another")
            write_version(folder, Version(dimension, fingerprint))
        return cls(folder, fingerprint)

    @property
    def dimension(self) -> int:
        """Numbers a vector."""
        return self._version.dimension

    @property
    def fingerprint(self) -> str:
        """Of the model that makes the vectors."""
        return self._version.fingerprint

    def add(
        self,
        ids: Sequence[str],
        vectors: np.ndarray,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Adds new items; all of them or, after an error, none.

        Args:
            ids: A string for each.
            vectors: (N, dimension), of any length but zero.
            metadata: A dictionary of JSON values for each; None is no value.

        Raises:
            InputError: Nothing to add, an id that is taken or given twice, a vector that is not
                of this index' dimension or holds NaN or zeros alone, metadata that is no JSON.
        """
        ids = check_ids(ids)
        if not ids:
            raise InputError("nothing to add: the catalogue is empty; give at least one item")
        units = self._units(vectors, len(ids))
        columns = _by_column(check_metadata(metadata, len(ids)))
        with self._writing():
            for _, rows in self._find(ids):
                taken = np.flatnonzero(rows >= 0)
                if len(taken):
                    raise InputError(
                        f"{self.folder} holds {ids[taken[0]]!r} already"
                        + (f" and {len(taken) - 1} more of these ids" if len(taken) > 1 else "")
                        + "; update it instead"
                    )
            self._commit({}, Rows(ids, units, np.arange(len(ids)), columns))

    def update(
        self,
        ids: Sequence[str],
        vectors: np.ndarray | None = None,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Replaces the vectors of items and sets the metadata keys given; all or none.

        Args:
            ids: Of items that are there.
            vectors: (N, dimension); None leaves them as they are.
            metadata: What to set for each; None as a value removes it, other keys stay.

        Raises:
            InputError: An id that is not there, or what :meth:`add` refuses.
        """
        ids = check_ids(ids)
        units = None if vectors is None else self._units(vectors, len(ids))
        changes = check_metadata(metadata, len(ids))
        with self._writing():
            places = self._places(ids)
            if units is None:
                units = np.stack([s.vectors[row] for s, row in places]) if ids else None
            merged = [
                segment.metadata(row) | change
                for (segment, row), change in zip(places, changes, strict=True)
            ]
            if ids:
                new = Rows(ids, units, np.arange(len(ids)), _by_column(merged))
                self._commit(_struck(places), new)

    def delete(self, ids: Sequence[str]) -> None:
        """Removes items; all or none.

        Args:
            ids: Of items that are there.

        Raises:
            InputError: An id that is not there.
        """
        ids = check_ids(ids)
        with self._writing():
            places = self._places(ids)
            if ids:
                self._commit(_struck(places), None)

    def search(
        self,
        query: np.ndarray,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
        collapse: float | None = None,
    ) -> list[Hit]:
        """The k items nearest to a vector.

        Args:
            query: (dimension,), of any length but zero.
            k: How many; fewer come only where fewer satisfy ``where``.
            where: ``{"gender": "women", "size": ["S", "M"], "price": {"<": 30}}``: see
                :func:`tl_keras.retrieval.filters.conditions`.
            exclude: Ids to leave out, whether they are there or not.
            collapse: Leave out an item whose cosine with a better one in the results is at least
                this, 0..1; it is named in that one's ``duplicates``.

        Returns:
            The hits, best first.

        Raises:
            InputError: An argument is out of range, or a column in ``where`` that no item has.
        """
        units = self._units(np.asarray(query)[None], 1, what="query")
        return self._search(units[0], k, where, exclude, collapse, None)

    def similar(
        self,
        item: str,
        k: int = 10,
        *,
        where: Mapping[str, Any] | None = None,
        exclude: Sequence[str] = (),
        collapse: float | None = None,
    ) -> list[Hit]:
        """The k items nearest to a stored one, itself left out.

        With ``collapse``, so are those that all but repeat the item itself.

        Args:
            item: Its id.
            k: How many.
            where: As in :meth:`search`.
            exclude: More ids to leave out.
            collapse: As in :meth:`search`.

        Raises:
            InputError: As in :meth:`search`, or there is no such item.
        """
        query = self.vectors([item])[0]
        return self._search(query, k, where, [item, *exclude], collapse, query)

    def count(self, where: Mapping[str, Any] | None = None) -> int:
        """How many items there are, of all or of those that satisfy ``where``."""
        segments, wanted = self._refresh(), conditions(where)
        check_columns(segments, wanted)
        allowed = (segment.allowed(wanted) for segment in segments) if wanted else ()
        return sum(one.count for one in allowed) if wanted else sum(s.live for s in segments)

    def ids(self) -> list[str]:
        """All ids, in no particular order."""
        return [one for segment in self._refresh() for one in segment.live_ids()]

    def vectors(self, ids: Sequence[str]) -> np.ndarray:
        """The unit vectors of items, float32 (N, dimension).

        Raises:
            InputError: An id that is not there.
        """
        self._refresh()
        places = self._places(check_ids(ids))
        found = [segment.vectors[row] for segment, row in places]
        return np.stack(found) if found else np.zeros((0, self.dimension), np.float32)

    def metadata(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The metadata of items, a dictionary each; a column without a value is left out.

        Raises:
            InputError: An id that is not there.
        """
        self._refresh()
        return [segment.metadata(row) for segment, row in self._places(check_ids(ids))]

    def _search(
        self,
        query: np.ndarray,
        k: int,
        where: Mapping[str, Any] | None,
        exclude: Sequence[str],
        collapse: float | None,
        seen: np.ndarray | None,
    ) -> list[Hit]:
        left_out = check_search(k, exclude, collapse)
        segments, wanted = self._refresh(), conditions(where)
        check_columns(segments, wanted)
        nearest = _Nearest(segments, query, wanted)
        return ranked_hits(nearest, k, left_out, collapse, seen)

    def _units(self, vectors: Any, count: int, what: str = "vectors") -> np.ndarray:
        if not self._trusted:
            raise InputError(
                f"{self.folder} was opened without the fingerprint of a model; give it, so that "
                "vectors of another model are not taken for its own"
            )
        units = unit_vectors(vectors, self.dimension, what=what)
        if len(units) != count:
            raise InputError(f"{len(units)} {what} for {count} ids; give one for each")
        return units

    def _refresh(self) -> tuple[Segment, ...]:
        """The segments of the newest version."""
        tried = None
        while True:
            try:
                status = (self.folder / POINTER).stat()
            except OSError:
                raise InputError(f"{self.folder}: the index is gone") from None
            state = (status.st_ino, status.st_mtime_ns, status.st_size)
            if state == self._state:
                return self._segments
            version = read_version(self.folder)
            known = {segment.name: segment for segment in self._segments}
            try:
                segments = tuple(
                    self._opened(part, known.get(part.name)) for part in version.segments
                )
            except FileNotFoundError as error:
                # A writer has removed what this version held, so there is a newer one.
                if version == tried:
                    raise InputError(
                        f"{self.folder} is damaged: {error.filename} is missing; index the "
                        "catalogue again into another folder"
                    ) from None
                tried = version
                continue
            self._version, self._segments, self._state = version, segments, state
            return segments

    def _opened(self, part: Part, known: Segment | None) -> Segment:
        if known is not None and known.deleted_file == part.deleted:
            return known
        return Segment(self.folder, part.name, part.deleted, same=known)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Within, this process alone writes, and knows the newest version."""
        try:
            with only_one(self.folder / LOCK):
                self._refresh()
                yield
        except OSError as error:
            raise InputError(
                f"{self.folder} cannot be written ({error.strerror}); it is as it was"
            ) from None

    def _find(self, ids: list[str]) -> Iterator[tuple[Segment, np.ndarray]]:
        hashes = hash_texts(ids)
        for segment in self._segments:
            yield segment, segment.rows_of(ids, hashes)

    def _places(self, ids: list[str]) -> list[tuple[Segment, int]]:
        """Where each item is."""
        places: list[Any] = [None] * len(ids)
        for segment, rows in self._find(ids):
            for position in np.flatnonzero(rows >= 0).tolist():
                places[position] = (segment, int(rows[position]))
        missing = [one for one, place in zip(ids, places, strict=True) if place is None]
        if missing:
            more = f" nor {len(missing) - 1} more of these ids" if len(missing) > 1 else ""
            raise InputError(f"{self.folder} holds no {missing[0]!r}{more}; add it first")
        return places

    def _commit(self, struck: dict[str, np.ndarray], new: Rows | None) -> None:
        commit(self.folder, self._version, self._segments, struck, new)
        self._refresh()


class _Nearest:
    """The rows of all segments nearest to a query; a key is a segment and a row."""

    def __init__(
        self, segments: Sequence[Segment], query: np.ndarray, wanted: tuple[Condition, ...]
    ):
        self._segments, self._query, self._wanted = segments, query, wanted

    def first(self, count: int) -> list[tuple[float, tuple[Segment, int]]]:
        found: list[tuple[float, tuple[Segment, int]]] = []
        for segment in self._segments:
            rows, scores = segment.search(self._query, count, self._wanted)
            for score, row in zip(scores.tolist(), rows.tolist(), strict=True):
                found.append((score, (segment, row)))
        if len(self._segments) > 1:
            found.sort(key=lambda one: -one[0])
        return found[:count]

    def id(self, key: tuple[Segment, int]) -> str:
        return key[0].id(key[1])

    def vector(self, key: tuple[Segment, int]) -> np.ndarray:
        return key[0].vectors[key[1]]

    def metadata(self, key: tuple[Segment, int]) -> dict[str, Any]:
        return key[0].metadata(key[1])


def _by_column(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """From a dictionary an item to a list a column, None for no value."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _struck(places: list[tuple[Segment, int]]) -> dict[str, np.ndarray]:
    """The rows to strike, by segment."""
    struck: dict[str, list[int]] = {}
    for segment, row in places:
        struck.setdefault(segment.name, []).append(row)
    return {name: np.array(rows) for name, rows in struck.items()}
