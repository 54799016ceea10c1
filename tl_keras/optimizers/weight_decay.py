"""Weight decay only where it regularises: on kernels, not on biases, norms and positions."""

import re
from collections.abc import Iterator

import keras

from tl_keras.errors import InputError

_NORMS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
)
# Learned positions and class tokens of transformers; what timm's models list as `no_weight_decay`.
_POSITIONS = re.compile(r"pos(ition(al)?)?_?emb|relative_position|(cls|class)_token", re.IGNORECASE)


def undecayed_variables(model: keras.Model) -> list[keras.Variable]:
    """The variables of a model that weight decay is to spare.

    Biases; everything of normalisation layers; everything of at most one axis (so the scale of
    ConvNeXt's LayerScale); learned positions and class tokens.  Judged by layer and shape, as timm
    does, since a kernel may well be called ``gamma_conv`` and a scale may be called anything.

    Args:
        model: Any built model; frozen layers count too, for they may train later.

    Returns:
        The variables, in the model's order.

    Example:
        >>> layer = keras.layers.Dense(2)
        >>> model = keras.Sequential([keras.Input((3,)), layer])
        >>> [variable.name for variable in undecayed_variables(model)]
        ['bias']
    """
    return [variable for layer, variable in _owned(model) if _spared(layer, variable)]


def spare_from_decay(
    optimizer: keras.optimizers.Optimizer, model: keras.Model
) -> keras.optimizers.Optimizer:
    """Let an optimizer's weight decay spare biases, norms and positions of a model.

    Args:
        optimizer: Not built yet.  One of ``layer_wise`` keeps the choice when it is saved; Keras'
            own optimizers forget it.
        model: The model that it will train; see :func:`undecayed_variables`.

    Returns:
        The same optimizer.

    Raises:
        InputError: The optimizer is built already.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> optimizer = spare_from_decay(keras.optimizers.AdamW(weight_decay=0.05), model)
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if inner.built:
        raise InputError("spare_from_decay needs an optimizer that has not trained; give a new one")
    inner.exclude_from_weight_decay(var_list=undecayed_variables(model))
    return optimizer


def _owned(model: keras.Model) -> Iterator[tuple[keras.Layer, keras.Variable]]:
    """Each variable that can train, once, with the layer that holds it."""
    seen = set()
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables:
            if id(variable) not in seen:
                seen.add(id(variable))
                yield layer, variable


def _spared(layer: keras.Layer, variable: keras.Variable) -> bool:
    names = (variable.name, layer.name, type(layer).__name__)
    return (
        isinstance(layer, _NORMS)
        or len(variable.shape) <= 1
        or variable.name == "bias"  # of attention: heads by width
        or any(_POSITIONS.search(name) for name in names)
    )
