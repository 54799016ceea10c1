"""The two classes that are taken for each other most often, in words and pictures."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from tl_keras.evaluation.picture_pool import PicturePool

_MOST_PAIRS, _PICTURES = 6, 5
_FEWEST = 2  # errors: one says nothing of a pair


class ConfusedPair(NamedTuple):
    """Two classes of which images are taken for each other.

    Attributes:
        first: The class of which more images are taken for the other.
        second: The other.
        forth: Images of the first that are taken for the second.
        back: The other way round.
    """

    first: int
    second: int
    forth: int
    back: int


def confused_pairs(confusion: np.ndarray) -> list[ConfusedPair]:
    """Pairs of classes of which two images or more were taken one for the other, both ways counted.

    Args:
        confusion: int (C, C), rows true classes, columns predicted ones.

    Returns:
        The most confused pair first.

    Example:
        >>> confused_pairs(np.array([[5, 2, 0], [1, 4, 0], [0, 1, 3]]))
        [ConfusedPair(first=0, second=1, forth=2, back=1)]
    """
    confusion = np.asarray(confusion)
    found = []
    for one, other in zip(*np.nonzero(np.triu(confusion + confusion.T, 1)), strict=True):
        forth, back = int(confusion[one, other]), int(confusion[other, one])
        pair = (int(one), int(other)) if forth >= back else (int(other), int(one))
        found.append(ConfusedPair(*pair, max(forth, back), min(forth, back)))
    kept = [pair for pair in found if pair.forth + pair.back >= _FEWEST]
    return sorted(kept, key=lambda pair: (-pair.forth - pair.back, pair.first, pair.second))


def pairs_section(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], confusion: np.ndarray,
    pool: PicturePool,
) -> str:  # fmt: skip
    """The most confused pairs with their surest errors, beside a sure right image of each class.

    Args:
        labels: True classes, int (N,).
        probabilities: float (N, C).
        names: The C names.
        confusion: int (C, C).
        pool: For the pictures.

    Returns:
        HTML.
    """
    confusion = np.asarray(confusion)
    pairs = confused_pairs(confusion)
    if not pairs:
        wrong = int(confusion.sum() - confusion.trace())
        said = "No image was taken for another class." if not wrong else (
            "No two classes were confused more than once.")  # fmt: skip
        return f"<p>{said}</p>"
    totals = confusion.sum(axis=1)
    articles = []
    for pair in pairs[:_MOST_PAIRS]:
        first, second = (escape(str(names[k])) for k in pair[:2])
        words = (
            f"{pair.forth:,} of {totals[pair.first]:,} images of {first} were taken for {second}, "
            f"{pair.back:,} of {totals[pair.second]:,} the other way round."
        )
        wrong = "".join(
            pool.figure(row, _words(row, probabilities, names, labels))
            for row in _errors_of(pair, labels, probabilities)[:_PICTURES]
        )
        right = "".join(
            pool.figure(row, _words(row, probabilities, names, labels), "right")
            for row in _typical(pair, labels, probabilities)
        )
        articles.append(
            f"<article><h3>{first} and {second}</h3><p>{words}</p>"
            f'<div class="thumbs">{right}{wrong}</div></article>'
        )
    note = (
        "The surest errors of each pair, after a sure and right image of either class (green). "
        "Where one cannot tell the classes apart in these pictures, more of them will not help: "
        "a larger image size, another crop, clearer labels, or one class in place of two may."
    )
    rest = len(pairs) - _MOST_PAIRS
    more = f"<p>… and {rest:,} more pairs, confused less often.</p>" if rest > 0 else ""
    return f"<p>{note}</p>{''.join(articles)}{more}"


def _errors_of(pair: ConfusedPair, labels: np.ndarray, probabilities: np.ndarray) -> list[int]:
    """Numbers of the images that were taken one for the other, the surest first."""
    predicted = probabilities.argmax(axis=1)
    forth = (labels == pair.first) & (predicted == pair.second)
    back = (labels == pair.second) & (predicted == pair.first)
    rows = np.flatnonzero(forth | back)
    return rows[np.argsort(-probabilities[rows].max(axis=1), kind="stable")].tolist()


def _typical(pair: ConfusedPair, labels: np.ndarray, probabilities: np.ndarray) -> list[int]:
    """The surest right image of each of the two classes, where there is one."""
    predicted = probabilities.argmax(axis=1)
    found = []
    for k in pair[:2]:
        rows = np.flatnonzero((labels == k) & (predicted == k))
        if rows.size:
            found.append(int(rows[probabilities[rows, k].argmax()]))
    return found


def _words(row: int, probabilities: np.ndarray, names: Sequence[str], labels: np.ndarray) -> str:
    answer = int(probabilities[row].argmax())
    true = "" if answer == labels[row] else f"{names[labels[row]]}, named "
    return f"{true}{names[answer]} {probabilities[row, answer]:.2f}"
