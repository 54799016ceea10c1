"""Do probabilities mean what they say: calibration error, and the temperature that mends it."""

from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.intervals import RESAMPLES, Figure, figure

_BINS = 15
_LEAST = 1e-12  # a probability of 0 has no logarithm
_PRIOR = 16.0  # shape, less one, of the gamma prior of the inverse temperature, whose mode is 1
_AT_ONCE = 1 << 21  # images of resamples held together: 16 MiB
_DRAWN = 5_000_000  # images of all resamples, about
# Beyond these a model is as good as constant, or as good as never in doubt.
_COLDEST, _HOTTEST = 0.05, 20.0


def calibration_error(
    labels: Any, probabilities: Any, bins: int = _BINS, seed: int = 0
) -> dict[str, Any]:
    """Expected calibration error: how far confidence and accuracy lie apart.

    Images are put into bins of equal numbers by their highest probability; in each, the share that
    is named rightly is compared with the mean of these probabilities, and the distances are
    averaged over images.  Bins of equal numbers (Nixon et al. 2019, arXiv:1904.01685) in place of
    those of equal width of Guo et al. 2017 (arXiv:1706.04599): those are nearly empty where a
    model is seldom in doubt.  A perfectly calibrated model has an error above 0 on few images; the
    interval is that of a bootstrap over images.

    Args:
        labels: (N,) integers, the true classes.
        probabilities: float (N, C), rows that sum to 1.
        bins: At most so many; fewer where there are under 20 images for each.
        seed: Of the bootstrap.

    Returns:
        A JSON-able dictionary: ``expected_calibration_error``, a figure; ``bins``, a list of
        ``{"confidence", "accuracy", "count"}``, rising.

    Raises:
        InputError: The shapes do not fit, or there are no images.

    Example:
        >>> found = calibration_error([0, 0, 1, 1], [[0.75, 0.25]] * 4)
        >>> found["expected_calibration_error"]["value"], found["bins"][0]["accuracy"]
        (0.25, 0.5)
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    sure, right = probabilities.max(1), probabilities.argmax(1) == labels
    gaps, starts, parts = _binned(labels, probabilities, bins)
    rng, drawn, total = np.random.default_rng(seed), [], len(labels)
    # Of many images the interval is narrow, and roughly right is right enough.
    turns = int(np.clip(_DRAWN // total, RESAMPLES // 5, RESAMPLES))
    step = max(1, _AT_ONCE // total)
    for first in range(0, turns, step):
        rows = rng.integers(total, size=(min(step, turns - first), total))
        drawn.append(_errors(gaps[np.sort(rows, axis=1)], starts))
    return {
        "expected_calibration_error": _figure(
            float(_errors(gaps[None], starts)[0]), np.concatenate(drawn)
        ),
        "bins": [
            {
                "confidence": float(sure[part].mean()),
                "accuracy": float(right[part].mean()),
                "count": len(part),
            }
            for part in parts
        ],
    }


def plain_calibration_error(labels: Any, probabilities: Any) -> float:
    """The error of :func:`calibration_error` without its interval.

    Example:
        >>> plain_calibration_error([0, 0, 1, 1], [[0.75, 0.25]] * 4)
        0.25
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    gaps, starts, _ = _binned(labels, probabilities, _BINS)
    return float(_errors(gaps[None], starts)[0])


def fit_temperature(labels: Any, probabilities: Any) -> float:
    """The temperature by which probabilities say most about these labels.

    Temperature scaling (Guo et al. 2017, arXiv:1706.04599): logits are divided by one number, so
    that no answer changes, only how sure it is.  Fitted by the log loss, which has one minimum in
    the temperature's inverse; probabilities stand for logits, which are known up to a constant.
    Few images say little, and move it little: a gamma prior keeps the inverse near 1.  Without it
    ten of ten right would make a model sure without end.

    Args:
        labels: (N,) integers, the true classes, of images that were not trained on.
        probabilities: float (N, C), rows that sum to 1.

    Returns:
        Above 1 where the model is too sure, below 1 where it is too timid; 0.05 to 20.

    Raises:
        InputError: The shapes do not fit, or there are no images.

    Example:
        >>> rows = [[0.9, 0.1]] * 4000
        >>> round(fit_temperature([0] * 3000 + [1] * 1000, rows), 1)  # three of four are right
        2.0
    """
    labels, probabilities = check_probabilities(labels, probabilities)
    logits = np.log(np.maximum(probabilities, _LEAST))
    logits -= logits.max(1, keepdims=True)
    of_truth = logits[np.arange(len(labels)), labels].sum()
    # The derivative by the inverse temperature rises with it: halve the interval.
    low, high = 1 / _HOTTEST, 1 / _COLDEST
    for _ in range(40):
        middle = (low + high) / 2
        shares = np.exp(logits * middle)
        expected = ((shares * logits).sum(1) / shares.sum(1)).sum()
        slope = expected - of_truth + _PRIOR * (1 - 1 / middle)
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(2 / (low + high))


def tempered(probabilities: Any, temperature: float) -> np.ndarray:
    """Probabilities at another temperature.

    Args:
        probabilities: float (N, C), rows that sum to 1.
        temperature: Above 0; 1 leaves them as they are.

    Returns:
        float64 (N, C), rows that sum to 1, in the same order of classes.

    Example:
        >>> tempered([[0.9, 0.1]], 2.0).round(2).tolist()
        [[0.75, 0.25]]
    """
    logits = np.log(np.maximum(np.asarray(probabilities, "float64"), _LEAST)) / temperature
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def _binned(
    labels: np.ndarray, probabilities: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Of images by rising confidence: right less sure; where bins begin; images of each bin."""
    sure = probabilities.max(1)
    order = np.argsort(sure, kind="stable")
    parts = np.array_split(order, int(np.clip(len(sure) // 20, 1, bins)))
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return ((probabilities.argmax(1) == labels) - sure)[order], starts, parts


def _errors(gaps: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Of rows of images in the order of their confidence, (R, N), in bins that begin there."""
    return np.abs(np.add.reduceat(gaps, starts, axis=1)).sum(1) / gaps.shape[1]


def _figure(value: float, drawn: np.ndarray) -> Figure:
    # Resampling doubles the error's own upward bias: the spread is right, its middle is not.
    low, high = np.percentile(drawn, (2.5, 97.5)) + value - drawn.mean()
    return figure(value, max(min(low, value), 0.0), max(high, value))


def check_probabilities(labels: Any, probabilities: Any) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities as float64.

    Raises:
        InputError: They do not fit each other.

    Example:
        >>> check_probabilities([1], [[0.5, 0.5]])[1].shape
        (1, 2)
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, "float64")
    fits = probabilities.ndim == 2 and labels.shape == probabilities.shape[:1] and len(labels)
    if not fits or labels.dtype.kind not in "iu":
        raise InputError(
            f"labels {labels.dtype} of shape {labels.shape} for probabilities of shape "
            f"{probabilities.shape}; give whole numbers (N,) and (N, C), one image or more"
        )
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise InputError(
            f"labels run from {labels.min()} to {labels.max()}; there are probabilities of "
            f"{probabilities.shape[1]} classes"
        )
    return labels, probabilities
