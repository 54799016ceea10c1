"""What p-values are worth where several are looked at."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values as large as they must be for all of them to count together (Holm 1979).

    Args:
        p_values: Of the tests, in any order.

    Returns:
        The adjusted ones, in the same order, at most 1.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    raised, least = [0.0] * len(p_values), 0.0
    for place, which in enumerate(np.argsort(p_values, kind="stable").tolist()):
        least = max(least, min((len(p_values) - place) * p_values[which], 1.0))
        raised[which] = least
    return raised
