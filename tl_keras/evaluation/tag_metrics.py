"""What a tagger's probabilities are worth: mean average precision, micro and macro F1, by tag."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.intervals import Figure, f1_interval, figure, proportion

_RESAMPLES = 500  # each resample ranks every tag anew; percentiles at 2.5 % stand on 12 of them


def average_precision(present: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve of one tag, for many weightings of the images at once.

    The step-wise sum that scikit-learn's ``average_precision_score`` takes: precision at each
    score, times the recall gained there; equal scores count as one step.

    Args:
        present: bool (N,), whether each image has the tag.
        scores: float (N,), higher for "has it".
        weights: float (R, N), how often each image counts; 0 leaves it out.

    Returns:
        float64 (R,), NaN where no image has the tag.

    Example:
        >>> scores = np.array([0.9, 0.8, 0.1])
        >>> average_precision(np.array([True, False, True]), scores, np.ones((1, 3))).round(3)
        array([0.833])
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    hits = np.cumsum(weights[:, order] * present[order], axis=1)[:, last]
    found = np.cumsum(weights[:, order], axis=1)[:, last]
    gained = np.diff(hits, axis=1, prepend=0.0)
    total = hits[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(found > 0, hits / found, 0.0)
        return np.where(total > 0, (precision * gained).sum(axis=1) / total, np.nan)


def evaluate_tagging(
    tags: Any, probabilities: Any, tag_names: Sequence[str], thresholds: Any, *, seed: int = 0
) -> dict[str, Any]:
    """Measures a tagger; what nobody knows (-1) counts neither for nor against it.

    Args:
        tags: int (N, T): 1 present, 0 absent, -1 not known.
        probabilities: float (N, T), each 0..1.
        tag_names: The T names.
        thresholds: An image has a tag from this probability on: one number, (T,), or (N, T) where
            images have thresholds of their own (tuned on the others).
        seed: Of the bootstrap over images that the intervals come from.

    Returns:
        A JSON-able dictionary: ``examples`` (N), ``tag_names``; the figures
        ``mean_average_precision`` and ``macro_f1`` (means over the tags that some image has),
        ``micro_f1`` (of all decisions together), ``prevalence`` (the mean average precision of
        guessing: the mean share of images that have a tag); ``per_tag``, a list of ``{"name",
        "positives", "known", "threshold", "average_precision", "precision", "recall", "f1"}``;
        ``notes``.

    Raises:
        InputError: The shapes do not fit, or there is nothing known to measure on.

    Example:
        >>> found = evaluate_tagging([[1, 0], [0, 1]], [[0.9, 0.2], [0.1, 0.7]], ["a", "b"], 0.5)
        >>> found["mean_average_precision"]["value"], found["micro_f1"]["value"]
        (1.0, 1.0)
    """
    tags, probabilities = np.asarray(tags), np.asarray(probabilities, np.float64)
    if tags.ndim != 2 or tags.shape != probabilities.shape or tags.shape[1] != len(tag_names):
        raise InputError(
            f"tags of shape {tags.shape} and probabilities of shape {probabilities.shape} do not "
            f"fit {len(tag_names)} tag names; expected (N, T) for both"
        )
    if not np.isfinite(probabilities).all():
        raise InputError("probabilities hold NaN or infinity; lower the learning rate and train on")
    known, present = tags >= 0, tags == 1
    if not present.any():
        raise InputError("no image is known to have any of the tags; nothing can be measured")
    limits = np.broadcast_to(np.asarray(thresholds, np.float64), tags.shape)
    answered = (probabilities >= limits) & known
    rng = np.random.default_rng(seed)
    images = len(tags)
    resampled = rng.multinomial(images, np.full(images, 1 / images), size=_RESAMPLES)
    weights = np.concatenate([np.ones((1, images)), resampled])
    precisions = np.stack(
        [
            average_precision(present[:, t], probabilities[:, t], weights * known[:, t])
            for t in range(tags.shape[1])
        ],
        axis=1,
    )
    hits, marks = weights @ (answered & present), weights @ answered + weights @ (present * 1.0)
    has = present.any(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(marks > 0, 2 * hits / marks, np.nan)
        micro = 2 * hits.sum(axis=1) / marks.sum(axis=1)
        prevalence = present.sum(axis=0) / known.sum(axis=0)
    return {
        "examples": images,
        "tag_names": [str(name) for name in tag_names],
        "mean_average_precision": _with_spread(_row_means(precisions[:, has])),
        "macro_f1": _with_spread(_row_means(f1[:, has])),
        "micro_f1": _with_spread(micro),
        "prevalence": float(prevalence[has].mean()),
        "per_tag": [
            _tag(str(name), known[:, t], present[:, t], answered[:, t], limits[:, t],
                 precisions[:, t])
            for t, name in enumerate(tag_names)
        ],
        "notes": _notes(tag_names, has, known),
    }  # fmt: skip


def _row_means(values: np.ndarray) -> np.ndarray:
    """Means over the tags that a resample has: one drawn without a rare tag says nothing of it."""
    there = ~np.isnan(values)
    return np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def _with_spread(values: np.ndarray) -> Figure:
    """The first value is the measured one, the others are resampled.

    A resample holds images twice, and a curve over doubles is too good: the percentiles are moved
    down by the bootstrap's own estimate of that bias (Efron and Tibshirani 1993, ch. 10).
    """
    sound = values[1:][~np.isnan(values[1:])]
    if not len(sound):
        return figure(values[0], np.nan, np.nan)
    low, high = np.percentile(sound, (2.5, 97.5)) - (sound.mean() - values[0])
    return figure(values[0], min(max(low, 0.0), values[0]), max(min(high, 1.0), values[0]))


def _tag(
    name: str, known: np.ndarray, present: np.ndarray, answered: np.ndarray, limits: np.ndarray,
    precisions: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    hits, answers, positives = (
        int((answered & present).sum()), int(answered.sum()), int(present.sum())
    )  # fmt: skip
    marks = answers + positives
    low, high = f1_interval(hits, marks - 2 * hits)
    nowhere = figure(np.nan, np.nan, np.nan)
    return {
        "name": name,
        "positives": positives,
        "known": int(known.sum()),
        "threshold": round(float(np.median(limits)), 4),
        "average_precision": _with_spread(precisions) if positives else nowhere,
        "precision": proportion(hits, answers),
        "recall": proportion(hits, positives),
        "f1": figure(2 * hits / marks, low, high) if marks else nowhere,
    }


def _notes(tag_names: Sequence[str], has: np.ndarray, known: np.ndarray) -> list[str]:
    notes = []
    absent = [str(name) for name, there in zip(tag_names, has, strict=True) if not there]
    if absent:
        notes.append(
            f"No image has {', '.join(absent)}: left out of mean average precision and macro F1."
        )
    if not known.all():
        notes.append(f"{100 * (1 - known.mean()):.1f} % of the tags are not known, and left out.")
    return notes
