"""Sets of classes that hold the true one as often as promised."""

import math
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.calibration import check_probabilities
from tl_keras.evaluation.intervals import proportion


def conformal_threshold(labels: Any, probabilities: Any, coverage: float = 0.9) -> float | None:
    """The lowest probability at which a class belongs to an image's set.

    Split conformal prediction: of new images that are drawn as these were, at least ``coverage``
    have their true class in the set, whatever the model (Vovk et al. 2005; the score is that of
    Sadinle, Lei and Wasserman 2019, arXiv:1609.00451, which makes sets as small as they can be on
    average).  It holds over all images together, not for each class, and on average over the
    draw of these images: with N of them coverage itself varies by about sqrt(0.09 / N).

    Args:
        labels: (N,) integers, the true classes, of images that were not trained on.
        probabilities: float (N, C).
        coverage: The promise, above 0 and below 1.

    Returns:
        The threshold, 0..1; None where these are too few images for the promise (90 % takes 9).

    Raises:
        InputError: The shapes do not fit, or ``coverage`` is no such share.

    Example:
        >>> rows = [[0.9 - n / 100, 0.1 + n / 100] for n in range(9)]
        >>> round(conformal_threshold([0] * 9, rows), 2)
        0.82
    """
    if not 0 < coverage < 1:
        raise InputError(f"coverage={coverage!r} is no share above 0 and below 1, such as 0.9")
    labels, probabilities = check_probabilities(labels, probabilities)
    of_truth = np.sort(probabilities[np.arange(len(labels)), labels])[::-1]
    # One more than there are: the new image is as likely to be the odd one as any of them.
    needed = math.ceil((len(labels) + 1) * coverage - 1e-9)
    return float(of_truth[needed - 1]) if needed <= len(labels) else None


def prediction_sets(probabilities: Any, threshold: Any) -> np.ndarray:
    """Which classes belong to each image's set: those from the threshold on, and the likeliest.

    The likeliest always belongs to it: a model that is right more often than was promised would
    else leave sets empty, to miss as often as it may.

    Args:
        probabilities: float (N, C).
        threshold: Of :func:`conformal_threshold`; one, or one for each image (N,).

    Returns:
        bool (N, C), one or more in each row.

    Example:
        >>> prediction_sets([[0.6, 0.3, 0.1]], 0.2).tolist()
        [[True, True, False]]
        >>> prediction_sets([[0.6, 0.3, 0.1]], 0.7).tolist()
        [[True, False, False]]
    """
    probabilities = np.asarray(probabilities, "float64")
    limits = np.minimum(np.asarray(threshold, "float64")[..., None], probabilities.max(1)[:, None])
    return probabilities >= limits


def evaluate_sets(labels: Any, probabilities: Any, threshold: Any) -> dict[str, Any]:
    """How often sets hold the true class, and how large they are.

    Args:
        labels: (N,) integers, the true classes, of images that chose neither model nor threshold.
        probabilities: float (N, C).
        threshold: As of :func:`prediction_sets`.

    Returns:
        A JSON-able dictionary: ``coverage``, a figure; ``mean_size``; ``single``, the share of
        images whose set has one class, a figure.

    Example:
        >>> found = evaluate_sets([0, 1], [[0.6, 0.4], [0.9, 0.1]], 0.3)
        >>> found["coverage"]["value"], found["mean_size"]
        (0.5, 1.5)
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    sets = prediction_sets(probabilities, threshold)
    sizes = sets.sum(1)
    return {
        "coverage": proportion(int(sets[np.arange(len(labels)), labels].sum()), len(labels)),
        "mean_size": float(sizes.mean()),
        "single": proportion(int((sizes == 1).sum()), len(labels)),
    }
