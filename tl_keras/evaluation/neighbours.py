"""Exact nearest neighbours by matrix products, in plain numpy."""

import numpy as np

_BLOCK = 1 << 24  # scores held at once: 64 MiB


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
