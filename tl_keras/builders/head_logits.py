"""Logits of a classifier from its pooled features, whatever its last layer makes of them."""

from collections.abc import Callable

import keras
import numpy as np

from tl_keras.builders.classifier import features_model, without_augmentation
from tl_keras.errors import InputError


def has_plain_head(model: keras.Model) -> bool:
    """Whether a classifier ends in one Dense layer of probabilities or logits, over features.

    Args:
        model: Any; ensembles and models of words have no such head.

    Example:
        >>> model = tl.build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> has_plain_head(model)
        True
    """
    layers = {layer.name: layer for layer in model.layers}
    last = layers.get("predictions")
    plain = isinstance(last, keras.layers.Dense) and last.use_bias and "pooling" in layers
    return plain and getattr(last.activation, "__name__", "") in ("softmax", "linear")


def before_last(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """What the last layer is given where the base gives these features.

    Args:
        model: With a plain head.

    Returns:
        From features, float32 (N, D), of the layer ``"pooling"``, to float32 (N, W): the features
        themselves, unless there are hidden layers.
    """
    plain = without_augmentation(model)
    # Where a layer stands in more than one model, this is its call in this one.
    last, call, _ = plain.output._keras_history
    (given,) = last._inbound_nodes[call].input_tensors
    features = features_model(plain).output
    if given is features:  # a model from a tensor to itself cannot be made
        return lambda rows: rows
    between = keras.Model(features, given)
    if all(isinstance(layer, keras.layers.InputLayer | keras.layers.Dropout)
           for layer in between.layers):  # fmt: skip
        return lambda rows: rows
    return lambda rows: between.predict(rows, batch_size=256, verbose=0)


def head_logits(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Logits of images from their pooled features.

    Args:
        model: With a plain head.

    Returns:
        From features, float32 (N, D), of the layer ``"pooling"``, to logits, float64 (N, C).

    Raises:
        InputError: The model has no plain head.

    Example:
        >>> model = tl.build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> head_logits(model)(np.zeros((2, 256), "float32")).tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if not has_plain_head(model):
        raise InputError(f"model {model.name!r} has no single last layer over pooled features")
    last, before = model.get_layer("predictions"), before_last(model)
    kernel, bias = (np.asarray(keras.ops.convert_to_numpy(v)) for v in (last.kernel, last.bias))
    return lambda rows: before(rows).astype("float64") @ kernel + bias
