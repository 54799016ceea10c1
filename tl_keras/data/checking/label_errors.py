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
    Dataset Labels, JAIR 2021): class j is claimed where its probability reaches the mean
    probability of j among the pictures labelled j.  The share of pictures labelled i that claim j
    says how many of these labels are wrong ("prune by noise rate"); suspect are as many, those
    where j is most probable compared with i.  The rank is by the normalised margin of the same
    paper.

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
    groups = np.arange(len(labels)) if groups is None else groups
    return compare_labels(held_out_predictions(features, labels, classes, groups), labels)


def compare_labels(found: np.ndarray, labels: np.ndarray) -> Judged:
    """The same by probabilities that there are already.

    Args:
        found: float (N, K), what a model that did not learn from these labels says of them.
        labels: int (N,), 0 to K - 1.

    Returns:
        A judgement of each label, as of :func:`judge_labels`.

    Example:
        >>> found = np.repeat([[0.9, 0.1], [0.1, 0.9]], 10, axis=0)
        >>> labels = np.repeat([0, 1], 10)
        >>> labels[7] = 1
        >>> np.flatnonzero(compare_labels(found, labels).suspects).tolist()
        [7]
    """
    labels = np.asarray(labels)
    rows, classes = np.arange(len(labels)), found.shape[1]
    given = found[rows, labels]
    rest = found.copy()
    rest[rows, labels] = -1
    others = rest.argmax(axis=1)
    likely = rest[rows, others]
    counts = np.bincount(labels, minlength=classes)
    suspects = np.zeros(len(labels), bool)
    if _knows_something(found, labels, counts):
        suspects[_pruned(found, labels, counts)] = True
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


def _pruned(found: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Positions of the labels that are taken for wrong."""
    classes = len(counts)
    learned = counts >= _FEWEST
    means = np.array(
        [found[labels == k, k].mean() if learned[k] else np.inf for k in range(classes)]
    )
    reached = np.where(found >= means, found, 0)
    sure = reached.max(axis=1) > 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[sure], reached[sure].argmax(axis=1)), 1)
    pruned = [np.zeros(0, np.int64)]
    for given, other in zip(*np.nonzero(joint), strict=True):
        if given == other or not learned[given]:
            continue
        number = round(counts[given] * joint[given, other] / joint[given].sum())
        rows = np.flatnonzero(labels == given)
        margins = found[rows, other] - found[rows, given]
        worst = np.argsort(-margins, kind="stable")[:number]
        pruned.append(rows[worst[margins[worst] > 0]])
    return np.concatenate(pruned)


def _knows_something(found: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> bool:
    right = (found.argmax(axis=1) == labels).mean()
    chance = counts.max() / len(labels)
    return right > chance + _SIGMAS * np.sqrt(chance * (1 - chance) / len(labels))
