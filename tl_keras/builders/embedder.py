"""An image as a vector of length 1: embedders, made anew or taken out of other models."""

import keras

from tl_keras.backbones.base import build_backbone
from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.pyramid import pyramid_taps
from tl_keras.backbones.registry import get_backbone
from tl_keras.builders.arguments import share, whole
from tl_keras.builders.classifier import without_augmentation
from tl_keras.builders.unit_vectors import unit_vectors
from tl_keras.errors import InputError

_POOLINGS = ("avg", "max", "gem")
_FEATURES = ("pooled", "last")
_GEM_POWER = 3.0
# The floor of the authors' own code; below it the root's gradient would grow without end.
_GEM_LEAST = 1e-6


def build_embedder(
    backbone: str,
    dimension: int | None = 256,
    *,
    image_size: int | None = None,
    weights: str | None = "imagenet",
    pooling: str = "avg",
    dropout: float = 0.0,
    stride: int | None = None,
) -> keras.Model:
    """Build image -> preprocessing -> base -> pooling -> projection -> vector of length 1.

    The cosine of two images is the dot product of their vectors.  The base is frozen, its
    BatchNorm layers in inference mode with it; ``tl_keras.unfreeze`` opens it stage by stage.
    Train with a loss of ``tl_keras.tasks.embedding_objective``; with ``dimension=None`` it is of
    use untrained.

    ``"gem"`` is the generalised mean ``mean(x^p)^(1/p)`` (Radenović, Tolias and Chum 2018,
    arXiv:1711.02512), between the average (p = 1) and the maximum.  Here p is fixed at 3, where the
    paper starts and near which its learned values stay: so the layers are all built-in ones.
    Features below 1e-6 count as 1e-6.

    Args:
        backbone: A name of ``list_backbones``.
        dimension: Length of the vector, at least 2; None leaves the projection out: the vector is
            as long as the base has channels.
        image_size: Side of the square image, px; by default the size the weights were made for.
        weights: Of the base, as in ``build_backbone``.
        pooling: ``"avg"``, ``"max"`` or ``"gem"`` over the feature map.
        dropout: Share of features dropped in training, 0 <= dropout < 1; 0 leaves the layer out.
        stride: Image px per cell of the feature map that is pooled, such as 16; what lies behind it
            is left out.  By default the base's last map, which knows most of the kinds of things it
            was trained on; one before tells things of one kind, such as faces, better apart.

    Returns:
        A functional ``keras.Model`` named ``"embedder"``, of built-in layers only.  Input
        ``"image"``: (batch, size, size, 3) RGB, 0..255, any dtype.  Output: float32 (batch,
        dimension), each row of length 1 (zeros where all features are zero).  Named layers:
        ``"preprocessing"``, the backbone's name, ``"pooling"``, ``"dropout"``, ``"projection"``,
        ``"predictions"``.

    Raises:
        InputError: An argument cannot be used, or the weights cannot be had.

    Example:
        >>> model = build_embedder("mobilenet_025", 16, image_size=32, weights=None)
        >>> vectors = model.predict(keras.ops.ones((2, 32, 32, 3)), verbose=0)
        >>> vectors.shape, (vectors**2).sum(-1).round(3).tolist()
        ((2, 16), [1.0, 1.0])
    """
    record = get_backbone(backbone)
    if dimension is not None:
        dimension = whole(dimension, 2, "dimension", "give 2 or more, or None for no projection")
    if pooling not in _POOLINGS:
        raise InputError(f"pooling={pooling!r} is unknown; give one of {', '.join(_POOLINGS)}")
    dropout = share(dropout, "dropout")
    base = build_backbone(backbone, image_size, weights)
    if stride is not None:
        base = keras.Model(base.input, pyramid_taps(base, (stride,))[stride], name=base.name)
    base.trainable = False
    image = keras.Input(base.input_shape[1:], name="image")
    x = _pool(base(apply_preprocessing(record, image)), pooling)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    if dimension is not None:
        # float32 also under a half-precision policy: neighbours differ in late digits.
        x = keras.layers.Dense(dimension, dtype="float32", name="projection")(x)
    return as_embedder(image, x)


