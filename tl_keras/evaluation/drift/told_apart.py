"""Can a classifier tell two samples apart?  If they come from one source, none can."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.evaluation.intervals import RESAMPLES, Figure, figure

FOLDS = 5
PERMUTATIONS = 999  # the smallest p value is 0.001
# Of the ridge, in units of the kernel's mean eigenvalue.  Chosen by power on simulated features of
# 40 to 300 rows among 0.01 to 10; it must not depend on which sample a row is of.
_PENALTY = 1.0
_POWER_POINT = 0.8416  # 80 % point of the standard normal distribution


def told_apart(old: np.ndarray, new: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Classifier two-sample test: a ridge classifier is trained to tell which sample a row is of.

    Lopez-Paz & Oquab, Revisiting Classifier Two-Sample Tests, 2017 (arXiv:1610.06545), with the
    area under the ROC curve of rows that the classifier has not seen, in five folds, in place of
    its accuracy, which has no chance level where one sample is larger.  The p value is that of 999
    permutations of the labels within the folds: exact, however much the folds' classifiers have in
    common.

    Args:
        old: Features (N, D).
        new: Features (M, D); both ten rows or more.
        seed: Of folds, permutations and resampling.

    Returns:
        ``auc`` (a figure; 0.5 is chance), ``p`` (at least 0.001), ``detectable``: the AUC that so
        many images show at p < 0.05 in four of five cases; ``scores``, float64 (M,): how far each
        new row is on the side of the new ones.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = told_apart(rng.normal(0, 1, (40, 5)), rng.normal(2, 1, (30, 5)))
        >>> found["auc"]["value"] > 0.9, found["p"]
        (True, 0.001)
    """
    rng = np.random.default_rng(seed)
    counts = len(old), len(new)
    rows = np.concatenate([old, new]).astype(np.float64)
    marks = np.repeat([0.0, 1.0], counts)
    rows -= rows.mean(axis=0)
    rows /= np.maximum(rows.std(axis=0), 1e-9)
    kernel = rows @ rows.T / rows.shape[1]
    folds = np.concatenate([rng.permutation(np.arange(count) % FOLDS) for count in counts])
    drawn = np.stack([marks, *(_within(marks, folds, rng) for _ in range(PERMUTATIONS))], axis=1)
    centred = drawn - marks.mean()
    scores = _held_out(kernel, folds) @ centred
    areas = roc_areas(scores, drawn)
    value, null, own = float(areas[0]), areas[1:], scores[:, 0]
    return {
        "auc": _interval(own[marks == 0], own[marks == 1], value, rng),
        "p": permutation_p(value, null),
        "detectable": _detectable(null, *counts),
        "scores": own[marks == 1],
    }


def permutation_p(found: float, drawn: Sequence[float]) -> float:
    """The share of permutations with at least what was found, itself among them.

    Example:
        >>> permutation_p(3.0, [1.0, 2.0, 4.0])
        0.5
    """
    return float((1 + (np.asarray(drawn) >= found - 1e-12).sum()) / (1 + len(drawn)))


def roc_areas(scores: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each column: how often a marked row has the higher score.

    Args:
        scores: (N, B).
        marks: 0 or 1 (N, B), as many ones in each column.

    Example:
        >>> roc_areas(np.array([[1.0], [3.0], [2.0]]), np.array([[0], [1], [0]]))
        array([1.])
    """
    ordered = np.take_along_axis(marks, scores.argsort(axis=0, kind="stable"), axis=0)
    positions = np.arange(1, len(scores) + 1, dtype=np.float64)
    ones = marks[:, 0].sum()
    ranks = positions @ ordered
    return (ranks - ones * (ones + 1) / 2) / (ones * (len(scores) - ones))


def _within(marks: np.ndarray, folds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drawn = marks.copy()
    for fold in range(FOLDS):
        rows = np.flatnonzero(folds == fold)
        drawn[rows] = rng.permutation(marks[rows])
    return drawn


def _held_out(kernel: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The matrix from targets to what a ridge classifier of the other folds says of each row."""
    found = np.zeros_like(kernel)
    for fold in range(FOLDS):
        own, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        of_others = kernel[np.ix_(others, others)].copy()
        of_others[np.diag_indices(len(others))] += _PENALTY
        weights = np.linalg.solve(of_others, kernel[np.ix_(others, own)]).T
        found[np.ix_(own, others)] = weights
    return found


def _interval(old: np.ndarray, new: np.ndarray, value: float, rng: np.random.Generator) -> Figure:
    """Percentile bootstrap of the area, each sample drawn for itself."""
    wins = (new[:, None] > old[None, :]) + 0.5 * (new[:, None] == old[None, :])
    areas = []
    for _ in range(RESAMPLES // 2):
        of_new = np.bincount(rng.integers(len(new), size=len(new)), minlength=len(new))
        of_old = np.bincount(rng.integers(len(old), size=len(old)), minlength=len(old))
        areas.append(of_new @ wins @ of_old / (len(new) * len(old)))
    return figure(value, *np.percentile(areas, (2.5, 97.5)))


def _detectable(null: np.ndarray, old: int, new: int) -> float:
    """The least area whose own spread leaves it above the critical one in 80 % of cases.

    The spread is Hanley and McNeil's (1982, https://doi.org/10.1148/radiology.143.1.7063747).
    """
    critical = float(np.quantile(null, 0.95))
    for area in np.linspace(max(critical, 0.5), 1.0, 200):
        one, two = area / (2 - area), 2 * area**2 / (1 + area)
        variance = area * (1 - area) + (new - 1) * (one - area**2) + (old - 1) * (two - area**2)
        if area - _POWER_POINT * np.sqrt(max(variance, 0) / (old * new)) >= critical:
            return float(area)
    return 1.0
