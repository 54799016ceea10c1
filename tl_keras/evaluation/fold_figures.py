"""Figures over folds: mean, spread, and an interval that knows the folds share training images."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

#: What the interval is, in words that stand beside it.
INTERVAL = (
    "95 % t-interval, widened for the training images that folds share (Nadeau and Bengio 2003)"
)


def t_quantile(freedom: int, inside: float = 0.95) -> float:
    """The limit within which Student's t lies with some probability, on both sides.

    Abramowitz and Stegun 1964, 26.7.3 and 26.7.4: finite sums for whole degrees of freedom, here
    solved by bisection.

    Args:
        freedom: degrees of freedom, 1 or more.
        inside: probability of lying between -t and t.

    Returns:
        t.

    Example:
        >>> round(t_quantile(4), 4)
        2.7764
    """
    low, high = 0.0, 1.0
    while _inside(high, freedom) < inside:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(middle, freedom) < inside else (low, middle)
    return high


def _inside(t: float, freedom: int) -> float:
    angle = math.atan2(t, math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(freedom // 2):
        total += term
        term *= math.cos(angle) ** 2 * (2 * k + 1 + odd) / (2 * k + 2 + odd)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total


def fold_figure(values: Sequence[float], held_out: float) -> dict[str, Any]:
    """Mean and spread of one figure over folds.

    Folds train on mostly the same images, so that their figures vary less than those of models
    trained on new data would.  The interval's standard error is therefore
    ``s * sqrt(1 / n + held_out)`` in place of ``s * sqrt(1 / n)`` (Nadeau and Bengio 2003,
    doi:10.1023/A:1024068626366), with n - 1 degrees of freedom.

    Args:
        values: of the folds, one or more.
        held_out: validation images for each training image of a fold: 1 / (k - 1) of k folds.

    Returns:
        ``value`` (the mean), ``low`` and ``high`` (:data:`INTERVAL`), ``sd`` (sample standard
        deviation), ``values``; the last but one and the limits are None for a single fold.

    Example:
        >>> figure = fold_figure([0.8, 0.9], 1.0)
        >>> round(figure["value"], 3), round(figure["sd"], 3), round(figure["high"] - 0.85, 2)
        (0.85, 0.071, 1.1)
    """
    numbers = np.asarray(values, np.float64)
    mean, count = float(numbers.mean()), len(numbers)
    if count < 2:
        return {"value": mean, "low": None, "high": None, "sd": None, "values": numbers.tolist()}
    spread = float(numbers.std(ddof=1))
    half = t_quantile(count - 1) * spread * math.sqrt(1 / count + held_out)
    return {
        "value": mean, "low": mean - half, "high": mean + half, "sd": spread,
        "values": numbers.tolist(),
    }  # fmt: skip


def fold_figures(measured: Sequence[Mapping[str, Any]], held_out: float) -> dict[str, Any]:
    """Every figure that all folds have, over folds.

    Args:
        measured: the metrics of each fold: a figure is a mapping with ``value``.
        held_out: as for :func:`fold_figure`.

    Returns:
        Name -> :func:`fold_figure`, in the order of the first fold.  The limits of shares stay
        within 0 and 1.

    Example:
        >>> folds = [{"accuracy": {"value": 0.8}, "examples": 5}] * 2
        >>> fold_figures(folds, 1.0)["accuracy"]["sd"]
        0.0
    """
    found = {}
    for name in measured[0]:
        entries = [fold.get(name) for fold in measured]
        if not all(isinstance(e, Mapping) and _number(e.get("value")) for e in entries):
            continue
        figure = fold_figure([entry["value"] for entry in entries], held_out)
        if figure["low"] is not None and not name.endswith(("loss", "count_error")):
            figure["low"], figure["high"] = max(figure["low"], 0.0), min(figure["high"], 1.0)
        found[name] = figure
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
