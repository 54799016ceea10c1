"""More classes for a softmax head whose classes stay as they are."""

from typing import NamedTuple

import numpy as np

from tl_keras.training.closed_form import softmax
from tl_keras.training.ridge import ridge

_STEPS = 100
_SMALL = 1e-9


class AddedColumns(NamedTuple):
    """What stands beside the old kernel and bias.

    Attributes:
        kernel: float32 (D, M).
        bias: float32 (M,).
        rows: Positions (R,) of the images that were left out in turn.
        left_out: float64 (R, M), logits of the new classes for each by a fit without it.

    Example:
        >>> AddedColumns(np.zeros((4, 1)), np.zeros(1), np.arange(2), np.zeros((2, 1))).kernel.shape
        (4, 1)
    """

    kernel: np.ndarray
    bias: np.ndarray
    rows: np.ndarray
    left_out: np.ndarray


def columns_for_classes(
    features: np.ndarray, logits: np.ndarray, labels: np.ndarray, added: int
) -> AddedColumns:
    """Logits of new classes as linear functions of features, beside old logits that are not moved.

    Ridge regression in closed form (:func:`tl_keras.training.ridge.ridge`) says what speaks for
    each new class, every class counting the same.  One factor and an offset for each new class,
    which bring its scores to the height of the old logits, and the penalty, are those with the
    least cross-entropy over all classes, on scores of images left out of the ridge; with Platt's
    targets (1999), so that a perfect separation has a finite answer.

    Args:
        features: (N, D), of images of old and new classes.
        logits: (N, C), what the head says of them now.
        labels: Integers (N,): the C old classes, then the new; each new one at least twice.
        added: How many are new.

    Returns:
        The columns.

    Example:
        >>> x = np.repeat(np.eye(3), 4, axis=0)
        >>> columns = columns_for_classes(x, 5 * x[:, :2], np.repeat([0, 1, 2], 4), 1)
        >>> (x @ columns.kernel + columns.bias > (5 * x[:, :2]).max(1, keepdims=True)).ravel()[8:]
        array([ True,  True,  True,  True])
    """
    old, labels = logits.shape[1], np.asarray(labels)
    counts = np.bincount(labels, minlength=old + added)
    weights = len(labels) / ((counts > 0).sum() * counts[labels])
    # As Platt: what is seen n times is sure to 1 in n + 2.
    doubt = np.where(labels < old, 1 / ((labels < old).sum() + 2), 1 / (counts[labels] + 2))
    targets = np.eye(old + added)[labels][:, old:]
    smooth = np.where(
        (labels < old)[:, None], doubt[:, None] / added, targets * (1 - doubt[:, None])
    )

    def brought(rows: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray, float]:
        return _brought(logits[rows], scores, smooth[rows], weights[rows])

    fit = ridge(features, targets, weights=weights, judge=lambda *some: brought(*some)[2])
    factor, offsets, _ = brought(fit.rows, fit.left_out)
    return AddedColumns(
        (fit.kernel * factor).astype("float32"),
        (fit.bias * factor + offsets).astype("float32"),
        fit.rows,
        fit.left_out * factor + offsets,
    )


def _brought(
    logits: np.ndarray, scores: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray, float]:
    """Factor and offsets from scores to logits beside others, and the cross-entropy then."""
    factor, offsets, loss = _newton(logits, scores, targets, weights)
    if factor < 0:  # Scores that mislead: how common a class is, is all that is known of it.
        _, offsets, loss = _newton(logits, np.zeros_like(scores), targets, weights)
        return 0.0, offsets, loss
    return factor, offsets, loss


def _newton(
    logits: np.ndarray, scores: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> tuple[float, np.ndarray, float]:
    added = scores.shape[1]
    # How the logits of a row move with each of the parameters: the factor, then the offsets.
    slopes = np.concatenate(
        [scores[:, :, None], np.broadcast_to(np.eye(added), (len(scores), added, added))], axis=2
    )
    highest = logits.max(axis=1)
    together = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))

    def seen(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        beside = np.concatenate([together[:, None], slopes @ parameters], axis=1)
        log = np.log(np.maximum(softmax(beside), 1e-300))
        wanted = np.concatenate([1 - targets.sum(axis=1, keepdims=True), targets], axis=1)
        return float(-(weights[:, None] * wanted * log).sum()), np.exp(log[:, 1:])

    parameters = np.concatenate([[1.0], np.zeros(added)])
    loss, said = seen(parameters)
    for _ in range(_STEPS):
        weighted = weights[:, None] * said
        slope = np.einsum("nm,nmp->p", weights[:, None] * (said - targets), slopes)
        of_mean = np.einsum("nm,nmp->np", said, slopes)
        curve = np.einsum("nm,nmp,nmq->pq", weighted, slopes, slopes, optimize=True)
        curve -= (weights[:, None] * of_mean).T @ of_mean
        step = np.linalg.solve(curve + _SMALL * np.eye(len(curve)) * len(said), slope)
        length = 1.0
        while length > _SMALL:
            tried = parameters - length * step
            lower, then = seen(tried)
            if lower <= loss:
                break
            length /= 2
        else:
            break
        done = loss - lower < _SMALL * (1 + loss)
        parameters, loss, said = tried, lower, then
        if done:
            break
    return float(parameters[0]), parameters[1:], loss
