"""Vectors of length 1, with a gradient that stays finite."""

from typing import Any

import keras

# Untrained bases say vectors as short as 1e-17.
_LEAST = 1e-18


def unit_vectors(vectors: Any) -> Any:
    """Divide vectors by their length.

    As ``keras.layers.UnitNormalization``, which in Keras 3.15.1 leaves vectors shorter than 1e-12
    short, and whose gradient at zeros is NaN under JAX and 1e12 under TensorFlow.

    Args:
        vectors: float32 (..., D), a tensor or a symbolic one; the graph then holds operations of
            ``keras.ops`` alone.

    Returns:
        The same shape, each of length 1; where no number is larger than 1e-18, zeros, with a
        gradient of 0.

    Example:
        >>> [round(float(x), 4) for x in unit_vectors(keras.ops.array([3.0, 4.0]))]
        [0.6, 0.8]
    """
    ops = keras.ops
    peak = ops.max(ops.abs(vectors), axis=-1, keepdims=True)
    seen = ops.greater(peak, _LEAST)
    # A common factor changes no direction, so none of the slope either; without it squares and
    # the root's slope leave the range of float32.
    scaled = vectors / ops.stop_gradient(ops.where(seen, peak, 1.0))
    squared = ops.sum(ops.square(scaled), axis=-1, keepdims=True)
    return scaled * ops.where(seen, ops.rsqrt(ops.where(seen, squared, 1.0)), 0.0)
