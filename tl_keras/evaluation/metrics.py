"""What a classifier's probabilities are worth on labelled images, each figure with an interval."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.intervals import (
    Figure,
    bootstrap_mean,
    f1_interval,
    f1_scores,
    figure,
    macro_figures,
    proportion,
)

_SMALLEST_PROBABILITY = 1e-7  # bounds the loss of one image at 16.1 nats, as keras.config.epsilon
_SUM_TOLERANCE = 0.02  # float16 softmax over 1,000 classes stays within


def check_classified(
    labels: Any, probabilities: Any, class_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels as int64 and probabilities as float64.

    Raises:
        InputError: As of :func:`evaluate_classification`.

    Example:
        >>> check_classified([0], [[1, 0]], ["ant", "bee"])[1]
        array([[1., 0.]])
    """
    classes = len(class_names)
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if classes < 2:
        raise InputError(f"{classes} class name(s) given; a classifier needs at least 2")
    if labels.ndim != 1 or probabilities.shape != (len(labels), classes):
        raise InputError(
            f"labels of shape {labels.shape} and probabilities of shape {probabilities.shape} do "
            f"not fit {classes} class names; expected (N,) and (N, {classes})"
        )
    if len(labels) == 0:
        raise InputError("no examples to evaluate; give at least one labelled image")
    if labels.dtype.kind not in "iu":
        raise InputError(f"labels are {labels.dtype}; expected integers 0..{classes - 1}")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"labels run from {labels.min()} to {labels.max()}; expected 0..{classes - 1}, the "
            f"indices of the {classes} class names"
        )
    probabilities = probabilities.astype(np.float64)
    if not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities)).any(axis=1).sum())
        raise InputError(
            f"{bad} of {len(labels)} rows of probabilities hold NaN or infinity; the training has "
            "diverged: lower the learning rate and train again"
        )
    sums = probabilities.sum(axis=1)
    if probabilities.min() < 0 or np.abs(sums - 1).max() > _SUM_TOLERANCE:
        raise InputError(
            f"rows of probabilities sum to {sums.min():.3g}..{sums.max():.3g}, smallest entry "
            f"{probabilities.min():.3g}; expected numbers >= 0 that sum to 1: apply softmax first"
        )
    return labels.astype(np.int64), probabilities


def confusion_counts(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts how often each class was taken for each.

    Args:
        labels: True classes, int (N,), 0..classes-1.
        predicted: Predicted classes, int (N,), same range.
        classes: Number of classes.

    Returns:
        int64 (classes, classes); rows are true classes, columns predicted ones.

    Example:
        >>> confusion_counts(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def _per_class(confusion: np.ndarray, class_names: Sequence[str]) -> list[dict[str, Any]]:
    counts, answers = confusion.sum(axis=1), confusion.sum(axis=0)
    hits = confusion.diagonal()
    f1 = f1_scores(confusion)
    low, high = f1_interval(hits, counts + answers - 2 * hits)
    return [
        {
            "name": str(name),
            "count": int(counts[k]),
            "precision": proportion(int(hits[k]), int(answers[k])),
            "recall": proportion(int(hits[k]), int(counts[k])),
            "f1": figure(f1[k], low[k], high[k]),
        }
        for k, name in enumerate(class_names)
    ]


def _notes(per_class: list[dict[str, Any]]) -> list[str]:
    notes = []
    absent = [entry["name"] for entry in per_class if entry["count"] == 0]
    if absent:
        notes.append(
            f"No example of {', '.join(absent)}: no recall there, and left out of balanced "
            "accuracy and macro F1."
        )
    silent = [e["name"] for e in per_class if e["count"] and e["precision"]["value"] is None]
    if silent:
        notes.append(f"Never predicted, so without precision: {', '.join(silent)}.")
    return notes


def log_loss(labels: np.ndarray, probabilities: np.ndarray, seed: int = 0) -> Figure:
    """The mean negative log-likelihood, nats, with its interval.

    Args:
        labels: True classes, int (N,).
        probabilities: float (N, C).
        seed: Of the bootstrap.

    Example:
        >>> log_loss(np.array([0]), np.array([[1.0, 0.0]]))["value"] == 0
        True
    """
    chosen = probabilities[np.arange(len(labels)), labels]
    return bootstrap_mean(-np.log(np.clip(chosen, _SMALLEST_PROBABILITY, 1.0)), seed)


def evaluate_classification(
    labels: Any, probabilities: Any, class_names: Sequence[str], *, seed: int = 0
) -> dict[str, Any]:
    """Measures a classifier's probabilities against the true labels.

    A figure is ``{"value", "low", "high"}`` with a 95 % interval (Wilson for proportions and
    per-class F1, :func:`~tl_keras.evaluation.intervals.macro_figures` for averages over classes, a
    percentile bootstrap for the loss), or ``None`` three times where it does not exist.  Equal
    probabilities go to the class that comes first, as with ``argmax``.

    Args:
        labels: True classes, int (N,), 0..C-1.
        probabilities: float (N, C), rows sum to 1.
        class_names: The C names.
        seed: Seed of the bootstrap.

    Returns:
        A JSON-able dictionary: ``examples`` (N), ``class_names``; the figures ``accuracy``,
        ``top5_accuracy`` (only if C > 5), ``balanced_accuracy`` (mean recall), ``macro_f1``,
        ``majority_baseline`` (the share of the set's most frequent class, that is the accuracy of
        always answering it), ``log_loss`` (mean negative log-likelihood, nats); ``per_class``, a
        list of ``{"name", "count", "precision", "recall", "f1"}``; ``confusion_matrix``, rows true,
        columns predicted; ``notes``, sentences on what could not be measured.

    Raises:
        InputError: If the shapes do not fit, a label is out of range, or the probabilities are not
            finite, negative or do not sum to 1.

    Example:
        >>> metrics = evaluate_classification([0, 1], [[0.9, 0.1], [0.2, 0.8]], ["ant", "bee"])
        >>> metrics["accuracy"]["value"], metrics["confusion_matrix"]
        (1.0, [[1, 0], [0, 1]])
    """
    labels, probabilities = check_classified(labels, probabilities, class_names)
    total, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_counts(labels, predicted, classes)
    balanced, f1 = macro_figures(confusion, seed)
    chosen = probabilities[np.arange(total), labels]
    metrics: dict[str, Any] = {
        "examples": total,
        "class_names": [str(name) for name in class_names],
        "accuracy": proportion(int(confusion.trace()), total),
    }
    if classes > 5:
        before = np.arange(classes) < labels[:, None]
        ahead = (probabilities > chosen[:, None]) | ((probabilities == chosen[:, None]) & before)
        metrics["top5_accuracy"] = proportion(int((ahead.sum(axis=1) < 5).sum()), total)
    per_class = _per_class(confusion, class_names)
    metrics |= {
        "balanced_accuracy": balanced,
        "macro_f1": f1,
        "majority_baseline": proportion(int(confusion.sum(axis=1).max()), total),
        "log_loss": log_loss(labels, probabilities, seed),
        "per_class": per_class,
        "confusion_matrix": confusion.tolist(),
        "notes": _notes(per_class),
    }
    return metrics
