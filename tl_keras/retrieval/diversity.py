"""Suggestions that are not ten times the same: maximal marginal relevance."""

import numpy as np


def diversified(relevance: np.ndarray, likeness: np.ndarray, k: int, diversity: float) -> list[int]:
    """Chooses k by relevance and by how little each is like those chosen before.

    Maximal marginal relevance (Carbonell and Goldstein 1998, https://doi.org/10.1145/290941.291025):
    the next is the one with the highest
    ``(1 - diversity) * relevance - diversity * max(likeness to those chosen)``.

    Args:
        relevance: Of N candidates, on the scale of ``likeness``.
        likeness: Of each pair, (N, N), 0..1; NaN: they are never shown together.
        k: How many; fewer come where all others must not be shown together.
        diversity: 0 (by relevance alone) to 1 (as unlike as possible, after the first).

    Returns:
        Positions, the first chosen first; the earlier position where two are equal.

    Example:
        >>> likeness = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]])
        >>> diversified(np.array([1.0, 0.9, 0.5]), likeness, 2, diversity=0.5)
        [0, 2]
    """
    relevance = np.asarray(relevance, np.float64)
    left = np.ones(len(relevance), bool)
    nearest = np.zeros(len(relevance))
    chosen: list[int] = []
    while len(chosen) < k and left.any():
        # Before there is one to differ from, relevance alone decides.
        value = relevance if not chosen else (1 - diversity) * relevance - diversity * nearest
        best = int(np.argmax(np.where(left, value, -np.inf)))
        chosen.append(best)
        left[best] = False
        left &= ~np.isnan(likeness[best])
        nearest = np.fmax(nearest, likeness[best])
    return chosen
