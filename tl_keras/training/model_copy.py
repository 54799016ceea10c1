"""A copy of a model to try things on."""

import random

import keras

from tl_keras.errors import InputError


def copy_model(model: keras.Model) -> keras.Model:
    """A model with the same layers, values and trainable flags, and variables of its own.

    The original is only read.  Compile state and optimizer are not copied.  The flags need
    copying by hand: the configuration of a nested model holds one flag for all of its layers.

    Args:
        model: A built model, of Keras' functional or sequential kind, or a subclass with
            ``get_config``.

    Returns:
        The copy, not compiled.

    Raises:
        InputError: Keras cannot make a copy of this model.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> copy = copy_model(model)
        >>> bool((copy.layers[0].kernel.numpy() == model.layers[0].kernel.numpy()).all())
        True
        >>> copy.layers[0].kernel is model.layers[0].kernel
        False
    """
    # Layers without a seed draw one when they are made, from Python's generator.
    state = random.getstate()
    try:
        copy = keras.models.clone_model(model)
    except Exception as error:
        raise InputError(
            f"Keras cannot copy model {model.name!r} ({str(error).splitlines()[0]}); give a "
            "functional or sequential model, or a subclass with get_config"
        ) from None
    finally:
        random.setstate(state)
    layers, own = model._flatten_layers(), copy._flatten_layers()
    pairs = [list(model.variables), list(copy.variables)], [list(layers), list(own)]
    if any(len(one) != len(other) for one, other in pairs):
        raise InputError(
            f"a copy of model {model.name!r} has other variables than the model; build it first "
            "(call it on a batch), or give a functional or sequential model"
        )
    # Through numpy: JAX would share the array, and a training step gives its memory away.
    for old, new in zip(*pairs[0], strict=True):
        new.assign(old.numpy())
    # From the outermost in: setting a container sets what it holds.
    for old, new in zip(*pairs[1], strict=True):
        new.trainable = old.trainable
    return copy


def seed_copy(copy: keras.Model, seed: int) -> None:
    """Make what is random inside a model (dropout, augmentation) a function of a seed.

    Args:
        copy: A model whose state may change, such as of :func:`copy_model`.
        seed: A whole number from 0 on.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])
        >>> seed_copy(model, 7)
        >>> model.variables[0].numpy().tolist()
        [7, 0]
    """
    weights = {id(variable) for variable in copy.weights}
    states = [variable for variable in copy.variables if id(variable) not in weights]
    for number, state in enumerate(states):
        state.assign(keras.ops.cast([seed % 2**32, number], state.dtype))
