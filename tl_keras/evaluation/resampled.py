"""95 % limits of figures made of counts by image, from a bootstrap over images.

Percentile limits (Efron and Tibshirani 1993, ch. 13), shifted by the bootstrap's own estimate of
its bias (ch. 10) and kept round the measured value.  Fewer than five images that bear on a figure
give no limits: a resample of so few is no picture of what others would be.
"""

import numpy as np

from tl_keras.evaluation.intervals import RESAMPLES, Figure, figure

_FEWEST = 5


def resample_weights(images: int, seed: int = 0) -> np.ndarray:
    """How often each image counts in each resample; the first row is the sample itself.

    Args:
        images: N.
        seed: Of the resampling.

    Returns:
        float64 (R + 1, N), each row summing to N.

    Example:
        >>> weights = resample_weights(4)
        >>> weights[0].tolist(), weights[1:].sum(axis=1).tolist() == [4.0] * 1000
        ([1.0, 1.0, 1.0, 1.0], True)
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(images, np.full(images, 1 / images), size=RESAMPLES)
    return np.concatenate([np.ones((1, images)), drawn])


def ratio_over_images(parts: np.ndarray, wholes: np.ndarray, weights: np.ndarray) -> Figure:
    """The mean over classes of (sum of parts over images) / (sum of wholes), such as mean IoU.

    Args:
        parts: Counts of each image and class, (N, C).
        wholes: The same, each at least its part; a class of which all are 0 is left out.
        weights: Of :func:`resample_weights`.

    Returns:
        The figure; ``None`` throughout if all wholes are 0.

    Example:
        >>> parts, wholes = np.array([[1], [2]]), np.array([[2], [2]])
        >>> ratio_over_images(parts, wholes, resample_weights(2))["value"]
        0.75
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = (weights @ parts) / (weights @ wholes)
    # A resample without a rare class says nothing of it.
    there = ~np.isnan(ratios)
    with np.errstate(invalid="ignore"):
        means = np.where(there, ratios, 0.0).sum(axis=1) / there.sum(axis=1)
    return _with_limits(means, int((wholes.sum(axis=1) > 0).sum()))


def mean_over_images(values: np.ndarray, weights: np.ndarray) -> Figure:
    """The mean of a number that images have, or have not (NaN).

    Args:
        values: One number per image, (N,).
        weights: Of :func:`resample_weights`.

    Returns:
        The figure; ``None`` throughout if no image has the number.

    Example:
        >>> mean_over_images(np.array([1.0, np.nan, 0.5]), resample_weights(3))["value"]
        0.75
    """
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights @ np.where(there, values, 0.0)) / (weights @ there)
    return _with_limits(means, int(there.sum()))


def _with_limits(means: np.ndarray, images: int) -> Figure:
    value, sound = means[0], means[1:][~np.isnan(means[1:])]
    if images < _FEWEST or not len(sound):
        return figure(value, np.nan, np.nan)
    low, high = np.percentile(sound, (2.5, 97.5)) - (sound.mean() - value)
    return figure(value, min(max(low, 0.0), value), max(min(high, 1.0), value))
