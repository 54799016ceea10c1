"""How far apart two samples of features lie."""

from typing import Any

import numpy as np

from tl_keras.evaluation.drift.told_apart import PERMUTATIONS, permutation_p


def feature_distance(old: np.ndarray, new: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Maximum mean discrepancy with a Gaussian kernel as wide as the median distance.

    Gretton et al., A Kernel Two-Sample Test, JMLR 2012, with the p value of 999 permutations.  The
    Frechet distance, which is known from generated images, needs more images than features have
    dimensions, and is not given.

    Args:
        old: Features (N, D).
        new: Features (M, D).
        seed: Of the permutations.

    Returns:
        ``mmd2`` (unbiased; 0 for one source, at most 2), ``chance``: the 95 % point of it under
        permutations; ``p``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = feature_distance(rng.normal(0, 1, (40, 5)), rng.normal(1, 1, (30, 5)))
        >>> found["mmd2"] > found["chance"], found["p"]
        (True, 0.001)
    """
    rng = np.random.default_rng(seed)
    rows = np.concatenate([old, new]).astype(np.float64)
    rows -= rows.mean(axis=0)
    squares = (rows**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * rows @ rows.T, 0)
    upper = distances[np.triu_indices(len(rows), 1)]
    middle = float(np.median(upper)) or 1.0
    kernel = np.exp(-distances / middle)
    np.fill_diagonal(kernel, 0)
    marks = np.repeat([False, True], (len(old), len(new)))
    drawn = np.stack([marks, *(rng.permutation(marks) for _ in range(PERMUTATIONS))], axis=1)
    ones = drawn.astype(np.float64)
    n, m = len(old), len(new)
    towards = kernel @ ones
    within_new = (ones * towards).sum(axis=0)
    across = towards.sum(axis=0) - within_new
    within_old = kernel.sum() - within_new - 2 * across
    found = within_old / (n * (n - 1)) + within_new / (m * (m - 1)) - 2 * across / (n * m)
    return {
        "mmd2": float(found[0]),
        "chance": float(np.quantile(found[1:], 0.95)),
        "p": permutation_p(found[0], found[1:]),
    }
