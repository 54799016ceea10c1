"""Lists that are not ten times the same: places in proportion, and maximal marginal relevance."""

from collections.abc import Sequence

import numpy as np


def places(shares: Sequence[float], k: int) -> list[int]:
    """Deals the places of a list to interests in proportion to their shares.

    By the method of Sainte-Laguë, as seats to parties: every first part of the list is in
    proportion, too.  (That a list should mirror how strong each interest is: Steck 2018,
    "Calibrated recommendations", https://doi.org/10.1145/3240323.3240372.)

    Args:
        shares: Of each interest, above 0.
        k: How many places.

    Returns:
        The number of the interest that each place is for.

    Example:
        >>> places([0.8, 0.2], 5)
        [0, 0, 1, 0, 0]
    """
    given = np.zeros(len(shares))
    dealt = []
    for _ in range(k):
        dealt.append(int(np.argmax(np.asarray(shares) / (2 * given + 1))))
        given[dealt[-1]] += 1
    return dealt


def diversified(
    relevance: np.ndarray, likeness: np.ndarray, turns: Sequence[int], diversity: float
) -> list[tuple[int, int]]:
    """Fills a list by relevance and by how little each item is like those above it.

    Maximal marginal relevance (Carbonell and Goldstein 1998, https://doi.org/10.1145/290941.291025):
    next comes what has the highest
    ``(1 - diversity) * relevance - diversity * max(likeness to those above)``; here by the
    relevance to the interest whose turn it is, or, where nothing is left for it, to the one that
    has the most relevant left.

    Args:
        relevance: Of N candidates for each interest, (I, N), at most 1; below 0: not for it.
        likeness: Of each pair of candidates, (N, N), 0..1; NaN: they are never shown together.
        turns: The interest that each place is for; fewer are filled where all others must not be
            shown together with those above.
        diversity: 0 (by relevance alone) to 1 (as unlike as possible, after the first).

    Returns:
        Interest and candidate of each place; the earlier candidate where two are equal.

    Example:
        >>> likeness = np.array([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]])
        >>> diversified(np.array([[1.0, 0.9, 0.5]]), likeness, [0, 0], diversity=0.5)
        [(0, 0), (0, 2)]
    """
    relevance = np.asarray(relevance, np.float64)
    left = np.ones(relevance.shape[1], bool)
    nearest = np.zeros(len(left))
    chosen: list[tuple[int, int]] = []
    for turn in turns:
        if not left.any():
            break
        most = np.where(left, relevance, -np.inf).max(axis=1)
        interest = turn if most[turn] >= 0 else int(most.argmax())
        value = relevance[interest]
        if chosen:  # before there is one to differ from, relevance alone decides
            value = (1 - diversity) * value - diversity * nearest
        usable = left & (relevance[interest] >= 0) if most[interest] >= 0 else left
        best = int(np.argmax(np.where(usable, value, -np.inf)))
        chosen.append((interest, best))
        left[best] = False
        left &= ~np.isnan(likeness[best])
        nearest = np.fmax(nearest, likeness[best])
    return chosen
