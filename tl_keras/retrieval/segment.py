"""A part of an index: files written once and never changed, mapped by all who read them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.neighbours import best
from tl_keras.retrieval.array_files import Ids, open_array, save_array, sync_folder
from tl_keras.retrieval.cells import Allowed, Cells
from tl_keras.retrieval.columns import open_columns, write_columns
from tl_keras.retrieval.filters import Condition

EXACT_UP_TO = 10_000
"""Vectors that one segment holds without cells.  Comparing the query with all of them takes as
long as a search in cells of 100,000 (benchmarks/vector_search.py, ``--crossover``)."""
_STEP = 1 << 15  # rows copied at once
_FILTERS_KEPT = 8


@dataclass(frozen=True)
class Rows:
    """Items to be written: the live rows of older segments, or new ones.

    Attributes:
        ids: Their ids.
        vectors: float32 (N, D) unit vectors, memory-mapped or not.
        rows: Which of ``vectors`` they are, int64 (N,).
        columns: From names to a value for each, None for no value.
    """

    ids: list[str]
    vectors: np.ndarray
    rows: np.ndarray
    columns: Mapping[str, Sequence[Any]]


def write_segment(folder: Path, parts: Sequence[Rows], trained: Cells | None) -> None:
    """Writes a segment; when this returns, all of it is on the disk.

    Args:
        folder: Does not exist.
        parts: What it is to hold, one after the other.
        trained: Cells whose centres it may use.

    Example:
        >>> write_segment(Path("segment-1"), [rows], None)  # doctest: +SKIP
    """
    folder.mkdir()
    count = sum(len(part.ids) for part in parts)
    dimension = parts[0].vectors.shape[1]
    file = folder / "vectors.npy"
    vectors = np.lib.format.open_memmap(file, "w+", np.float32, (count, dimension))
    at = 0
    for part in parts:
        for start in range(0, len(part.rows), _STEP):
            rows = part.rows[start : start + _STEP]
            vectors[at : at + len(rows)] = part.vectors[rows]
            at += len(rows)
    vectors.flush()
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
    Ids.write(folder, [one for part in parts for one in part.ids])
    names = dict.fromkeys(name for part in parts for name in part.columns)
    joined = {
        name: [v for part in parts for v in part.columns.get(name, [None] * len(part.ids))]
        for name in names
    }
    used = {n: values for n, values in joined.items() if any(v is not None for v in values)}
    write_columns(folder, used)
    if count > EXACT_UP_TO:
        cells = Cells.build(np.asarray(vectors), trained)
        cells.write(folder / "cells.faiss")
        (folder / "cells.json").write_text(json.dumps(cells.settings), encoding="utf-8")
        for name in ("cells.faiss", "cells.json"):
            with (folder / name).open("rb+") as stream:
                os.fsync(stream.fileno())
    sync_folder(folder)


class Segment:
    """A segment and which of its rows are deleted, both as of one version of the index.

    Attributes:
        name: Of its folder.
        live: How many rows are not deleted.
        vectors: float32 (N, D), memory-mapped.
        cells: Of the vectors, None in a small segment.
        columns: Metadata by name.

    Example:
        >>> Segment(Path("index"), "segment-1", None).live  # doctest: +SKIP
        20
    """

    def __init__(self, folder: Path, name: str, deleted: str | None, same: "Segment | None" = None):
        self.name, self.deleted_file = name, deleted
        home = folder / name
        if same is None:
            self.vectors = open_array(home / "vectors.npy")
            self._ids = Ids(home)
            self.columns = open_columns(home)
            self.cells = None
            if (home / "cells.json").exists():
                settings = json.loads((home / "cells.json").read_text(encoding="utf-8"))
                self.cells = Cells.open(home / "cells.faiss", settings)
        else:
            self.vectors, self._ids, self.columns = same.vectors, same._ids, same.columns
            self.cells = same.cells
        self.deleted = None if deleted is None else open_array(home / deleted)
        dead = 0 if self.deleted is None else int(np.count_nonzero(self.deleted))
        self.live = len(self.vectors) - dead
        self._everything = None if self.deleted is None else Allowed(~self.deleted)
        self._filters: dict[tuple[Condition, ...], Allowed] = {}

    def __len__(self) -> int:
        return len(self.vectors)

    def id(self, row: int) -> str:
        """The id of a row."""
        return self._ids.texts[row]

    def rows_of(self, ids: Sequence[str], hashes: np.ndarray) -> np.ndarray:
        """The live row of each id, int64, -1 where there is none."""
        rows = self._ids.rows(ids, hashes)
        if self.deleted is not None:
            rows[(rows >= 0) & self.deleted[rows]] = -1
        return rows

    def metadata(self, row: int) -> dict[str, Any]:
        """The metadata of a row."""
        values = ((name, column[row]) for name, column in self.columns.items())
        return {name: value for name, value in values if value is not None}

    def live_ids(self) -> list[str]:
        """The ids of the live rows."""
        ids = self._ids.texts.all()
        if self.deleted is None:
            return ids
        return [one for one, dead in zip(ids, self.deleted.tolist(), strict=True) if not dead]

    def rows(self, deleted: np.ndarray | None) -> Rows:
        """What is left to write anew when the rows of a mask are deleted."""
        kept = np.arange(len(self)) if deleted is None else np.flatnonzero(~deleted)
        ids, listed = self._ids.texts.all(), kept.tolist()
        columns = {}
        for name, column in self.columns.items():
            values = column.all()
            columns[name] = [values[row] for row in listed]
        return Rows([ids[row] for row in listed], self.vectors, kept, columns)

    def allowed(self, conditions: tuple[Condition, ...]) -> Allowed | None:
        """The live rows that satisfy all conditions; None stands for every row."""
        if not conditions:
            return self._everything
        if conditions not in self._filters:
            mask = np.ones(len(self), bool) if self.deleted is None else ~self.deleted
            for condition in conditions:
                column = self.columns.get(condition.name)
                mask &= False if column is None else column.mask(condition)
            while len(self._filters) >= _FILTERS_KEPT:
                self._filters.pop(next(iter(self._filters)), None)
            self._filters[conditions] = Allowed(mask)
        return self._filters[conditions]

    def search(
        self, query: np.ndarray, k: int, conditions: tuple[Condition, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest live rows that satisfy all conditions.

        Args:
            query: float32 unit vector, (D,).
            k: How many.
            conditions: See :mod:`tl_keras.retrieval.filters`.

        Returns:
            Rows, int64, best first, and their cosines, float32.
        """
        allowed = self.allowed(conditions)
        if self.cells is not None:
            return self.cells.search(self.vectors, query, k, allowed)
        scores = self.vectors @ query
        if allowed is not None:
            rows = np.flatnonzero(allowed.mask)
            chosen = best(scores[rows], k)
            return rows[chosen], scores[rows[chosen]]
        chosen = best(scores, k)
        return chosen, scores[chosen]


def write_deleted(folder: Path, name: str, version: int, deleted: np.ndarray) -> str:
    """Writes which rows of a segment are deleted; returns the name of the file.

    Example:
        >>> write_deleted(Path("index"), "segment-1", 7, mask)  # doctest: +SKIP
        'deleted-7.npy'
    """
    file = f"deleted-{version}.npy"
    save_array(folder / name / file, deleted)
    sync_folder(folder / name)
    return file


def check_columns(segments: Sequence[Segment], conditions: tuple[Condition, ...]) -> None:
    """Refuses a filter on a column that no item has: a slip of the pen finds nothing, silently.

    Raises:
        InputError: There is none of that name.

    Example:
        >>> check_columns([], ())
    """
    if not conditions or not segments:
        return
    known = sorted({name for segment in segments for name in segment.columns})
    for condition in conditions:
        if condition.name not in known:
            raise InputError(
                f"where {condition.name!r}: no item has such a column; there are: "
                f"{', '.join(known) or 'none at all'}"
            )
