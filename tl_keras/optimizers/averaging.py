"""Averages of the weights, kept by an optimizer with ``use_ema``."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Within the block the model has the averages of its weights; afterwards its own, bit for bit.

    Averages of weights are often better than the last ones (Polyak & Juditsky 1992; Izmailov et
    al. 2018, arXiv:1803.05407).  Nothing happens where the optimizer keeps none, or has not made a
    step.

    Args:
        model: Compiled.

    Example:
        >>> with averaged_weights(model):  # doctest: +SKIP
        ...     best = model.get_weights()
    """
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    averages = getattr(optimizer, "_model_variables_moving_average", None)
    # Averages are zero until the first step sets them.
    if averages is None or not int(keras.ops.convert_to_numpy(optimizer._iterations)):
        yield
        return
    variables = optimizer._trainable_variables
    pairs = [(v, a) for v, a in zip(variables, averages, strict=True) if a is not None]
    held = [keras.ops.convert_to_numpy(variable) for variable, _ in pairs]
    try:
        for variable, average in pairs:
            # A copy: JAX gives the buffers of what it evaluates away.
            variable.assign(keras.ops.copy(average))
        yield
    finally:
        for (variable, _), values in zip(pairs, held, strict=True):
            variable.assign(values)
