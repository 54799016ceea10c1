"""An image classifier or tagger on a pretrained base, and its two halves."""

from collections.abc import Sequence
from typing import Any

import keras

from tl_keras.backbones.base import build_backbone
from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.registry import get_backbone
from tl_keras.builders.arguments import share, whole
from tl_keras.errors import InputError

_POOLINGS = ("avg", "max", "avg_max")


def build_classifier(
    backbone: str,
    num_classes: int,
    *,
    image_size: int | None = None,
    weights: str | None = "imagenet",
    pooling: str = "avg",
    hidden: Sequence[int] = (),
    dropout: float = 0.2,
    logits: bool = False,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build image -> preprocessing -> base -> pooling -> dropout -> Dense heads -> classes.

    The base is frozen, its BatchNorm layers in inference mode with it;
    ``tl_keras.unfreeze`` opens it stage by stage.  Head as in Keras' transfer-learning guide
    (https://keras.io/guides/transfer_learning/).

    Args:
        backbone: A name of ``list_backbones``.
        num_classes: Number of classes, at least 2.
        image_size: Side of the square image, px; by default the size the weights were made for.
        weights: Of the base, as in ``build_backbone``.
        pooling: ``"avg"`` or ``"max"`` over the feature map, or ``"avg_max"``, both side by side.
        hidden: Widths of Dense layers with ReLU before the last one, each followed by dropout.
        dropout: Share of features dropped in training, 0 <= dropout < 1; 0 leaves the layers out.
        logits: Whether the last layer returns logits instead of probabilities.
        augmentation: A layer or ``keras.Sequential`` from images 0..255 to images 0..255, put
            first under the name ``"augmentation"``.  Random layers of Keras 3.15.1 put what
            follows them into training mode when the model is called or exported; save
            ``without_augmentation(model)``.

    Returns:
        A functional ``keras.Model``.  Input ``"image"``: (batch, size, size, 3) RGB, 0..255, any
        dtype.  Output: float32 (batch, num_classes).  Named layers: ``"preprocessing"``, the
        backbone's name, ``"pooling"``, ``"dropout"``, ``"hidden_1"``, …, ``"predictions"``.

    Raises:
        InputError: An argument cannot be used, or the weights cannot be had.

    Example:
        >>> model = build_classifier("mobilenet_v2_035", 3, image_size=64, weights=None)
        >>> model.predict(keras.ops.zeros((2, 64, 64, 3)), verbose=0).shape
        (2, 3)
    """
    classes = whole(num_classes, 2, "num_classes", "give the number of classes, 2 or more")
    activation = None if logits else "softmax"
    return _build(
        "classifier", classes, activation, backbone, image_size, weights, pooling, hidden, dropout,
        augmentation,
    )  # fmt: skip


def build_tagger(
    backbone: str,
    num_tags: int,
    *,
    image_size: int | None = None,
    weights: str | None = "imagenet",
    pooling: str = "avg",
    hidden: Sequence[int] = (),
    dropout: float = 0.2,
    logits: bool = False,
    augmentation: keras.Layer | None = None,
) -> keras.Model:
    """Build a multi-label model: as :func:`build_classifier`, with a sigmoid for every tag.

    Args:
        backbone: As for :func:`build_classifier`, and so are the others.
        num_tags: Number of tags, at least 1; an image may have any number of them.
        image_size: Side of the square image, px.
        weights: Of the base.
        pooling: ``"avg"``, ``"max"`` or ``"avg_max"``.
        hidden: Widths of Dense layers before the last one.
        dropout: Share of features dropped in training.
        logits: Whether the last layer returns logits instead of probabilities.
        augmentation: Put first under the name ``"augmentation"``.

    Returns:
        A functional ``keras.Model``: images (batch, size, size, 3) RGB, 0..255, to float32
        (batch, num_tags), each 0..1.  Layers are named as those of :func:`build_classifier`.

    Raises:
        InputError: An argument cannot be used, or the weights cannot be had.

    Example:
        >>> model = build_tagger("mobilenet_v2_035", 5, image_size=64, weights=None)
        >>> model.get_layer("predictions").activation.__name__
        'sigmoid'
    """
    tags = whole(num_tags, 1, "num_tags", "give the number of tags, 1 or more")
    activation = None if logits else "sigmoid"
    return _build(
        "tagger", tags, activation, backbone, image_size, weights, pooling, hidden, dropout,
        augmentation,
    )  # fmt: skip


def _build(
    name: str, outputs: int, activation: str | None, backbone: str, image_size: int | None,
    weights: str | None, pooling: str, hidden: Sequence[int], dropout: float,
    augmentation: keras.Layer | None,
) -> keras.Model:  # fmt: skip
    record = get_backbone(backbone)
    widths = [whole(width, 1, "hidden", "give widths of 1 or more") for width in _listed(hidden)]
    if pooling not in _POOLINGS:
        raise InputError(f"pooling={pooling!r} is unknown; give one of {', '.join(_POOLINGS)}")
    dropout = share(dropout, "dropout")
    if augmentation is not None and not isinstance(augmentation, keras.Layer):
        raise InputError(
            f"augmentation={augmentation!r} is no layer; give a keras.Layer, such as a "
            "keras.Sequential of Random layers"
        )
    base = build_backbone(backbone, image_size, weights)
    base.trainable = False

    image = keras.Input(base.input_shape[1:], name="image")
    x = image
    if augmentation is not None:
        if augmentation.name != "augmentation":
            augmentation = keras.Sequential([augmentation], name="augmentation")
        x = augmentation(x)
    x = _pool(base(apply_preprocessing(record, x)), pooling)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    for i, width in enumerate(widths, start=1):
        x = keras.layers.Dense(width, activation="relu", name=f"hidden_{i}")(x)
        if dropout:
            x = keras.layers.Dropout(dropout, name=f"dropout_{i}")(x)
    # float32 also under a half-precision policy: a loss of logarithms needs the digits.
    head = keras.layers.Dense(outputs, activation=activation, dtype="float32", name="predictions")
    return keras.Model(image, head(x), name=name)


def augments_itself(model: keras.Model) -> bool:
    """Whether a model changes its images at random: it has a layer named ``"augmentation"``.

    Example:
        >>> flip = keras.layers.RandomFlip()
        >>> model = build_classifier(
        ...     "mobilenet_025", 3, image_size=32, weights=None, augmentation=flip
        ... )
        >>> augments_itself(model), augments_itself(without_augmentation(model))
        (True, False)
    """
    return any(layer.name == "augmentation" for layer in model.layers)


def without_augmentation(model: keras.Model) -> keras.Model:
    """The same model minus its augmentation, sharing every other layer.

    Args:
        model: A model of :func:`build_classifier`, built here or reloaded.

    Returns:
        The model itself if it holds no layer named ``"augmentation"``; else an uncompiled model
        over the same layers.

    Example:
        >>> flip = keras.layers.RandomFlip()
        >>> model = build_classifier(
        ...     "mobilenet_025", 3, image_size=32, weights=None, augmentation=flip
        ... )
        >>> plain = without_augmentation(model)
        >>> "augmentation" in [layer.name for layer in plain.layers]
        False
        >>> plain.get_layer("predictions") is model.get_layer("predictions")
        True
    """
    if not augments_itself(model):
        return model

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        return args[0] if layer.name == "augmentation" else layer(*args, **kwargs)

    # Going through keras.Model(model.input, …) keeps a compiled model's optimizer out of it.
    bare = keras.Model(model.input, model.output, name=model.name)
    return keras.models.clone_model(bare, clone_function=lambda layer: layer, call_function=call)


def features_model(model: keras.Model) -> keras.Model:
    """From images to pooled features, without augmentation, sharing layers with the model.

    Args:
        model: A model of :func:`build_classifier`.

    Returns:
        Images (batch, size, size, 3) -> features (batch, width).

    Raises:
        InputError: The model has no layer named ``"pooling"``.

    Example:
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> features_model(model).output_shape
        (None, 256)
    """
    plain = without_augmentation(model)
    return keras.Model(plain.input, _pooled(plain), name="features")


def head_model(model: keras.Model) -> keras.Model:
    """From pooled features to classes, sharing layers with the model: to train it trains the model.

    Args:
        model: A model of :func:`build_classifier`.

    Returns:
        Features (batch, width) -> predictions (batch, num_classes).

    Raises:
        InputError: The model has no layer named ``"pooling"``.

    Example:
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> head = head_model(model)
        >>> head.input_shape, head.get_layer("predictions") is model.get_layer("predictions")
        ((None, 256), True)
    """
    return keras.Model(_pooled(model), model.output, name="head")


def _pool(features: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    if pooling == "avg":
        return keras.layers.GlobalAveragePooling2D(name="pooling")(features)
    if pooling == "max":
        return keras.layers.GlobalMaxPooling2D(name="pooling")(features)
    average = keras.layers.GlobalAveragePooling2D(name="pooling_avg")(features)
    maximum = keras.layers.GlobalMaxPooling2D(name="pooling_max")(features)
    return keras.layers.Concatenate(name="pooling")([average, maximum])


def _pooled(model: keras.Model) -> keras.KerasTensor:
    """The tensor behind the layer "pooling" in this model's own graph."""
    pending = [model.output]
    while pending:
        operation, index, _ = pending.pop()._keras_history
        node = operation._inbound_nodes[index]
        if operation.name == "pooling":
            return node.outputs[0]
        pending.extend(node.input_tensors)
    raise InputError(
        f"model {model.name!r} has no layer named 'pooling'; give one of tl_keras.build_classifier"
    )


def _listed(hidden: Any) -> list[Any]:
    if isinstance(hidden, str) or not isinstance(hidden, Sequence):
        raise InputError(f"hidden={hidden!r} is no sequence of widths; give such as (256,)")
    return list(hidden)
