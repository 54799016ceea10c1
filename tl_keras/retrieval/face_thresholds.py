"""From which cosine on two pictures count as one person, set on people who are not enrolled."""

from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.accept_rates import (
    place_at,
    ranking,
    rates,
    resolved,
    threshold_at,
    threshold_for,
)
from tl_keras.evaluation.neighbours import exact_neighbours
from tl_keras.evaluation.verification_pairs import pair_scores, verification_pairs


def check_rate(rate: Any, what: str) -> float:
    """A rate of wrong answers that may be asked for.

    Args:
        rate: Above 0, below 1.
        what: How an error calls it.

    Returns:
        The rate.

    Raises:
        InputError: It is out of range.

    Example:
        >>> check_rate(0.01, "false-accept rate")
        0.01
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
        raise InputError(f"{what} {rate!r} cannot be used; give 0 < rate < 1, such as 0.01")
    return float(rate)


def pair_threshold(vectors: np.ndarray, labels: np.ndarray, false_accept_rate: float) -> float:
    """The lowest cosine at which at most this share of pairs of two people is taken for one.

    Args:
        vectors: float (N, D), each of length 1, of people apart.
        labels: (N,) integers: who is in each picture; someone has two or more.
        false_accept_rate: Above 0, below 1.

    Returns:
        The threshold.

    Raises:
        InputError: The rate is out of range, or there are too few pairs to show it.

    Example:
        >>> rows = [[1.0, 0.0], [0.96, 0.28], [0.0, 1.0], [0.28, 0.96]]
        >>> round(pair_threshold(np.array(rows), np.array([0, 0, 1, 1]), 0.25), 3)
        0.409
    """
    check_rate(false_accept_rate, "false-accept rate")
    first, second, same = verification_pairs(labels)
    return threshold_for(pair_scores(vectors, first, second), same, false_accept_rate)


def naming_threshold(gallery: np.ndarray, apart: np.ndarray, false_alarm_rate: float) -> float:
    """The lowest cosine at which at most this share of pictures of unknown people gets a name.

    An unknown person meets every picture of the gallery and needs to resemble one only, so this
    lies above the threshold of pairs, and rises as people are enrolled.

    Args:
        gallery: float (N, D), each of length 1: the people enrolled.
        apart: float (M, D), each of length 1: people who are not.
        false_alarm_rate: Above 0, below 1.

    Returns:
        The threshold.

    Raises:
        InputError: The rate is out of range, or there are too few pictures to show it.

    Example:
        >>> apart = np.array([[0.6, 0.8], [0.8, 0.6], [-0.6, 0.8], [-0.8, 0.6]])
        >>> round(naming_threshold(np.array([[1.0, 0.0]]), apart, 0.25), 3)
        0.7
    """
    check_rate(false_alarm_rate, "false-alarm rate")
    if not resolved(false_alarm_rate, len(apart)):
        raise InputError(
            f"{len(apart)} pictures of people apart cannot show a false-alarm rate of "
            f"{false_alarm_rate:g}; give {int(np.ceil(1 / false_alarm_rate))} or more, or ask for "
            "a higher rate"
        )
    highest = exact_neighbours(gallery, apart, 1)[1][:, 0].astype("float64")
    order, last = ranking(highest)
    alarms, _ = rates(np.zeros(len(highest), bool), np.ones(len(highest)), last)
    thresholds = np.append(np.inf, highest[order][last])
    return threshold_at(thresholds, place_at(alarms, false_alarm_rate))