def embedder_of(model: keras.Model, features: str = "pooled") -> keras.Model:
    """The embedder within a model, sharing its layers; nothing is trained or copied.

    Args:
        model: Of ``build_classifier`` or ``build_tagger``, whose features become the vector; or of
            ``margin_head`` or :func:`build_embedder`, whose own vector is taken.  Built here or
            reloaded.
        features: Of a classifier: ``"pooled"``, behind the base, which suits images unlike those
            trained on; or ``"last"``, what the last layer reads, behind hidden layers if it has
            any, and then made for its classes.

    Returns:
        Images (batch, size, size, 3) -> float32 (batch, D), each row of length 1, without
        augmentation, named ``"embedder"``.

    Raises:
        InputError: ``features`` is unknown, or the model has no layer of that kind.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None, hidden=[8])
        >>> embedder_of(model).output_shape, embedder_of(model, "last").output_shape
        ((None, 256), (None, 8))
    """
    if features not in _FEATURES:
        raise InputError(f"features={features!r} is unknown; give one of {', '.join(_FEATURES)}")
    plain = without_augmentation(model)
    output = plain.output
    if isinstance(output, keras.KerasTensor):
        if _operation(output).name == "class_cosines":
            output = _inputs(output)[0]
        if _is_embedding(output):
            return keras.Model(plain.input, output, name="embedder")
        x = _found(output, "pooling" if features == "pooled" else "predictions")
        if x is not None:
            x = x if features == "pooled" else _inputs(x)[0]
            while isinstance(_operation(x), keras.layers.Dropout):
                x = _inputs(x)[0]
            return as_embedder(plain.input, x)
    wanted = "pooling" if features == "pooled" else "predictions"
    raise InputError(
        f"model {model.name!r} has no layer named {wanted!r}, so it is unclear which features to "
        "take; give one of tl_keras.build_classifier, build_tagger or build_embedder"
    )


def vectors_of(model: keras.Model) -> keras.KerasTensor:
    """The symbolic vectors of an embedder, ahead of its last layer, which only names them.

    Args:
        model: Of :func:`build_embedder` or :func:`embedder_of`.

    Returns:
        Symbolic float32 (batch, D).

    Raises:
        InputError: It is no embedder.

    Example:
        >>> model = build_embedder("mobilenet_025", 16, image_size=32, weights=None)
        >>> vectors_of(model).shape
        (None, 16)
    """
    output = model.output
    if not isinstance(output, keras.KerasTensor) or not _is_embedding(output):
        raise InputError(
            f"model {model.name!r} is no embedder; give tl_keras.embedder_of(model), or one of "
            "tl_keras.build_embedder"
        )
    return _inputs(output)[0]


def as_embedder(image: keras.KerasTensor, features: keras.KerasTensor) -> keras.Model:
    """The model from images to these features, brought to length 1.

    Args:
        image: Symbolic images.
        features: Symbolic (batch, D), computed from them.

    Returns:
        An embedder as of :func:`build_embedder`.

    Example:
        >>> image = keras.Input((2, 2, 3))
        >>> as_embedder(image, keras.layers.Flatten()(image)).output_shape
        (None, 12)
    """
    if features.dtype != "float32":
        features = keras.ops.cast(features, "float32")
    # A layer for the name: operations have none that callers could ask for.
    last = keras.layers.Identity(dtype="float32", name="predictions")
    return keras.Model(image, last(unit_vectors(features)), name="embedder")


def _pool(features: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    if pooling == "avg":
        return keras.layers.GlobalAveragePooling2D(name="pooling")(features)
    if pooling == "max":
        return keras.layers.GlobalMaxPooling2D(name="pooling")(features)
    # Cubes leave the range of half precision.
    x = keras.ops.maximum(keras.ops.cast(features, "float32"), _GEM_LEAST)
    x = keras.ops.power(x, _GEM_POWER)
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pooling_mean")(x)
    x = keras.ops.power(x, 1 / _GEM_POWER)
    return keras.layers.Identity(dtype="float32", name="pooling")(x)


def _operation(tensor: keras.KerasTensor) -> keras.Operation:
    return tensor._keras_history[0]


def _inputs(tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index].input_tensors


def _is_embedding(output: keras.KerasTensor) -> bool:
    layer = _operation(output)
    return isinstance(layer, keras.layers.Identity) and layer.name == "predictions"


def _found(output: keras.KerasTensor, name: str) -> keras.KerasTensor | None:
    """The output of the operation of this name in the graph that ends here."""
    pending = [output]
    while pending:
        tensor = pending.pop()
        if _operation(tensor).name == name:
            return tensor
        pending.extend(_inputs(tensor))
    return None
