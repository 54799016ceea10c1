"""From pairs to groups."""

import numpy as np


def connected(count: int, pairs: np.ndarray) -> np.ndarray:
    """Numbers the groups that pairs link together.

    Args:
        count: N, how many there are.
        pairs: int (P, 2), positions.

    Returns:
        int64 (N,): the smallest position in the group of each.

    Example:
        >>> connected(4, np.array([[0, 2], [2, 3]])).tolist()
        [0, 1, 0, 0]
    """
    parent = list(range(count))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    for first, second in np.asarray(pairs).tolist():
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return np.array([root(position) for position in range(count)], np.int64)


def members(groups: np.ndarray) -> list[np.ndarray]:
    """The positions of each group that has more than one.

    Args:
        groups: (N,), a number for each.

    Example:
        >>> [group.tolist() for group in members(np.array([0, 1, 0]))]
        [[0, 2]]
    """
    order = np.argsort(groups, kind="stable")
    cuts = np.flatnonzero(np.diff(np.asarray(groups)[order])) + 1
    return [group for group in np.split(order, cuts) if len(group) > 1]
