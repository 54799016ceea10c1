"""LogME: how probable the labels are, given features, under all linear models at once."""

import numpy as np

from tl_keras.selection.labelled import labelled
from tl_keras.training.ridge import principal

# Decades around the mean squared singular value that the ratio of precisions is looked for in.
_DECADES = 6.0
_POINTS = 25


def log_me(features: np.ndarray, labels: np.ndarray) -> float:
    """Logarithm of the maximum evidence, per image, mean of the classes (higher is better).

    You et al. 2021 (LogME, arXiv:2102.11005).  Each class is a target of 0 and 1; its linear
    weights have a Gaussian prior of precision alpha, and what they leave over is Gaussian noise of
    precision beta.  The evidence is the density of the targets with the weights integrated out,
    p(y) = N(0, 1/beta + F F'/alpha), at the alpha and beta that make it largest: unlike a fit's
    likelihood it does not grow by learning images by heart.

    Found here by another way than the paper's fixed-point iteration, which can end in a lower of
    two maxima: for a given ratio alpha/beta the best beta is known in closed form, and the ratio
    is searched along one line, six decades to either side of the mean squared singular value of
    the features (beyond, the density has no bound where the classes are an exact linear function
    of the features).  Features are not centred, as in the paper.

    Args:
        features: (N, D), finite.
        labels: Integers (N,), of two classes or more.

    Returns:
        Nats per image.  To be compared between features of the same images only.

    Raises:
        InputError: The shapes do not fit, a feature is not finite, or there is one class only.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.8]])
        >>> log_me(x, np.array([0, 0, 1, 1])) > log_me(x, np.array([0, 1, 0, 1]))
        True
    """
    x, labels = labelled(features, labels)
    basis, strengths = principal(x)
    targets = np.eye(labels.max() + 1)[labels]
    within = np.square(basis.T @ targets)
    beyond = np.maximum(np.square(targets).sum(axis=0) - within.sum(axis=0), 0)
    parts = zip(within.T, beyond, strict=True)
    return float(np.mean([_largest(strengths, *part, len(x)) for part in parts]) / len(x))


def _largest(strengths: np.ndarray, within: np.ndarray, beyond: float, count: int) -> float:
    """The largest evidence of one target, by three grids, each around the best of the last."""
    middle, reach = np.log10(strengths.mean()), _DECADES
    for _ in range(3):
        points = np.linspace(middle - reach, middle + reach, _POINTS)
        values = _evidence(10**points, strengths, within, beyond, count)
        middle, reach = points[values.argmax()], reach * 2 / (_POINTS - 1)
    return values.max()


def _evidence(
    ratios: np.ndarray, strengths: np.ndarray, within: np.ndarray, beyond: float, count: int
) -> np.ndarray:
    """Log evidence at each alpha/beta, beta the best there."""
    ratios = ratios[:, None]
    squared = (within * ratios / (ratios + strengths)).sum(axis=1) + beyond
    volume = np.log1p(strengths / ratios).sum(axis=1)
    return -0.5 * (count * (np.log(2 * np.pi * squared / count) + 1) + volume)
