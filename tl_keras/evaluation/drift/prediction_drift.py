"""Whether a model says other things of one sample than of another."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.evaluation.drift.told_apart import PERMUTATIONS, permutation_p


def prediction_drift(
    old: np.ndarray, new: np.ndarray, names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Compare what is predicted how often, and how surely.

    Shares of the classes by the chi-square statistic, means of the highest probability by their
    difference, both with the p value of 999 permutations, which needs no minimum count a class.

    Args:
        old: Probabilities (N, C), or of tags, of which several may hold.
        new: The same (M, C).
        names: Of the columns.
        seed: Of the permutations.

    Returns:
        ``shares``: ``old`` and ``new`` (names to shares of the images of which this is the most
        probable), ``divergence`` (Jensen and Shannon's, bits: 0 the same, 1 nothing in common)
        and ``p``; ``confidence``: ``old``, ``new`` and ``p``.

    Example:
        >>> old, new = np.eye(2)[[0] * 20 + [1] * 20], np.eye(2)[[0] * 38 + [1] * 2]
        >>> found = prediction_drift(old, new, ["ant", "bee"])
        >>> found["shares"]["new"], found["shares"]["p"], found["confidence"]["p"]
        ({'ant': 0.95, 'bee': 0.05}, 0.001, 1.0)
    """
    rng = np.random.default_rng(seed)
    said = np.concatenate([old, new])
    marks = np.repeat([False, True], (len(old), len(new)))
    drawn = np.stack([marks, *(rng.permutation(marks) for _ in range(PERMUTATIONS))], axis=1)
    chosen = np.eye(said.shape[1])[said.argmax(axis=1)]
    counts = chosen.T @ drawn  # of the new ones, by class and permutation
    totals = chosen.sum(axis=0)[:, None]
    expected = totals * len(new) / len(said)
    there = totals[:, 0] > 0
    chi = ((counts - expected)[there] ** 2 / expected[there]).sum(axis=0)
    first = counts[:, 0]
    shares = (totals[:, 0] - first) / len(old), first / len(new)
    surest = said.max(axis=1)
    of_new = surest @ drawn / len(new)
    of_old = (surest.sum() - surest @ drawn) / len(old)
    apart = np.abs(of_new - of_old)
    return {
        "shares": {
            **{key: dict(zip(names, map(float, part), strict=True))
               for key, part in zip(("old", "new"), shares, strict=True)},
            "divergence": divergence(*shares),
            "p": permutation_p(chi[0], chi[1:]),
        },
        "confidence": {
            "old": float(of_old[0]), "new": float(of_new[0]),
            "p": permutation_p(apart[0], apart[1:]),
        },
    }  # fmt: skip


def divergence(one: np.ndarray, other: np.ndarray) -> float:
    """Jensen and Shannon's divergence of two distributions, bits, 0..1.

    Example:
        >>> divergence(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
        1.0
    """
    middle = (one + other) / 2

    def towards(part: np.ndarray) -> float:
        there = part > 0
        return float((part[there] * np.log2(part[there] / middle[there])).sum())

    return max(0.0, (towards(one) + towards(other)) / 2)
