"""Some images of every class, where features of all would be too many to keep."""

import numpy as np

# Enough to know a class by; features of 1,000 images are a few MB.
MOST_OF_A_CLASS, MOST = 100, 1_000


def even_positions(labels: np.ndarray) -> np.ndarray:
    """Positions of at most 100 images of each class and about 1,000 in all.

    Example:
        >>> np.bincount(np.arange(2)[np.arange(300) % 2][even_positions(np.arange(300) % 2)])
        array([100, 100])
    """
    counts = np.bincount(labels)
    each = min(MOST_OF_A_CLASS, max(2, MOST // max(int((counts > 0).sum()), 1)))
    order = np.random.default_rng(0).permutation(len(labels))
    kept = [order[labels[order] == label][:each] for label in range(len(counts))]
    return np.sort(np.concatenate(kept))
