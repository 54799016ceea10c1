"""Whether two models that saw the same images differ by more than chance."""

import math
from collections.abc import Sequence

import numpy as np

LEVEL = 0.05
"""A difference that chance alone makes more often than this is not told apart from none."""

_MOST = 4_000  # differences that are still added up exactly


def sign_flip(differences: np.ndarray) -> float:
    """How often chance alone makes a mean as far from 0, both ways, as that of these differences.

    Fisher's exact test of paired differences (1935, ch. 21): were there none, each could as well
    have had the other sign.  With one model a side and an answer an image, right or wrong, it is
    McNemar's exact test.  From some thousand differences on, the normal approximation.

    Args:
        differences: Whole numbers, one an image, (N,): how often the one model was right less how
            often the other was.

    Returns:
        The p-value, 0..1.

    Example:
        >>> sign_flip(np.array([1, 1, 1, 1, 1, 0, 0])), sign_flip(np.array([1, -1]))
        (0.0625, 1.0)
    """
    sizes = np.abs(np.asarray(differences, np.int64))
    sizes = sizes[sizes > 0]
    total, far = int(sizes.sum()), abs(int(np.sum(differences)))
    if not far:
        return 1.0
    if total > _MOST:
        # The sum takes every second whole number: half the way to the one before belongs to it.
        return math.erfc((far - 1) / math.sqrt(2 * float((sizes**2).sum())))
    chance = np.ones(1)
    for size in sizes.tolist():
        nothing = np.zeros(2 * size)
        chance = (np.concatenate([chance, nothing]) + np.concatenate([nothing, chance])) / 2
    sums = np.arange(-total, total + 1)
    return float(min(chance[np.abs(sums) >= far].sum(), 1.0))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values as they count where several are looked at (Holm 1979).

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    raised, least = [0.0] * len(p_values), 0.0
    for place, which in enumerate(np.argsort(p_values, kind="stable").tolist()):
        least = max(least, min((len(p_values) - place) * p_values[which], 1.0))
        raised[which] = least
    return raised
