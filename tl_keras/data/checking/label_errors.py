"""Labels that are probably wrong, by confident learning."""

from typing import NamedTuple

import numpy as np

from tl_keras.data.checking.findings import Finding
from tl_keras.data.checking.head import held_out_predictions

_FEWEST = 3  # pictures of a class that a head could learn it from when one is left out
_SIGMAS = 3  # by how much the head has to beat the commonest class, or it knows nothing


class Judged(NamedTuple):
    """What a head that did not see them says of N labels.

    Attributes:
        scores: float (N,), -1..1: by how much another class is more probable than the given one;
            the larger, the more probably wrong.
        given: float (N,): probability of the given class.
        others: int64 (N,): the most probable other class.
        likely: float (N,): its probability.
        suspects: bool (N,): confident learning takes the label for wrong.
    """

    scores: np.ndarray
    given: np.ndarray
    others: np.ndarray
    likely: np.ndarray
    suspects: np.ndarray


def judge_labels(
    features: np.ndarray, labels: np.ndarray, classes: int, groups: np.ndarray | None = None
) -> Judged:
    """Compares labels with held-out predictions.

    Confident learning (Northcutt, Jiang & Chuang, Confident Learning: Estimating Uncertainty in
    Dataset Labels, JAIR 2021): class j counts as claimed where its probability reaches the mean
    probability of j among the pictures labelled j.  A label is suspect where the most probable
    claimed class is another one, and more probable than the given one.  The rank is by the
    normalised margin of the same paper.

    Args:
        features: (N, D) of a network.
        labels: int (N,), 0 to ``classes`` - 1.
        classes: K, two or more.
        groups: int (N,), equal for near copies; by default there are none.

    Returns:
        A judgement of each label.  Where the head is no better than the commonest class, nothing
        is suspect.

    Example:
        >>> features = np.random.default_rng(0).normal(size=(40, 8))
        >>> features[20:] += 4
        >>> labels = np.repeat([0, 1], 20)
        >>> labels[7] = 1
        >>> judged = judge_labels(features, labels, 2)
        >>> int(judged.scores.argmax()), np.flatnonzero(judged.suspects).tolist()
        (7, [7])
    """
    labels = np.asarray(labels)
    rows = np.arange(len(labels))
    groups = rows if groups is None else groups
    found = held_out_predictions(features, labels, classes, groups)
    given = found[rows, labels]
    rest = found.copy()
    rest[rows, labels] = -1
    others = rest.argmax(axis=1)
    likely = rest[rows, others]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=given, minlength=classes)
    claimed = np.where(found >= sums / np.maximum(counts, 1), found, 0)
    claimed[:, counts < _FEWEST] = 0
    suspects = (claimed.max(axis=1) > given) & (claimed.argmax(axis=1) != labels)
    suspects &= counts[labels] >= _FEWEST
    if not _knows_something(found, labels, counts):
        suspects[:] = False
    return Judged(likely - given, given, others, likely, suspects)


def label_errors(
    paths: tuple[str, ...], class_names: tuple[str, ...], labels: np.ndarray, judged: Judged
) -> list[Finding]:
    """Findings of kind ``label_error``, a larger score for a more probable error.

    Args:
        paths: N files.
        class_names: K names.
        labels: int (N,).
        judged: of :func:`judge_labels`.

    Returns:
        One finding for each suspect.
    """
    findings = []
    for row in np.flatnonzero(judged.suspects):
        given, other = class_names[labels[row]], class_names[judged.others[row]]
        why = (
            f"labelled {given!r} ({100 * judged.given[row]:.0f} % by a head trained on the other "
            f"pictures), looks like {other!r} ({100 * judged.likely[row]:.0f} %)"
        )
        findings.append(Finding("label_error", (paths[row],), why, float(judged.scores[row])))
    return findings


def _knows_something(found: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> bool:
    right = (found.argmax(axis=1) == labels).mean()
    chance = counts.max() / len(labels)
    return right > chance + _SIGMAS * np.sqrt(chance * (1 - chance) / len(labels))
