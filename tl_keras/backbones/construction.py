"""From a record to a plain functional model, whatever the builder's own habits are."""

import importlib
from collections.abc import Callable

import keras

from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.record import Backbone
from tl_keras.errors import InputError


def construct(record: Backbone, image_size: int, weights: str | None = None) -> keras.Model:
    """Call a record's builder and bring what it returns into the house's form.

    Args:
        record: The backbone.
        image_size: Side of the square image, px.
        weights: None (random), ``"imagenet"``, or a path that Keras' own builder reads.

    Returns:
        The base, named after the record, without any preprocessing of its own.

    Raises:
        InputError: The builder returns no functional model with a feature map as output, or the
            weights expect another preprocessing than the record names.

    Example:
        >>> from tl_keras.backbones.registry import get_backbone
        >>> construct(get_backbone("efficientnet_b0"), 32).layers[1].name
        'stem_conv_pad'
    """
    arguments = dict(record.arguments)
    if "imagenet" in record.weights:
        arguments["weights"] = weights
    raw = _resolve(record)(input_shape=(image_size, image_size, 3), **arguments)
    if not hasattr(raw, "operations") or len(raw.output_shape) != 4:
        raise InputError(
            f"the builder of backbone {record.name!r} returned {type(raw).__name__} where a "
            "functional keras.Model with a (batch, height, width, channels) output was expected"
        )
    inputs = raw.input
    if record.first_layer is not None:
        inputs = raw.get_layer(record.first_layer).input
        if weights == "imagenet":
            _check_cut(record, keras.Model(raw.input, inputs))
    # A new model over the same layers: several builders take the name of the weights file from
    # the name of the model, so it cannot be given to them.
    return keras.Model(inputs, raw.output, name=record.name)


def _resolve(record: Backbone) -> Callable[..., keras.Model]:
    if callable(record.builder):
        return record.builder
    module, _, function = record.builder.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"the builder {record.builder!r} of backbone {record.name!r} cannot be imported "
            f"({error}); install what it needs or correct the record"
        ) from error


def _check_cut(record: Backbone, cut_away: keras.Model) -> None:
    """What is cut away must do what the record's preprocessing does, or features are wrong."""
    pixels = keras.ops.reshape(keras.ops.arange(0, 48, dtype="float32") * 5.3, (1, 4, 4, 3))
    size = cut_away.input_shape[1]
    pixels = keras.ops.pad(pixels, ((0, 0), (0, size - 4), (0, size - 4), (0, 0)))
    image = keras.Input(cut_away.input_shape[1:])
    ours = keras.Model(image, apply_preprocessing(record, image))
    gap = float(keras.ops.max(keras.ops.abs(ours(pixels) - cut_away(pixels))))
    if gap > 0.02:
        raise InputError(
            f"these weights of {record.name} expect preprocessing other than "
            f"{record.preprocessing!r} (off by {gap:.2g}); delete the cached file and fetch it anew"
        )
