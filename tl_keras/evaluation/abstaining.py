"""Saying no: from which confidence on a model's answer is given."""

import math
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.calibration import check_probabilities
from tl_keras.evaluation.intervals import proportion


def abstention_threshold(labels: Any, probabilities: Any, wrong: float = 0.1) -> float | None:
    """The lowest confidence from which on answers are given, so that few images get a wrong one.

    Of new images that are drawn as these were, at most ``wrong`` get an answer that is wrong; the
    others get a right one, or none.  That is selective classification by the highest probability
    (Geifman and El-Yaniv 2017, arXiv:1705.08500) with the bound of conformal risk control
    (Angelopoulos et al. 2022, arXiv:2208.02814), which holds for any number of images on average
    over their draw; bounds that hold with confidence need hundreds of images before they let a
    model answer at all.

    Args:
        labels: (N,) integers, the true classes, of images that were not trained on.
        probabilities: float (N, C).
        wrong: The most, a share of all images above 0 and below 1.

    Returns:
        The threshold, 0..1; 0 where the model may always answer; None where these are too few
        images for the promise (10 % takes 9).

    Raises:
        InputError: The shapes do not fit, or ``wrong`` is no such share.

    Example:
        >>> rows = [[0.9, 0.1]] * 15 + [[0.6, 0.4]] * 5
        >>> abstention_threshold([0] * 15 + [0, 1, 1, 0, 1], rows, 0.1) > 0.6
        True
    """
    if not 0 < wrong < 1:
        raise InputError(f"wrong={wrong!r} is no share above 0 and below 1, such as 0.1")
    labels, probabilities = check_probabilities(labels, probabilities)
    # One more than there are: the new image is as likely to be the wrong one as any of them.
    allowed = math.floor((len(labels) + 1) * wrong + 1e-9) - 1
    if allowed < 0:
        return None
    missed = probabilities.argmax(1) != labels
    sure = np.sort(probabilities.max(1)[missed])[::-1]
    # An answer needs more than the confidence of the first mistake that is one too many.
    return float(np.nextafter(sure[allowed], 2.0)) if len(sure) > allowed else 0.0


def evaluate_abstention(labels: Any, probabilities: Any, threshold: Any) -> dict[str, Any]:
    """How often a model that may say no answers, and how often it is right and wrong then.

    Args:
        labels: (N,) integers, the true classes, of images that chose neither model nor threshold.
        probabilities: float (N, C).
        threshold: Of :func:`abstention_threshold`; one, or one for each image (N,).

    Returns:
        A JSON-able dictionary of figures: ``answered``, the share of images that get an answer;
        ``accuracy``, the share of these answers that is right; ``wrong``, the share of all images
        that get a wrong one.

    Example:
        >>> found = evaluate_abstention([0, 1, 0], [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]], 0.7)
        >>> found["accuracy"]["value"], round(found["wrong"]["value"], 2)
        (0.5, 0.33)
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    answered = probabilities.max(1) >= threshold
    right = answered & (probabilities.argmax(1) == labels)
    given, hits, total = int(answered.sum()), int(right.sum()), len(labels)
    return {
        "answered": proportion(given, total),
        "accuracy": proportion(hits, given),
        "wrong": proportion(given - hits, total),
    }
