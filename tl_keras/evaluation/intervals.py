"""95 % intervals of measured figures, in plain numpy.

A proportion has Wilson's interval; an average over classes has Wilson's with the sample size that
a bootstrap finds it worth (:func:`macro_figures`); a mean loss has the bootstrap's own.
Every figure is a dictionary ``{"value", "low", "high"}`` of floats, all ``None`` where the figure
does not exist (the recall of a class without examples).
"""

import numpy as np

Z = 1.959963984540054
"""Two-sided 95 % point of the standard normal distribution."""
RESAMPLES = 1000
"""Bootstrap resamples: percentile limits move by well under their own width."""

_PSEUDO = 2.0  # pseudo-images per class, as in Agresti and Coull's and Laplace's rules

Figure = dict[str, float | None]


def figure(value: float, low: float, high: float) -> Figure:
    """Makes a JSON-able figure.

    Args:
        value: The measured value.
        low: Lower limit.
        high: Upper limit.

    Returns:
        ``{"value", "low", "high"}`` as Python floats, ``None`` for NaN.

    Example:
        >>> figure(0.5, 0.25, 0.75)
        {'value': 0.5, 'low': 0.25, 'high': 0.75}
    """
    numbers = {"value": float(value), "low": float(low), "high": float(high)}
    return {key: None if np.isnan(number) else number for key, number in numbers.items()}


def wilson_interval(
    successes: np.ndarray | int, total: np.ndarray | int
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's 95 % score interval of a proportion.

    Never leaves 0..1, never collapses at 0 or 1, and keeps its coverage on small counts.
    Wilson (1927), "Probable inference, the law of succession, and statistical inference",
    https://doi.org/10.2307/2276774.

    Args:
        successes: Counts of successes, any shape.
        total: Counts of trials, same shape; where 0, the limits are NaN.

    Returns:
        Lower and upper limits, float64.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(float(low), 3), round(float(high), 3)
        (0.49, 0.943)
    """
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(total, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (k + Z**2 / 2) / (n + Z**2)
        half = Z / (n + Z**2) * np.sqrt(k * (n - k) / n + Z**2 / 4)
    # At the ends the formula gives exactly 0 and 1; rounding must not put the value outside.
    low = np.where(k == 0, 0.0, centre - half)
    high = np.where(k == n, 1.0, centre + half)
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def proportion(successes: int, total: int) -> Figure:
    """The share of successes with Wilson's interval.

    Args:
        successes: Count of successes.
        total: Count of trials; 0 gives a figure of ``None``.

    Returns:
        The figure, 0..1.

    Example:
        >>> proportion(10, 10)["high"]
        1.0
    """
    low, high = wilson_interval(successes, total)
    return figure(successes / total if total else np.nan, low, high)


def f1_scores(confusion: np.ndarray) -> np.ndarray:
    """F1 of each class: 2 TP / (2 TP + FP + FN).

    Args:
        confusion: Counts, (..., C, C), rows are true classes.

    Returns:
        float64 (..., C), NaN for a class neither present nor predicted.

    Example:
        >>> f1_scores(np.array([[2, 0], [1, 1]])).round(3).tolist()
        [0.8, 0.667]
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    marks = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    return np.where(marks > 0, 2 * hits / np.maximum(marks, 1), np.nan)


def f1_interval(hits: np.ndarray, misses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """95 % limits of F1 from Wilson's for TP / (TP + FP + FN), of which F1 is a function.

    Args:
        hits: True positives, any shape.
        misses: False positives plus false negatives, same shape.

    Returns:
        Lower and upper limits, float64, NaN where both counts are 0.

    Example:
        >>> low, high = f1_interval(10, 0)
        >>> round(float(low), 3), float(high)
        (0.839, 1.0)
    """
    low, high = wilson_interval(hits, np.add(hits, misses))
    return 2 * low / (1 + low), 2 * high / (1 + high)


def macro_figures(confusion: np.ndarray, seed: int = 0) -> tuple[Figure, Figure]:
    """Balanced accuracy and macro F1, means over the classes that have examples, with intervals.

    The spread of each mean comes from a bootstrap stratified by true class (Efron and Tibshirani
    1993, ch. 13).  As a plain one sees no doubt in a class without mistakes, each row is first
    smoothed by two pseudo-images.  The spread gives an effective sample size, and that Wilson's
    interval (Franco, Little, Louis and Slud 2019, https://doi.org/10.1093/jssam/smy019), which
    unlike percentiles neither collapses at 1 nor leaves 0..1.  Its coverage is tested by
    simulation.

    Args:
        confusion: Counts, int (C, C), rows are true classes; at least one row is not empty.
        seed: Seed of the resampling.

    Returns:
        The two figures, 0..1.

    Example:
        >>> accuracy, f1 = macro_figures(np.array([[9, 1], [2, 8]]))
        >>> round(accuracy["value"], 3), round(f1["value"], 3)
        (0.85, 0.85)
    """
    classes, counts = len(confusion), confusion.sum(axis=1)
    present = np.flatnonzero(counts)
    rng = np.random.default_rng(seed)
    # Only the margins of each resampled table are needed, so no table is kept whole.
    predicted, right = np.zeros((2, RESAMPLES, classes))
    for row in present:
        cells = np.union1d(np.flatnonzero(confusion[row]), [row])
        # The last cell: the pseudo-images' mistakes, which may be any of the other classes.
        weights = np.append(confusion[row, cells].astype(np.float64), 0.0)
        weights[np.append(cells == row, False)] += _PSEUDO / classes
        weights[-1] = _PSEUDO * (1 - 1 / classes)
        drawn = rng.multinomial(counts[row], weights / weights.sum(), size=RESAMPLES)
        predicted[:, cells] += drawn[:, :-1]
        elsewhere = drawn[:, -1:] / (classes - 1)
        predicted += elsewhere
        predicted[:, row] -= elsewhere[:, 0]
        right[:, row] = drawn[:, :-1][:, cells == row][:, 0]
    recalls = (right / np.maximum(counts, 1))[:, present].mean(axis=1)
    f1 = (2 * right / np.maximum(predicted + counts, 1))[:, present].mean(axis=1)
    recall = confusion.diagonal()[present] / counts[present]
    return (
        effective_figure(float(recall.mean()), recalls, counts.sum()),
        effective_figure(float(f1_scores(confusion)[present].mean()), f1, counts.sum()),
    )


def effective_figure(value: float, resampled: np.ndarray, trials: int) -> Figure:
    """A rate with Wilson's interval, of the sample size at which a proportion spreads as much.

    Args:
        value: The rate, 0..1.
        resampled: The same of each resample.
        trials: The sample size where resamples show no spread.

    Returns:
        The figure.

    Example:
        >>> effective_figure(1.0, np.ones(500), 10)["low"].__round__(3)
        0.722
    """
    mean, variance = resampled.mean(), resampled.var()
    # No spread: a handful of images, all wrong, in a thousand classes.
    size = mean * (1 - mean) / variance if variance > 0 else trials
    return figure(value, *wilson_interval(value * size, size))


def bootstrap_mean(values: np.ndarray, seed: int = 0) -> Figure:
    """The mean with a 95 % percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13).

    Args:
        values: One number per image, (N,).
        seed: Seed of the resampling.

    Returns:
        The figure, in the unit of the values.

    Example:
        >>> bootstrap_mean(np.array([1.0, 1.0]))
        {'value': 1.0, 'low': 1.0, 'high': 1.0}
    """
    rng = np.random.default_rng(seed)
    values = np.asarray(values, dtype=np.float64)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    return figure(values.mean(), *np.percentile(means, (2.5, 97.5)))
