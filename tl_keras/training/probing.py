"""How well the classes can be told apart by a straight line through features as they are."""

from typing import NamedTuple

import numpy as np

from tl_keras.errors import InputError

# More rows hardly move the figure, and the algebra grows with the cube of the smaller side.
_MOST_ROWS = 4_000


class Probe(NamedTuple):
    """What a linear classifier on frozen features would get.

    Attributes:
        accuracy: Share of images named rightly when each is left out of the fit, 0..1.
        majority: Share of the commonest class: what naming it always would get.
        images: Images that were used.

    Example:
        >>> Probe(accuracy=0.9, majority=0.5, images=200).accuracy
        0.9
    """

    accuracy: float
    majority: float
    images: int


def linear_probe(features: np.ndarray, labels: np.ndarray) -> Probe:
    """Leave-one-out accuracy of a ridge classifier, in closed form and without chance.

    Ridge regression to one-hot targets; the residual of an image that is left out is its residual
    divided by one minus its leverage (Allen's PRESS, 1974), so one decomposition gives all fits.
    The penalty is the one of six with the least squared left-out error.  Copies of an image
    among the others flatter the figure.

    Args:
        features: (N, D) of a frozen backbone; of more than 4,000 rows, as many are drawn.
        labels: Integers (N,).

    Returns:
        The accuracy, and what it has to be compared with.

    Raises:
        InputError: The shapes do not fit, a value is not finite, or there are under two classes.

    Example:
        >>> x = np.concatenate([np.zeros((5, 2)), np.ones((5, 2))])
        >>> linear_probe(x, np.repeat([0, 1], 5)).accuracy
        1.0
    """
    x, labels = np.asarray(features, "float64"), np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not np.isfinite(x).all():
        raise InputError(
            f"a probe needs finite features (N, D) and labels (N,); got {x.shape}, {labels.shape}"
        )
    if len(labels) > _MOST_ROWS:
        rows = np.random.default_rng(0).permutation(len(labels))[:_MOST_ROWS]
        x, labels = x[rows], labels[rows]
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError("a probe needs images of two classes or more")
    basis, strength = _principal(x - x.mean(axis=0))
    y = np.eye(len(classes))[targets]
    centred = y - y.mean(axis=0)
    within = basis.T @ centred
    errors = []
    for penalty in strength.mean() * np.logspace(-4, 1, 6):
        kept = strength / (strength + penalty)
        residual = centred - basis @ (kept[:, None] * within)
        # The mean that was taken off is a fitted value too: a leverage of 1 / N.
        leverage = np.square(basis) @ kept + 1 / len(y)
        errors.append(residual / np.maximum(1 - leverage, 1e-9)[:, None])
    best = min(errors, key=lambda error: np.square(error).sum())
    right = (y - best).argmax(axis=1) == targets
    return Probe(float(right.mean()), float(np.bincount(targets).max() / len(y)), len(y))


def _principal(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal columns that span ``x``, and the squared singular values, both of its rank."""
    wide = x.shape[0] <= x.shape[1]
    values, vectors = np.linalg.eigh(x @ x.T if wide else x.T @ x)
    kept = values > max(values[-1], 0) * 1e-10
    if not kept.any():  # All rows are equal: nothing to tell the classes apart by.
        return np.zeros((len(x), 1)), np.ones(1)
    values, vectors = values[kept], vectors[:, kept]
    return (vectors if wide else x @ vectors / np.sqrt(values)), values
