"""Approximate search: cells of k-means, one bit a dimension, and the exact cosine for the best.

An inverted file whose lists hold RaBitQ codes (Gao and Long, "RaBitQ: quantizing high-dimensional
vectors with a theoretical error bound", SIGMOD 2024, https://doi.org/10.1145/3654970), both by
faiss.  A query visits the nearest cells, and the best by code are ranked by their vectors
themselves.  How many cells and candidates that takes is measured on vectors held out while the
cells are filled, so the recall does not hang on what the vectors look like.

Measured against faiss' IVF-Flat, IVF-SQ8 and HNSW, hnswlib, usearch and ScaNN
(``benchmarks/vector_search.py --others``): about as quick as they are at a recall of 0.98 to 0.99
and no dearer to build than the graphs, with codes a sixteenth of the vectors, and untroubled by
what spoils graphs: filters, deletions, and thousands of equal vectors.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.neighbours import best, exact_neighbours

TARGET_RECALL = 0.99
"""Recall of the 10 and of the 100 nearest that cells and candidates are chosen for."""
_HELD_OUT = 256
_ROUNDS = 10  # of k-means; more are paid for by every build and found by no search
_STEP = 1 << 15  # vectors added at once
_PROBES = (2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_MOST = 0.8  # share of allowed vectors from which every cell holds about its share of them
_FILTERED = 2
_CANDIDATES = {10: (30, 50, 75, 100, 150, 250, 400), 100: (150, 250, 400, 700, 1200)}
# Microseconds, measured: reading a code, ranking a candidate, reading a float of a vector.
_PER_CODE, _PER_CANDIDATE, _PER_FLOAT = 0.013, 0.36, 0.0003


def import_faiss() -> Any:
    """The faiss module.

    Raises:
        InputError: It is not installed.

    Example:
        >>> import_faiss().__name__
        'faiss'
    """
    try:
        import faiss
    except ImportError:
        raise InputError(
            "an index of this size needs faiss; install it with: pip install 'tl-keras[search]'"
        ) from None
    return faiss


class Cells:
    """The cells of one set of unit vectors.

    Attributes:
        settings: From "10" and "100" (results asked for) to ``{"probes", "candidates"}``, or to
            None where the target is out of reach and search goes through all vectors.

    Example:
        >>> vectors = np.random.default_rng(0).normal(size=(500, 8)).astype("float32")
        >>> vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        >>> cells = Cells.build(vectors)
        >>> cells.search(vectors, vectors[3], 1)[0].tolist()
        [3]
    """

    def __init__(self, index: Any, settings: dict[str, dict[str, int] | None]):
        self._index = index
        self.settings = settings
        self._cell_of_row: np.ndarray | None = None

    @classmethod
    def build(cls, vectors: np.ndarray, trained: "Cells | None" = None) -> "Cells":
        """Makes cells and measures how many of them a search must visit.

        Args:
            vectors: float32 unit vectors, (N, D); may be memory-mapped.
            trained: Cells of similar vectors, whose centres are taken over.
        """
        faiss = import_faiss()
        count, dimension = vectors.shape
        rng = np.random.default_rng(0)
        lists = max(1, round(2 * math.sqrt(count))) if trained is None else trained.lists
        # Among unit vectors the nearest is the one of the highest cosine; cells come out more even.
        centres = faiss.IndexFlatL2(dimension)
        if trained is not None:
            centres.add(trained._index.quantizer.reconstruct_n(0, lists))
        index = faiss.IndexIVFRaBitQ(centres, dimension, lists, faiss.METRIC_L2)
        index.cp.max_points_per_centroid = 64
        index.cp.min_points_per_centroid = 1
        index.cp.niter = _ROUNDS
        sample = np.sort(rng.choice(count, min(count, 64 * lists), replace=False))
        index.train(np.ascontiguousarray(vectors[sample]))  # leaves centres that are there
        held = np.sort(rng.choice(count, min(_HELD_OUT, count // 20), replace=False))
        out = np.zeros(count, bool)
        out[held] = True
        for start in range(0, count, _STEP):
            rows = start + np.flatnonzero(~out[start : start + _STEP])
            index.add_with_ids(np.ascontiguousarray(vectors[rows]), rows)
        cells = cls(index, {})
        cells.settings = {str(k): cells._measure(vectors, held, k) for k in _CANDIDATES}
        index.add_with_ids(np.ascontiguousarray(vectors[held]), held)
        return cells

    @property
    def lists(self) -> int:
        """How many cells there are."""
        return self._index.nlist

    def _measure(self, vectors: np.ndarray, held: np.ndarray, k: int) -> dict[str, int] | None:
        """The cheapest cells and candidates that find the k nearest of the held-out vectors."""
        faiss, index = import_faiss(), self._index
        if index.ntotal < 10 * k or not len(held):
            return None
        queries = np.ascontiguousarray(vectors[held[: 10 * _HELD_OUT // k]])
        rows, scores = exact_neighbours(vectors, queries, k + len(held))
        scores = np.where(np.isin(rows, held), -np.inf, scores)  # they are not in the cells
        needed = -np.sort(-scores, axis=1)[:, k - 1] - 1e-6
        options = []
        for probes in (one for one in _PROBES if one <= self.lists):
            if options and self._cost(probes, min(_CANDIDATES[k])) >= min(options)[0]:
                break
            asked = faiss.SearchParametersIVF(nprobe=probes)
            _, found = index.search(queries, max(_CANDIDATES[k]), params=asked)
            reached = np.stack(
                [vectors[row] @ query for row, query in zip(found, queries, strict=True)]
            )
            good = (reached >= needed[:, None]) & (found >= 0)
            for candidates in _CANDIDATES[k]:
                recall = np.minimum(good[:, :candidates].sum(axis=1), k).mean() / k
                if recall >= TARGET_RECALL:
                    options.append((self._cost(probes, candidates), probes, candidates))
        if not options:
            return None
        _, probes, candidates = min(options)
        return {"probes": probes, "candidates": candidates}

    def _cost(self, probes: float, candidates: int) -> float:
        """Of a search, in microseconds."""
        codes = probes / self.lists * self._index.ntotal
        centres = self.lists * self._index.d * _PER_FLOAT / 4  # in the cache
        return centres + codes * _PER_CODE + candidates * _PER_CANDIDATE

    def search(
        self, vectors: np.ndarray, query: np.ndarray, k: int, allowed: "Allowed | None" = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The k rows nearest to the query, all but surely; exact where that is no dearer.

        Args:
            vectors: What the cells were built of.
            query: float32 unit vector, (D,).
            k: How many; fewer come only where fewer are allowed.
            allowed: The rows that may come, all if None.

        Returns:
            Rows, int64, best first, and their cosines, float32.
        """
        count = len(vectors) if allowed is None else allowed.count
        setting = self.settings["10" if k <= 10 else "100"]
        over = max(1.0, k / 100)
        all_of_them = count * vectors.shape[1] * _PER_FLOAT * (1 if allowed is None else 2)
        if setting is None:
            return _ranked(vectors, query, k, allowed)
        probes, candidates = setting["probes"] * over, math.ceil(setting["candidates"] * over)
        share = count / len(vectors)
        if self._cost(probes / max(share, 1e-9), candidates) >= all_of_them:
            return _ranked(vectors, query, k, allowed)
        faiss, index, one = import_faiss(), self._index, query[None]
        if share < _MOST:
            # As many allowed vectors as the measured number of cells holds of any, and then some:
            # what is left may be none of the query's kind, all about equally far.
            probes, candidates = probes * _FILTERED, candidates * _FILTERED
            in_cells = allowed.in_cells(self.cell_of_row, self.lists)
            order = index.quantizer.search(one, self.lists)[1][0]
            wanted = min(count, len(vectors) * probes / self.lists)
            probes = 1 + int(np.searchsorted(np.cumsum(in_cells[order]), wanted))
        else:
            probes = math.ceil(probes / share)
        probes = min(self.lists, probes)
        selector = None if allowed is None else allowed.selector(faiss)
        asked = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        found = index.search(one, candidates, params=asked)[1][0]
        found = found[found >= 0]
        if len(found) < min(k, count):  # equal centres, or far fewer near than elsewhere
            return _ranked(vectors, query, k, allowed)
        scores = vectors[found] @ query
        chosen = best(scores, k)
        return found[chosen], scores[chosen]

    @property
    def cell_of_row(self) -> np.ndarray:
        """The cell of each row, int32 (N,)."""
        if self._cell_of_row is None:
            faiss, lists = import_faiss(), self._index.invlists
            cells = np.zeros(self._index.ntotal, np.int32)
            for cell in range(self.lists):
                size = lists.list_size(cell)
                if size:
                    cells[faiss.rev_swig_ptr(lists.get_ids(cell), size)] = cell
            self._cell_of_row = cells
        return self._cell_of_row

    def write(self, file: Path) -> None:
        """Writes the cells; the caller sees to it that they reach the disk."""
        import_faiss().write_index(self._index, str(file))

    @classmethod
    def open(cls, file: Path, settings: Mapping[str, Any]) -> "Cells":
        """Opens what :meth:`write` wrote, memory-mapped."""
        faiss = import_faiss()
        file.stat()  # faiss has no error of its own for a file that is gone
        index = faiss.read_index(str(file), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        # Threads that read ahead cost ten times what the search itself does.
        faiss.downcast_InvertedLists(index.invlists).prefetch_nthread = 0
        return cls(index, dict(settings))


class Allowed:
    """The rows that a search may return.

    Attributes:
        mask: bool (N,).
        count: How many.

    Example:
        >>> Allowed(np.array([True, False])).count
        1
    """

    def __init__(self, mask: np.ndarray):
        self.mask = mask
        self.count = int(np.count_nonzero(mask))
        self._selector: Any = None
        self._in_cells: np.ndarray | None = None

    def selector(self, faiss: Any) -> Any:
        """The same for faiss."""
        if self._selector is None:
            self._selector = faiss.IDSelectorBitmap(np.packbits(self.mask, bitorder="little"))
        return self._selector

    def in_cells(self, cell_of_row: np.ndarray, cells: int) -> np.ndarray:
        """How many allowed rows each cell holds, (cells,)."""
        if self._in_cells is None:
            self._in_cells = np.bincount(cell_of_row[self.mask], minlength=cells)
        return self._in_cells


def _ranked(
    vectors: np.ndarray, query: np.ndarray, k: int, allowed: Allowed | None
) -> tuple[np.ndarray, np.ndarray]:
    """The exact answer."""
    if allowed is None:
        scores = vectors @ query
        chosen = best(scores, k)
        return chosen, scores[chosen]
    rows = np.flatnonzero(allowed.mask)
    scores = np.concatenate(
        [
            vectors[rows[start : start + _STEP]] @ query
            for start in range(0, max(len(rows), 1), _STEP)
        ]
    )
    chosen = best(scores, k)
    return rows[chosen], scores[chosen]
