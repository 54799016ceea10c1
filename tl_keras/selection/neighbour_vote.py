"""k-NN: how often an image's nearest neighbours are of its class."""

import numpy as np

from tl_keras.evaluation.neighbours import exact_neighbours
from tl_keras.selection.labelled import labelled

NEIGHBOURS = 5


def nearest_vote(features: np.ndarray, labels: np.ndarray, k: int = NEIGHBOURS) -> float:
    """Leave-one-out accuracy of a vote of the k nearest other images, by cosine.

    Every neighbour has one vote; between classes of as many votes the nearest of them decides.
    Copies of an image among the others flatter the figure.

    Args:
        features: (N, D), finite.
        labels: Integers (N,), of two classes or more.
        k: Neighbours, 1 or more; all others where there are fewer.

    Returns:
        Share of the images named rightly, 0..1.

    Raises:
        InputError: The shapes do not fit, a feature is not finite, or there is one class only.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.8]])
        >>> nearest_vote(x, np.array([0, 0, 1, 1]), k=1)
        1.0
    """
    x, labels = labelled(features, labels)
    k = min(k, len(x) - 1)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    units = (x / np.where(lengths == 0, 1, lengths)).astype("float32")
    rows, _ = exact_neighbours(units, units, k + 1)
    own = rows == np.arange(len(x))[:, None]
    own[~own.any(axis=1), -1] = True  # More copies of it than neighbours: all as near, one goes.
    others = rows[~own].reshape(len(x), k)
    # What is over one vote decides nothing but ties: together it is under one.
    votes = 1 + 0.5 ** np.arange(1, k + 1)
    counts = np.zeros((len(x), labels.max() + 1))
    np.add.at(counts, (np.arange(len(x))[:, None], labels[others]), votes)
    return float((counts.argmax(axis=1) == labels).mean())
