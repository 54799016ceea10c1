"""Square fields of one series: every pair of times is a pixel.

Row ``i`` and column ``j`` of a field belong to the times ``i`` and ``j``.  Values agree with those
of the pyts package (Faouzi & Janati 2020, https://pyts.readthedocs.io), which the tests hold.
"""

import numpy as np


def _bounds(length: int, size: int) -> np.ndarray:
    """Starts of ``size`` segments that divide a series as evenly as whole samples can."""
    return np.round(np.linspace(0, length, size + 1)).astype(int)[:-1]


def shortened(series: np.ndarray, size: int) -> np.ndarray:
    """Piecewise aggregate approximation: means of ``size`` segments (Keogh et al. 2001).

    Args:
        series: float array (n,) or (n, channels).
        size: segments; a series that is no longer is returned as it is.

    Returns:
        float64 array of ``min(n, size)`` rows.

    Example:
        >>> shortened(np.array([1.0, 3.0, 5.0, 7.0]), 2).tolist()
        [2.0, 6.0]
    """
    series = np.asarray(series, np.float64)
    if len(series) <= size:
        return series
    starts = _bounds(len(series), size)
    lengths = np.diff([*starts, len(series)])
    sums = np.add.reduceat(series, starts, axis=0)
    return sums / lengths.reshape((-1,) + (1,) * (series.ndim - 1))


def gramian_angular_field(series: np.ndarray, *, difference: bool = False) -> np.ndarray:
    """Gramian angular field: cosine of the sum, or sine of the difference, of polar angles.

    A value ``x`` in -1..1 has the angle ``phi = arccos(x)``; the field is ``cos(phi_i + phi_j)``
    (summation) or ``sin(phi_i - phi_j)`` (difference): Wang & Oates 2015, arXiv:1506.00327.

    Args:
        series: float array (n,), in -1..1; values beyond are cut off.
        difference: the difference field instead of the summation field.

    Returns:
        float64 array (n, n), -1..1.  The diagonal of the summation field is ``2 x² - 1``.

    Example:
        >>> gramian_angular_field(np.array([1.0, 0.0])).tolist()
        [[1.0, 0.0], [0.0, -1.0]]
    """
    cosine = np.clip(np.asarray(series, np.float64), -1, 1)
    sine = np.sqrt(1 - cosine**2)
    if difference:
        return np.outer(sine, cosine) - np.outer(cosine, sine)
    return np.outer(cosine, cosine) - np.outer(sine, sine)


def markov_transition_field(
    series: np.ndarray, *, bins: int = 8, size: int | None = None
) -> np.ndarray:
    """Markov transition field: how probable the step from one time's value to another's is.

    Values are put into quantile bins; ``W[q, r]`` is the share of steps from bin ``q`` that lead to
    bin ``r``; the field is ``W[bin(x_i), bin(x_j)]``: Wang & Oates 2015, arXiv:1506.00327.

    Args:
        series: float array (n,).
        bins: quantile bins.
        size: segments of time over whose pairs the field is averaged; ``None``, or a size not
            below n: every pair on its own.

    Returns:
        float64 array (m, m), 0..1, of ``m = n`` or ``size``.

    Example:
        >>> markov_transition_field(np.array([0.0, 1.0, 0.0, 1.0]), bins=2)[0].tolist()
        [0.0, 1.0, 0.0, 1.0]
    """
    series = np.asarray(series, np.float64)
    edges = np.quantile(series, np.linspace(0, 1, bins + 1)[1:-1])
    states = np.searchsorted(edges, series, side="left")
    steps = np.zeros((bins, bins))
    np.add.at(steps, (states[:-1], states[1:]), 1)
    steps /= np.maximum(steps.sum(axis=1, keepdims=True), 1)
    # The mean over a block of pairs is the two segments' shares of bins round the matrix: exact,
    # and without n x n numbers.
    shares = shortened(np.eye(bins)[states], size or len(series))
    return shares @ steps @ shares.T


def recurrence_plot(
    series: np.ndarray,
    *,
    dimension: int = 1,
    delay: int = 1,
    threshold: float | None = None,
    size: int | None = None,
) -> np.ndarray:
    """Recurrence plot: how far the states at two times are from each other.

    The state at time ``i`` is ``(x_i, x_{i + delay}, ...)``, ``dimension`` values long: Eckmann,
    Kamphorst & Ruelle 1987, doi:10.1209/0295-5075/4/9/004.

    Args:
        series: float array (n,).
        dimension: values in a state, from 1.
        delay: samples between them, from 1.
        threshold: a share of the largest distance: 1 where two states are no further apart, else
            0, as in the paper.  ``None``: the distances themselves.
        size: segments of time, whose mean states are compared; ``None``, or a size not below the
            number of states: every state on its own.

    Returns:
        float64 array (m, m) of ``m = n - (dimension - 1) * delay``, or ``size``: distances, or 0
        and 1.

    Example:
        >>> recurrence_plot(np.array([0.0, 2.0, 0.0])).tolist()
        [[0.0, 2.0, 0.0], [2.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    """
    series = np.asarray(series, np.float64)
    count = len(series) - (dimension - 1) * delay
    states = np.stack([series[k * delay : k * delay + count] for k in range(dimension)], axis=1)
    states = shortened(states, size or count)
    distances = np.sqrt(sum((row[:, None] - row[None, :]) ** 2 for row in states.T))
    if threshold is None:
        return distances
    return (distances <= threshold * distances.max()).astype(np.float64)
