"""Whether two models that saw the same images differ by more than chance."""

import math

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
