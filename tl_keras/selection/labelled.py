"""What every score of this room asks of features and labels."""

import numpy as np

from tl_keras.errors import InputError


def labelled(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check features and labels, and number the classes that there are.

    Args:
        features: (N, D), finite.
        labels: Integers (N,).

    Returns:
        float64 (N, D), and integers (N,) from 0 on without gaps.

    Raises:
        InputError: The shapes do not fit, a feature is not finite, or there is one class only.

    Example:
        >>> labelled([[1.0], [2.0]], [7, 3])[1].tolist()
        [1, 0]
    """
    x, labels = np.asarray(features, "float64"), np.asarray(labels)
    if x.ndim != 2 or not x.size or labels.shape != x.shape[:1] or not np.isfinite(x).all():
        raise InputError(
            f"a score needs finite features (N, D) and labels (N,); got {x.shape}, {labels.shape}"
        )
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise InputError("a score needs images of two classes or more; all have the same label")
    return x, numbers
