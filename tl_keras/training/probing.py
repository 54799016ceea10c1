"""How well the classes can be told apart by a straight line through features as they are."""

from typing import NamedTuple

import numpy as np

from tl_keras.errors import InputError
from tl_keras.training.ridge import MOST_ROWS, ridge


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

    Ridge regression to one-hot targets (:func:`tl_keras.training.ridge.ridge`).  Copies of an image
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
    if len(labels) > MOST_ROWS:
        rows = np.random.default_rng(0).permutation(len(labels))[:MOST_ROWS]
        x, labels = x[rows], labels[rows]
    classes, targets = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError("a probe needs images of two classes or more")
    y = np.eye(len(classes))[targets]
    right = ridge(x, y).left_out.argmax(axis=1) == targets
    return Probe(float(right.mean()), float(np.bincount(targets).max() / len(y)), len(y))
