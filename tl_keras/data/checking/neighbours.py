"""The nearest neighbours of every row, exactly, in blocks that fit the memory."""

import numpy as np

_BLOCK = 1024


def unit_rows(values: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32; zero rows stay zero.

    Args:
        values: (N, D).

    Example:
        >>> unit_rows(np.array([[3.0, 4.0]])).tolist()
        [[0.6000000238418579, 0.800000011920929]]
    """
    values = np.asarray(values, np.float32)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def nearest(
    values: np.ndarray, count: int, references: int = 20_000
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other rows by Euclidean distance.

    Time grows with N × the smaller of N and ``references``: beyond that many rows, neighbours are
    looked for among so many of them, drawn once.

    Args:
        values: (N, D).
        count: how many neighbours, at most N - 1.
        references: among how many rows they are looked for.

    Returns:
        Positions int64 and distances float32, both (N, count), the nearest first.

    Example:
        >>> positions, distances = nearest(np.array([[0.0], [1.0], [5.0]]), 1)
        >>> positions.ravel().tolist(), distances.ravel().tolist()
        ([1, 0, 1], [1.0, 1.0, 4.0])
    """
    values = np.asarray(values, np.float32)
    total = len(values)
    among = np.arange(total)
    if total > references:
        among = np.sort(np.random.default_rng(0).permutation(total)[:references])
    count = min(count, len(among) - 1)
    if count < 1:
        return np.zeros((total, 0), np.int64), np.zeros((total, 0), np.float32)
    others = values[among]
    squares = (others**2).sum(axis=1)
    positions = np.zeros((total, count), np.int64)
    distances = np.zeros((total, count), np.float32)
    for start in range(0, total, _BLOCK):
        block = values[start : start + _BLOCK]
        rows = np.arange(start, start + len(block))
        squared = squares - 2 * (block @ others.T) + (block**2).sum(axis=1, keepdims=True)
        squared[rows[:, None] == among] = np.inf
        near = np.argpartition(squared, count - 1, axis=1)[:, :count]
        # Differences, not products, so that copies are at distance 0 and not at a rounding error.
        exact = np.stack([((block - others[k]) ** 2).sum(axis=1) for k in near.T], axis=1)
        order = np.argsort(exact, axis=1, kind="stable")
        positions[rows] = among[np.take_along_axis(near, order, axis=1)]
        distances[rows] = np.sqrt(np.take_along_axis(exact, order, axis=1))
    return positions, distances
