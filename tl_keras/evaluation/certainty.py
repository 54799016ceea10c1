"""The images that a classifier is surest of and least sure of."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tl_keras.evaluation.picture_pool import PicturePool

_SHOWN = 6


class Certainty(NamedTuple):
    """Numbers of images by the probability of their most probable class.

    Attributes:
        most: The surest first, wrong ones before right ones where equally sure.
        least: The least sure first.
    """

    most: list[int]
    least: list[int]


def by_certainty(labels: np.ndarray, probabilities: np.ndarray, count: int = _SHOWN) -> Certainty:
    """Picks the images of both ends; none stands at both.

    Args:
        labels: True classes, int (N,).
        probabilities: float (N, C).
        count: How many at most of each end.

    Example:
        >>> by_certainty(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]), 1)
        Certainty(most=[0], least=[1])
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.lexsort((np.arange(len(sure)), right, -sure))
    count = min(count, (len(order) + 1) // 2)
    return Certainty(order[:count].tolist(), order[max(count, len(order) - count) :][::-1].tolist())


def certainty_section(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], pool: PicturePool
) -> str:
    """Both ends with pictures, right answers framed green and wrong ones dashed red.

    Args:
        labels: True classes, int (N,).
        probabilities: float (N, C).
        names: The C names.
        pool: For the pictures.

    Returns:
        HTML.
    """
    found = by_certainty(labels, probabilities)
    parts = []
    for title, rows in (("Surest", found.most), ("Least sure", found.least)):
        figures = "".join(_figure(row, labels, probabilities, names, pool) for row in rows)
        if figures:
            parts.append(f'<h3>{title}</h3><div class="thumbs">{figures}</div>')
    note = (
        "By the probability of the answer. What is sure and wrong (✗) may bear a wrong label; what "
        "is unsure is what more training images should look like."
    )
    return f"<p>{note}</p>{''.join(parts)}"


def _figure(
    row: int, labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str],
    pool: PicturePool,
) -> str:  # fmt: skip
    answer = int(probabilities[row].argmax())
    said = f"{names[answer]} {probabilities[row, answer]:.2f}"
    if answer == labels[row]:
        return pool.figure(row, f"✓ {said}", "right")
    return pool.figure(row, f"✗ {said}, is {names[labels[row]]}", "wrong")
