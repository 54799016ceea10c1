"""A head on features, and what it says of each picture when it has not seen that picture."""

import numpy as np

from tl_keras.data.checking.grouping import members

_LANDMARKS = 1024
_WIDTH = 0.5  # of the kernel, in units of the median squared distance
_PENALTIES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1)


def held_out_predictions(
    features: np.ndarray, labels: np.ndarray, classes: int, groups: np.ndarray
) -> np.ndarray:
    """Each picture's class as a head sees it that was trained on all pictures of other groups.

    The head is a ridge regression onto one-hot targets, linear in features that are lifted by a
    Gaussian kernel on 1,024 landmarks (Williams & Seeger, Using the Nyström Method to Speed Up
    Kernel Machines, 2001).  Leaving one group out has a closed form (Rifkin & Lippert, Notes on
    Regularized Least Squares, 2007), so there are as many folds as groups at the cost of one fit,
    and no seed.  The penalty with the least held-out error is taken.  (Measured against logistic
    regression, nearest neighbours and their mixtures, see ``benchmarks/label_errors.py``.)

    Args:
        features: (N, D) of a network.
        labels: int (N,), 0 to ``classes`` - 1.
        classes: K, two or more.
        groups: int (N,); near copies bear the same number, or they would confirm each other.

    Returns:
        float (N, K): probabilities, each row adds up to 1.

    Example:
        >>> features = np.array([[0.0, 1], [0.1, 1], [1, 0], [1, 0.1]])
        >>> found = held_out_predictions(features, np.array([0, 0, 1, 1]), 2, np.arange(4))
        >>> found.argmax(axis=1).tolist()
        [0, 0, 1, 1]
    """
    lifted = _lifted(features)
    count = len(labels)
    wanted = np.eye(classes)[labels]
    shares = wanted.mean(axis=0)
    centred = lifted - lifted.mean(axis=0)
    strengths, axes = np.linalg.eigh(centred.T @ centred / count)
    along = centred @ axes
    towards = along.T @ (wanted - shares)
    several = members(groups)
    best, least = np.tile(shares, (count, 1)), np.inf
    for penalty in _PENALTIES:
        weights = 1 / (np.maximum(strengths, 0) + penalty) / count
        fitted = (along * weights) @ towards + shares
        own = (along**2) @ weights + 1 / count
        held_out = (fitted - own[:, None] * wanted) / (1 - own[:, None])
        for rows in several:
            hat = (along[rows] * weights) @ along[rows].T + 1 / count
            left = fitted[rows] - hat @ wanted[rows]
            held_out[rows] = np.linalg.lstsq(np.eye(len(rows)) - hat, left, rcond=None)[0]
        error = ((held_out - wanted) ** 2).mean()
        if error < least:
            best, least = held_out, error
    probabilities = np.clip(best, 1e-3, 1)
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def _lifted(features: np.ndarray) -> np.ndarray:
    """Gaussian kernel features (N, at most 1024), of the directions of the centred features."""
    values = np.asarray(features, np.float64)
    values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    values = values - values.mean(axis=0)
    landmarks = values
    if len(values) > _LANDMARKS:
        landmarks = values[np.random.default_rng(0).permutation(len(values))[:_LANDMARKS]]
    apart = _squared(landmarks, landmarks)
    usual = np.median(apart[~np.eye(len(landmarks), dtype=bool)]) * _WIDTH
    if usual <= 0:  # nothing but copies of one picture
        return np.zeros((len(values), 1))
    strengths, axes = np.linalg.eigh(np.exp(-apart / usual))
    sound = strengths > 1e-6 * strengths[-1]
    whitened = axes[:, sound] / np.sqrt(strengths[sound])
    return np.exp(-_squared(values, landmarks) / usual) @ whitened


def _squared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    lengths = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.maximum(lengths - 2 * first @ second.T, 0)
