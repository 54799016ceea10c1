"""Exact nearest neighbours by matrix products, in plain numpy."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError

_BLOCK = 1 << 24  # scores held at once: 64 MiB
_QUERIES_AT_ONCE = 256


def best(scores: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k highest scores, best first.

    Args:
        scores: Numbers, (N,).
        k: How many; all where there are fewer.

    Example:
        >>> best(np.array([0.1, 0.9, 0.5]), 2).tolist()
        [1, 2]
    """
    if k < len(scores):
        chosen = np.argpartition(scores, -k)[-k:]
    else:
        chosen = np.arange(len(scores))
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def exact_neighbours(
    vectors: np.ndarray, queries: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows with the highest inner product with each query (on unit vectors: the cosine).

    Args:
        vectors: float32 (N, D), N at least k; may be memory-mapped.
        queries: float32 (Q, D).
        k: How many.

    Returns:
        Rows, int64 (Q, k), best first, and their scores, float32 (Q, k).

    Example:
        >>> rows, scores = exact_neighbours(np.eye(3, dtype="float32"), np.eye(3)[:1], 1)
        >>> rows.tolist(), scores.tolist()
        ([[0]], [[1.0]])
    """
    queries = np.asarray(queries, np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    scores = np.zeros((len(queries), 0), np.float32)
    step = max(k, _BLOCK // max(len(queries), 1))
    for start in range(0, len(vectors), step):
        block = queries @ vectors[start : start + step].T
        scores = np.concatenate([scores, block], axis=1)
        rows = np.concatenate(
            [rows, np.broadcast_to(np.arange(start, start + block.shape[1]), block.shape)], axis=1
        )
        if scores.shape[1] > k:
            kept = np.argpartition(scores, -k, axis=1)[:, -k:]
            scores = np.take_along_axis(scores, kept, axis=1)
            rows = np.take_along_axis(rows, kept, axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


def results_of(
    vectors: np.ndarray, queries: np.ndarray, k: int, own: np.ndarray | None = None
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """What many queries find, some queries at a time, so that it fits into memory.

    Args:
        vectors: float32 (N, D).
        queries: float32 (Q, D).
        k: Results a query, at most N, and N - 1 with ``own``.
        own: The row of ``vectors`` that each query is itself, int (Q,), to be left out.

    Yields:
        Which queries, their rows int64 (B, k), best first, and the scores, float32 (B, k).

    Example:
        >>> some = np.eye(2, dtype="float32")
        >>> [rows.tolist() for _, rows, _ in results_of(some, some, 1, np.arange(2))]
        [[[1], [0]]]
    """
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        some = slice(start, start + _QUERIES_AT_ONCE)
        rows, scores = exact_neighbours(vectors, queries[some], k + (own is not None))
        if own is not None:
            itself = rows == own[some][:, None]
            # Where equal vectors came first, the last result goes in its stead.
            itself[~itself.any(axis=1), -1] = True
            rows, scores = (one[~itself].reshape(len(rows), k) for one in (rows, scores))
        yield some, rows, scores


def asked_of(
    vectors: Any, labels: Sequence[Any], queries: Any, query_labels: Sequence[Any] | None
) -> tuple[np.ndarray, np.ndarray, Sequence[Any]]:
    """Who searches among labelled vectors: queries of their own, or the vectors themselves.

    Args:
        vectors: Of the catalogue, (N, D).
        labels: The label of each.
        queries: (Q, D); None: every item of the catalogue.
        query_labels: The label of each query, where there are queries.

    Returns:
        The vectors, float32 (N, D); those that search, float32; and the labels of these.

    Raises:
        InputError: There is not a label for each.

    Example:
        >>> asked_of(np.eye(2), ["a", "b"], None, None)[2]
        ['a', 'b']
    """
    vectors = np.asarray(vectors, np.float32)
    asked = vectors if queries is None else np.asarray(queries, np.float32)
    asked_labels = labels if queries is None else query_labels
    if len(vectors) != len(labels) or asked_labels is None or len(asked) != len(asked_labels):
        raise InputError(
            f"{len(vectors)} vectors with {len(labels)} labels, {len(asked)} queries with "
            f"{0 if asked_labels is None else len(asked_labels)}; give a label for each"
        )
    return vectors, asked, asked_labels
