"""What no other beats in both of two respects: the Pareto front."""

from collections.abc import Sequence

import numpy as np


def unbeaten(score: Sequence[float], cost: Sequence[float]) -> list[int]:
    """Positions that no other beats: better at no more cost, or cheaper and no worse.

    Of several with the same score at the same cost the first is one.

    Args:
        score: Higher is better, (N,).
        cost: Lower is better, (N,).

    Returns:
        Positions, the cheapest first.

    Example:
        >>> unbeaten([0.5, 0.9, 0.7], [1.0, 3.0, 4.0])
        [0, 1]
    """
    order = np.lexsort((-np.asarray(score), np.asarray(cost)))
    front: list[int] = []
    for place in order.tolist():
        if not front or score[place] > score[front[-1]]:
            front.append(place)
    return front
