"""How far each image lies from the nearest ones of a reference."""

import numpy as np

_NEIGHBOURS = 5
_BLOCK = 1024


def neighbour_distances(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the fifth nearest row of the reference, of unit vectors of the features.

    Sun et al., Out-of-Distribution Detection with Deep Nearest Neighbors, 2022 (arXiv:2204.06507).

    Args:
        old: Features of the reference (N, D), six or more.
        new: Of new images (M, D).

    Returns:
        Of the reference's own rows among the others, float64 (N,), and of the new rows (M,), 0..2.

    Example:
        >>> own, others = neighbour_distances(np.eye(8)[[0] * 6], np.eye(8)[[0, 1]])
        >>> own.max(), others.round(3).tolist()
        (np.float64(0.0), [0.0, 1.414])
    """
    unit_old, unit_new = (_unit(rows) for rows in (old, new))
    return _nearest(unit_old, unit_old, _NEIGHBOURS + 1), _nearest(unit_new, unit_old, _NEIGHBOURS)


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _nearest(rows: np.ndarray, among: np.ndarray, place: int) -> np.ndarray:
    found = [
        np.partition(block @ among.T, -place, axis=1)[:, -place]
        for block in np.array_split(rows, max(1, len(rows) // _BLOCK))
    ]
    return np.sqrt(np.maximum(2 - 2 * np.concatenate(found), 0))
