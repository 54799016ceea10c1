"""How well predicted outlines follow true ones."""

import cv2
import numpy as np

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


def boundary_f1(
    truth: np.ndarray, predicted: np.ndarray, classes: int, tolerance: float = 0.0075
) -> np.ndarray:
    """Boundary F1 of each class in one image.

    The measure of Csurka, Larlus and Perronnin (2013, https://doi.org/10.5244/C.27.32).  A class's
    boundary are its pixels beside one of another class; image borders and pixels beside unknown
    ones are none.  Precision is the share of the predicted boundary that lies within a distance of
    the true one, recall the reverse, and F1 their harmonic mean.

    Args:
        truth: True classes, ints (H, W); outside 0..classes-1: unknown, and left out of both.
        predicted: Predicted classes, ints (H, W).
        classes: C.
        tolerance: The distance as a share of the image's diagonal (the paper's 0.75 %), rounded to
            whole px, at least 1.

    Returns:
        float64 (C,), 0..1; NaN for a class that has no boundary in the truth.

    Example:
        >>> truth = np.zeros((40, 40), int)
        >>> truth[10:30, 10:30] = 1
        >>> boundary_f1(truth, np.roll(truth, 1, axis=0), 2).tolist()  # one px off is near enough
        [1.0, 1.0]
    """
    known = (truth >= 0) & (truth < classes)
    radius = max(1, round(tolerance * float(np.hypot(*truth.shape))))
    across = np.arange(-radius, radius + 1)
    disc = (across[:, None] ** 2 + across**2 <= radius**2).astype(np.uint8)
    edges = [_boundary(labels, known) for labels in (truth, predicted)]
    scores = np.full(classes, np.nan)
    for c in np.unique(truth[edges[0]]):
        true, given = (
            (edge & (labels == c)).astype(np.uint8)
            for edge, labels in zip(edges, (truth, predicted), strict=True)
        )
        near_true, near_given = cv2.dilate(true, disc), cv2.dilate(given, disc)
        precision = (given & near_true).sum() / max(given.sum(), 1)
        recall = (true & near_given).sum() / true.sum()
        total = precision + recall
        scores[int(c)] = 2 * precision * recall / total if total else 0.0
    return scores


def known_outline(truth: np.ndarray, classes: int) -> tuple[int, int]:
    """How much of an image's outlines is known.

    Args:
        truth: True classes, ints (H, W); outside 0..classes-1: unknown.
        classes: C.

    Returns:
        Known pixels beside one of another class, and known pixels beside unknown ones.

    Example:
        >>> known_outline(np.array([[0, 0, 1, 255, 2]]), 3)  # 0 | 1, and the unknown's neighbours
        (2, 2)
    """
    known = (truth >= 0) & (truth < classes)
    beside_unknown = known & cv2.dilate((~known).astype(np.uint8), _CROSS).astype(bool)
    return int(_boundary(truth, known).sum()), int(beside_unknown.sum())


def _boundary(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Known pixels with a known neighbour (of four) of another class."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        size = labels.shape[axis]
        first, second = ([slice(None)] * 2 for _ in range(2))
        first[axis], second[axis] = slice(0, size - 1), slice(1, size)
        a, b = tuple(first), tuple(second)
        differ = (labels[a] != labels[b]) & known[a] & known[b]
        edge[a] |= differ
        edge[b] |= differ
    return edge
