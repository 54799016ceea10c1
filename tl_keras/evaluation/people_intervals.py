"""Intervals of rates that were measured on the pictures of few people."""

import numpy as np

from tl_keras.evaluation.intervals import Figure, Z, effective_figure

RESAMPLES = 500
"""Bootstrap resamples; percentiles at 2.5 % stand on 12 of them."""


def people_figure(value: float, resampled: np.ndarray, people: int) -> Figure:
    """A rate with its 95 % interval, from resampling people.

    A bootstrap over n units finds a variance too small by (n - 1) / n, and the normal distribution
    knows nothing of its being estimated: the spread is widened by both, the second by Student's t
    of n - 1 degrees (its first-order expansion, Abramowitz and Stegun 26.7.5).  Then Wilson's
    interval as in :func:`tl_keras.evaluation.intervals.effective_figure`; where no resample shows
    any spread, as many trials are taken as there are people.

    Args:
        value: The rate, 0..1.
        resampled: The same of each resample of people.
        people: How many there are, 2 or more to have a spread.

    Returns:
        The figure.

    Example:
        >>> people_figure(1.0, np.ones(500), 10)["low"].__round__(3)
        0.722
    """
    freedom = max(people - 1, 1)
    widened = np.sqrt(people / freedom) * (1 + (Z**2 + 1) / (4 * freedom))
    mean = resampled.mean()
    return effective_figure(value, mean + (resampled - mean) * widened, people)
