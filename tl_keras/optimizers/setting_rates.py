"""Setting the learning rate in the midst of an epoch."""

import keras
import numpy as np


def set_learning_rate(model: keras.Model, rate: float) -> None:
    """Set the rate of the next training step, on every backend.

    On the JAX backend ``fit`` carries the optimizer's variables along by itself during an epoch: a
    rate that is assigned from the second step on is overwritten before anything reads it.

    Args:
        model: Compiled, with an optimizer whose rate is a number.
        rate: Learning rate.

    Example:
        >>> set_learning_rate(model, 1e-3)  # in on_train_batch_begin  # doctest: +SKIP
    """
    model.optimizer.learning_rate = rate
    state = getattr(model, "_jax_state", None)
    if not state or model._jax_state_synced:
        return
    import jax

    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    carried = state["optimizer_variables"]
    index = [id(v) for v in model.optimizer.variables].index(id(inner._learning_rate))
    value = np.asarray(rate, carried[index].dtype)
    carried[index] = jax.device_put(value, carried[index].sharding)
