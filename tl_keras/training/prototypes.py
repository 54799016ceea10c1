"""Nearest class mean: one prototype a class, and scores that are linear in features."""

import numpy as np

from tl_keras.training.ridge import LinearFit


def prototypes(features: np.ndarray, labels: np.ndarray, classes: int) -> LinearFit:
    """Cosine of a row with the mean of each class, both seen from the mean of the classes.

    Prototypes as of Snell et al. 2017 (arXiv:1703.05175), by cosine from a common mean as of Wang
    et al. 2019 (arXiv:1911.04623).  A cosine's divisor by the length of the row is the same for
    all classes, so that it is left out, and one mean length divides instead: which class is
    nearest stays as it is, and the scores are linear.

    Args:
        features: (N, D), finite.
        labels: Integers (N,), every class among them.
        classes: How many classes there are.

    Returns:
        The fit.  Rows are left out where their class has another one.

    Example:
        >>> x = np.array([[2.0, 0.0], [2.1, 0.0], [0.0, 1.0], [0.0, 1.2]])
        >>> fit = prototypes(x, np.array([0, 0, 1, 1]), 2)
        >>> fit.scores(x).argmax(axis=1).tolist()
        [0, 0, 1, 1]
    """
    x, labels = np.asarray(features, "float64"), np.asarray(labels)
    counts = np.bincount(labels, minlength=classes)
    sums = np.zeros((classes, x.shape[1]))
    np.add.at(sums, labels, x)
    means = sums / counts[:, None]
    middle, directions = _directions(means)
    scale = 1 / max(np.linalg.norm(x - middle, axis=1).mean(), 1e-12)
    kernel = directions.T * scale
    rows = np.flatnonzero(counts[labels] > 1)
    left_out = np.zeros((len(rows), classes))
    for place, row in enumerate(rows):
        label = labels[row]
        without = means.copy()
        without[label] = (sums[label] - x[row]) / (counts[label] - 1)
        middle_then, directions_then = _directions(without)
        left_out[place] = directions_then @ (x[row] - middle_then) * scale
    return LinearFit(kernel, -middle @ kernel, rows, left_out, 0.0)


def _directions(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the class means, and unit vectors from there to each."""
    middle = means.mean(axis=0)
    away = means - middle
    return middle, away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12)
