"""What the methods share: checks of what is given, how many images at once, maps up to 1."""

from typing import Any

import keras
import numpy as np

from tl_keras.errors import InputError

_AT_ONCE, _SIDE = 16, 224  # images of that side, px: what bounds the memory
_MOST = 64


def checked(
    model: keras.Model, classes_known: int, images: Any, classes: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Images and classes as arrays that fit a model.

    Raises:
        InputError: They do not.
    """
    images, classes = np.asarray(images), np.asarray(classes)
    shape = tuple(model.input_shape[1:])
    if images.shape[1:] != shape or images.dtype.kind not in "uif":
        raise InputError(
            f"images are {images.dtype} of shape {images.shape}; the model needs numbers 0..255 "
            f"of shape (N, {', '.join(map(str, shape))})"
        )
    if classes.shape != images.shape[:1] or classes.dtype.kind not in "ui":
        raise InputError(
            f"classes are {classes.dtype} of shape {classes.shape}; give a whole number for each "
            f"of the {len(images)} images"
        )
    if classes.size and not 0 <= classes.min() <= classes.max() < classes_known:
        raise InputError(
            f"classes run from {classes.min()} to {classes.max()}; the model knows 0 to "
            f"{classes_known - 1}"
        )
    return images, classes


def at_once(side: int) -> int:
    """How many images of a side, px, to hold together: as many pixels, whatever the side.

    Example:
        >>> at_once(32), at_once(224), at_once(600)
        (64, 16, 2)
    """
    return min(max(1, _AT_ONCE * _SIDE**2 // side**2), _MOST)


def up_to_one(heat: np.ndarray, peak: float | None = None) -> np.ndarray:
    """A map without what is below zero, as a share of its peak.

    Args:
        heat: (S, S).
        peak: What becomes 1, with all above; by default the highest value.

    Returns:
        float32 (S, S), 0..1; all 0 where nothing is above zero.

    Example:
        >>> up_to_one(np.array([[-1.0, 2.0], [0.0, 4.0]])).tolist()
        [[0.0, 0.5], [0.0, 1.0]]
    """
    heat = np.maximum(heat, 0.0)
    top = peak if peak is not None and peak > 0 else heat.max()
    return np.minimum(heat / (top or 1.0), 1.0).astype("float32")
