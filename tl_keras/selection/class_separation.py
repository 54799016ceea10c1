"""H-score: how far apart the class means are, in units of the features' own spread."""

import numpy as np

from tl_keras.selection.labelled import labelled
from tl_keras.training.ridge import principal


def h_score(features: np.ndarray, labels: np.ndarray, *, shrink: bool = True) -> float:
    """Trace of the covariance of the class means, whitened by that of the features.

    Bao et al. 2019 (An Information-Theoretic Approach to Transferability in Task Transfer
    Learning): tr(C^-1 B), C the covariance of features, B that of the mean of each image's class.
    With few images for the number of features C cannot be trusted and the score nears the number
    of classes less one whatever the labels are; so Ibrahim et al. 2022 (arXiv:2110.06893) shrink C
    to (1 - a) C + a m 1 and take (1 - a) B, a and m (the mean variance) by Ledoit and Wolf 2004.

    Args:
        features: (N, D), finite.
        labels: Integers (N,), of two classes or more.
        shrink: Whether to do so; False is the form of 2019, with the pseudo-inverse of C.

    Returns:
        From 0 (all classes have one mean) to the number of classes less one.

    Raises:
        InputError: The shapes do not fit, a feature is not finite, or there is one class only.

    Example:
        >>> x = np.array([[1.0, 0.0], [1.2, 0.1], [0.0, 1.0], [0.1, 0.8]])
        >>> round(h_score(x, np.array([0, 0, 1, 1]), shrink=False), 3)
        0.986
    """
    x, labels = labelled(features, labels)
    count, width = x.shape
    x = x - x.mean(axis=0)
    if not x.any():  # all images look the same: there is nothing between the classes
        return 0.0
    basis, strengths = principal(x)
    variances = strengths / count
    # The mean of a class lies in the span of the rows, so what C is outside it does not matter.
    sums = np.zeros((labels.max() + 1, len(variances)))
    np.add.at(sums, labels, basis)
    between = (np.square(sums) / np.bincount(labels)[:, None]).sum(axis=0) * variances
    if not shrink:
        return float((between / variances).sum())
    share = _shrinkage(x, variances)
    whole = (1 - share) * variances + share * variances.sum() / width
    return float((1 - share) * (between / whole).sum())


def _shrinkage(x: np.ndarray, variances: np.ndarray) -> float:
    """Share of the identity in the covariance, Ledoit and Wolf 2004, of centred rows."""
    count, width = x.shape
    squared, mean = np.square(variances).sum(), variances.sum() / width
    distance = squared - width * mean**2
    noise = (np.square(np.square(x).sum(axis=1)).sum() / count - squared) / count
    return float(min(noise, distance) / distance) if distance > 0 else 0.0
