"""The dropout layers of a built head: how much they drop can still be set."""

import keras

from tl_keras.builders.arguments import share
from tl_keras.errors import InputError


def set_dropout(model: keras.Model, dropout: float) -> None:
    """Set what share of features the head drops in training.

    Args:
        model: Of ``build_classifier`` or its kin, built with a dropout above 0.
        dropout: 0 <= dropout < 1; 0 drops nothing.

    Raises:
        InputError: The share is outside its range, or the model's head drops nothing.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> set_dropout(model, 0.5)
        >>> model.get_layer("dropout").rate
        0.5
    """
    rate = share(dropout, "dropout")
    layers = dropout_layers(model)
    if not layers:
        raise InputError(
            f"dropout={dropout!r} needs a head with dropout layers, and this model has none; build "
            "it with a dropout above 0, or leave dropout out of the recipe"
        )
    for layer in layers:
        layer.rate = rate


def dropout_layers(model: keras.Model) -> list[keras.layers.Dropout]:
    """The dropout layers of a model's head.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None, hidden=(8,))
        >>> [layer.name for layer in dropout_layers(model)]
        ['dropout', 'dropout_1']
    """
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
