"""Vectors of length 1, with a gradient that stays finite."""

from typing import Any

import keras

# Of the squared length: what float32 still holds.  Untrained bases say vectors as short as 1e-17.
_LEAST = 1e-36


def unit_vectors(vectors: Any) -> Any:
    """Divide vectors by their length.

    As ``keras.layers.UnitNormalization``, which in Keras 3.15.1 leaves vectors shorter than 1e-12
    short, and whose gradient at zeros is NaN under JAX and 1e12 under TensorFlow.

    Args:
        vectors: float32 (..., D), a tensor or a symbolic one; the graph then holds operations of
            ``keras.ops`` alone.

    Returns:
        The same shape, each of length 1; what is shorter than 1e-18 becomes zeros, with a gradient
        of 0.

    Example:
        >>> [round(float(x), 4) for x in unit_vectors(keras.ops.array([3.0, 4.0]))]
        [0.6, 0.8]
    """
    squared = keras.ops.sum(keras.ops.square(vectors), axis=-1, keepdims=True)
    inverse = keras.ops.rsqrt(keras.ops.maximum(squared, _LEAST))
    return vectors * keras.ops.where(keras.ops.greater(squared, _LEAST), inverse, 0.0)
