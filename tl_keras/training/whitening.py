"""A projection that heeds what differs between classes and not within: computed, not trained."""

import numpy as np

from tl_keras.errors import InputError

#: Of the mean variance within classes, added in all directions; see benchmarks/faces.py.
SHRINKAGE = 0.3
# Directions of less than this share of the widest one's spread are rounding errors of float32.
_LEAST_SPREAD = 1e-5


def learned_whitening(
    features: np.ndarray, labels: np.ndarray, dimension: int, shrinkage: float = SHRINKAGE
) -> tuple[np.ndarray, np.ndarray]:
    """Compute a Dense layer for features of a frozen backbone, ahead of a norm to length 1.

    Centred features are scaled so that images of one class (light, pose) vary alike in all
    directions, and of these the ones are kept in which the set varies most: the learned whitening
    of Mikolajczyk and Matas 2007, https://doi.org/10.1109/ICCV.2007.4408887, as Radenović, Tolias
    and Chum 2018, arXiv:1711.02512, use it.  Classes that were never seen profit, too.  Directions
    in which few images happen to lie still would be blown up; shrinkage keeps them (Ledoit and Wolf
    2004, https://doi.org/10.1016/S0047-259X(03)00096-4).

    Args:
        features: (N, D), finite.
        labels: Integers (N,); some class has two images or more, and there is another.
        dimension: Length K of the vectors, 2 or more; where the features have fewer directions,
            the last numbers are 0.
        shrinkage: Share of the mean variance within classes that is added in all directions,
            above 0.

    Returns:
        Kernel float32 (D, K) and bias float32 (K,).

    Raises:
        InputError: A feature is not finite, shapes do not fit, or no class varies.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> person = np.repeat(np.eye(2), 20, axis=0)  # what differs: small, and the light: large
        >>> x = person + rng.normal(size=(40, 1)) * [5.0, 5.0]
        >>> kernel, bias = learned_whitening(x, np.repeat([0, 1], 20), 2, 0.01)
        >>> vectors = x @ kernel + bias
        >>> bool((np.sign(vectors[:20, 0]) != np.sign(vectors[20:, 0])).all())
        True
    """
    x, labels = np.asarray(features, "float64"), np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not np.isfinite(x).all():
        raise InputError(
            f"whitening needs finite features (N, D) and labels (N,); got {x.shape}, {labels.shape}"
        )
    numbers = np.unique(labels, return_inverse=True)[1]
    counts = np.bincount(numbers)
    mean = x.mean(axis=0)
    _, spread, axes = np.linalg.svd(x - mean, full_matrices=False)
    axes = axes[spread > spread[0] * _LEAST_SPREAD].T
    seen = (x - mean) @ axes
    means = np.stack([seen[numbers == one].mean(axis=0) for one in range(len(counts))])
    within = seen - means[numbers]
    variances = within.T @ within / len(x)
    if len(counts) < 2 or not np.trace(variances) > 0:
        raise InputError(
            f"{len(x)} images of {len(counts)} classes do not say what differs within a class and "
            "between two; give two classes or more, and of some two images that differ"
        )
    variances += shrinkage * np.trace(variances) / len(variances) * np.eye(len(variances))
    values, directions = np.linalg.eigh(variances)
    scaling = directions / np.sqrt(values)
    scaled = seen @ scaling
    order = np.linalg.eigh(scaled.T @ scaled)[1][:, ::-1]
    found = axes @ scaling @ order[:, :dimension]
    kernel = np.zeros((x.shape[1], dimension))
    kernel[:, : found.shape[1]] = found
    return kernel.astype("float32"), (-mean @ kernel).astype("float32")


def share_within(vectors: np.ndarray, labels: np.ndarray) -> float:
    """The share of the variance of vectors that lies within classes: what whitening lowers.

    Args:
        vectors: (N, D).
        labels: Integers (N,).

    Returns:
        0 (all images of a class are one) to 1 (classes have the same mean).

    Example:
        >>> share_within(np.array([[0.0], [2.0], [4.0], [6.0]]), np.array([0, 0, 1, 1]))
        0.2
    """
    numbers = np.unique(labels, return_inverse=True)[1]
    means = np.stack([vectors[numbers == one].mean(axis=0) for one in range(numbers.max() + 1)])
    total = np.square(vectors - vectors.mean(axis=0)).sum()
    return float(np.square(vectors - means[numbers]).sum() / max(total, 1e-30))
