"""From which probability on an image has a tag: a threshold per tag, tuned for F1."""

import numpy as np

# A threshold fitted to fewer images than this would be theirs alone; the tag takes the common one.
_FEWEST = 5


def best_thresholds(tags: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Thresholds with the highest F1 on these images.

    Halfway between the two probabilities that it separates.  A tag that fewer than 5 images are
    known to have takes the one threshold that is best for all tags together (maximal micro F1).
    Thresholds per label: Lipton, Elkan and Naryanaswamy 2014, arXiv:1402.1892.

    Args:
        tags: int (N, T): 1 present, 0 absent, -1 not known.
        probabilities: float (N, T), 0..1.

    Returns:
        float64 (T,), each 0..1.

    Example:
        >>> tags = np.array([[1]] * 5 + [[0]] * 5)
        >>> best_thresholds(tags, np.array([[0.3]] * 5 + [[0.1]] * 5)).round(3).tolist()
        [0.2]
    """
    known = tags >= 0
    common = _best(tags[known] == 1, probabilities[known])
    found = np.full(tags.shape[1], common)
    for t in range(tags.shape[1]):
        rows = known[:, t]
        present = tags[rows, t] == 1
        if _FEWEST <= present.sum() < len(present):
            found[t] = _best(present, probabilities[rows, t])
    return found


def cross_fitted(tags: np.ndarray, probabilities: np.ndarray, seed: int = 0) -> np.ndarray:
    """Thresholds for measuring on the images that they are tuned on: each half has the other's.

    Args:
        tags: As for :func:`best_thresholds`.
        probabilities: The same.
        seed: Of the halves.

    Returns:
        float64 (N, T).

    Example:
        >>> cross_fitted(np.zeros((4, 2), int), np.full((4, 2), 0.2)).shape
        (4, 2)
    """
    order = np.random.default_rng(seed).permutation(len(tags))
    halves = np.array_split(order, 2)
    found = np.empty(tags.shape)
    for own, other in (halves, halves[::-1]):
        found[own] = best_thresholds(tags[other], probabilities[other])
    return found


def _best(present: np.ndarray, scores: np.ndarray) -> float:
    if not present.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(present[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + present.sum())
    # Between equal scores no threshold fits.
    f1[:-1][ranked[1:] == ranked[:-1]] = -1.0
    k = int(f1.argmax())
    below = ranked[k + 1] if k + 1 < len(ranked) else 0.0
    return float((ranked[k] + below) / 2)
