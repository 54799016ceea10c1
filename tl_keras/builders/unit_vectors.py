"""Vectors of length 1, with a gradient that stays finite."""

from typing import Any

import keras

# Of the squared length, as in tf.math.l2_normalize.
_LEAST = 1e-12


def unit_vectors(vectors: Any) -> Any:
    """Divide vectors by their length.

    As ``keras.layers.UnitNormalization``, whose gradient at a vector of zeros, in Keras 3.15.1, is
    NaN under JAX and 1e12 under TensorFlow; here it is at most 1e6.

    Args:
        vectors: float (..., D), a tensor or a symbolic one; the graph then holds operations of
            ``keras.ops`` alone.

    Returns:
        The same shape, each of length 1; what is shorter than 1e-6 stays shorter than 1, and zeros
        stay zeros.

    Example:
        >>> unit_vectors(keras.ops.array([[3.0, 4.0]])).tolist()  # doctest: +SKIP
        [[0.6, 0.8]]
    """
    squared = keras.ops.sum(keras.ops.square(vectors), axis=-1, keepdims=True)
    return vectors * keras.ops.rsqrt(keras.ops.maximum(squared, _LEAST))
