"""Error rates of accepting pairs from a threshold on: curve, equal error rate, threshold.

A pair is accepted where its score is at or above the threshold.  The false-accept rate is the share
of pairs of two people that are accepted, the true-accept rate that of pairs of one person (ISO/IEC
19795-1).
"""

from typing import Any

import numpy as np

from tl_keras.errors import InputError


def roc_points(
    scores: Any, same: Any, weights: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The receiver operating characteristic: both rates at each threshold that tells scores apart.

    Args:
        scores: float (P,), higher for one person.
        same: bool (P,).
        weights: float (P,), how often each pair counts; by default once.

    Returns:
        Thresholds, each the lowest score still accepted, falling from infinity; false-accept rates
        and true-accept rates there, 0 to 1; all float64 (T,).

    Raises:
        InputError: The shapes differ, a score is NaN, or a kind of pairs is missing.

    Example:
        >>> thresholds, far, tar = roc_points([0.9, 0.5, 0.1], [True, False, True])
        >>> thresholds.tolist(), far.tolist(), tar.tolist()
        ([inf, 0.9, 0.5, 0.1], [0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0])
    """
    scores, same = _checked(scores, same)
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, "float64")
    order, last = ranking(scores)
    far, tar = rates(same[order], weights[order], last)
    return np.append(np.inf, scores[order][last]), far, tar


def equal_error_rate(far: np.ndarray, tar: np.ndarray) -> float:
    """Where as many pairs of two people are accepted as pairs of one are refused.

    On the straight line between the two points of :func:`roc_points` on either side.

    Args:
        far: False-accept rates, rising.
        tar: True-accept rates, rising.

    Returns:
        The rate, 0..1.

    Example:
        >>> equal_error_rate(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.8, 1.0])).__round__(4)
        0.1667
    """
    excess = far - (1 - tar)
    i = int(np.argmax(excess >= 0))
    if not excess[i] > excess[i - 1]:
        return float(far[i])
    share = -excess[i - 1] / (excess[i] - excess[i - 1])
    return float(far[i - 1] + share * (far[i] - far[i - 1]))


def threshold_for(scores: Any, same: Any, rate: float) -> float:
    """The lowest threshold with at most this false-accept rate on these pairs.

    Halfway between the lowest score that is accepted and the next below it.  Set it on people who
    are not those to be told apart later, and measure there: see :func:`evaluate_verification`.

    Args:
        scores: float (P,).
        same: bool (P,).
        rate: Above 0, below 1.

    Returns:
        The threshold.

    Raises:
        InputError: The rate is out of range, or there are fewer than 1 / rate pairs of two people,
            which cannot tell it from 0.

    Example:
        >>> threshold_for([0.9, 0.8, 0.5, 0.4, 0.3], [True, True, False, False, False], 0.5)
        0.45
    """
    scores, same = _checked(scores, same)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
        raise InputError(f"false-accept rate {rate!r} cannot be used; give 0 < rate < 1")
    if not resolved(rate, (~same).sum()):
        raise InputError(
            f"{(~same).sum()} pairs of two people cannot show a false-accept rate of {rate:g}; "
            f"give {int(np.ceil(1 / rate))} or more, or ask for a higher rate"
        )
    thresholds, far, _ = roc_points(scores, same)
    return threshold_at(thresholds, place_at(far, rate))


def ranking(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order of falling scores, and where in it each run of equal scores ends.

    Args:
        scores: float (P,).

    Returns:
        Positions int64 (P,), and positions in that order (T,).

    Example:
        >>> [part.tolist() for part in ranking(np.array([0.1, 0.9, 0.1]))]
        [[1, 0, 2], [0, 2]]
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    return order, np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)


def rates(same: np.ndarray, weights: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both rates, for pairs in the order of :func:`ranking`.

    Args:
        same: bool (P,).
        weights: float (P,).
        last: Where runs of equal scores end, (T,).

    Returns:
        False-accept and true-accept rates, float64 (T + 1,), from accepting none to accepting all;
        NaN where no pair of the kind has weight.

    Example:
        >>> rates(np.array([True, False]), np.ones(2), np.array([0, 1]))[0].tolist()
        [0.0, 0.0, 1.0]
    """
    found = []
    for kind in (~same, same):
        sums = np.append(0.0, np.cumsum(np.where(kind, weights, 0.0))[last])
        with np.errstate(invalid="ignore"):
            found.append(sums / sums[-1])
    return found[0], found[1]


def resolved(rate: float, pairs: int) -> bool:
    """Whether one accepted pair is no more than this rate.

    Args:
        rate: A false-accept rate.
        pairs: Pairs of two people.

    Returns:
        Whether the rate can be told from 0.

    Example:
        >>> resolved(0.01, 100), resolved(0.01, 99)
        (True, False)
    """
    return rate * pairs >= 1 - 1e-9


def place_at(far: np.ndarray, rate: float) -> int:
    """The last point of a curve with at most this false-accept rate.

    Args:
        far: Rising, from 0.
        rate: 0 or more.

    Returns:
        Its position.

    Example:
        >>> place_at(np.array([0.0, 0.1, 0.1, 0.2]), 0.1)
        2
    """
    return int(np.searchsorted(far, rate + 1e-12, "right")) - 1


def threshold_at(thresholds: np.ndarray, place: int) -> float:
    """The threshold of a point: halfway between its score and the next below it.

    Args:
        thresholds: Of :func:`roc_points`, falling from infinity.
        place: Which of them.

    Returns:
        A finite number.

    Example:
        >>> threshold_at(np.array([np.inf, 0.75, 0.25]), 1)
        0.5
    """
    above, below = thresholds[place], thresholds[min(place + 1, len(thresholds) - 1)]
    if np.isinf(above):
        return float(np.nextafter(below, np.inf))
    middle = (above + below) / 2
    # Neighbouring numbers have none between them.
    return float(middle if middle > below else above)


def _checked(scores: Any, same: Any) -> tuple[np.ndarray, np.ndarray]:
    scores, same = np.asarray(scores, "float64"), np.asarray(same, bool)
    if scores.ndim != 1 or scores.shape != same.shape or np.isnan(scores).any():
        raise InputError(
            f"scores of shape {scores.shape} for {same.shape} pairs, or NaN among them; give a "
            "number for each pair"
        )
    if not same.any() or same.all():
        raise InputError("all pairs are of one kind; give some of one person and some of two")
    return scores, same
