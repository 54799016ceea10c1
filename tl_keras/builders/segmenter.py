"""A model that names every pixel of an image."""

import keras

from tl_keras.backbones.base import build_backbone
from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.pyramid import pyramid_features
from tl_keras.backbones.registry import get_backbone
from tl_keras.builders.arguments import share, whole
from tl_keras.builders.decoders import get_decoder
from tl_keras.builders.decoders.steps import refine


def build_segmenter(
    backbone: str,
    num_classes: int,
    *,
    image_size: int | None = None,
    weights: str | None = "imagenet",
    decoder: str = "unet",
    dropout: float = 0.1,
    logits: bool = False,
) -> keras.Model:
    """Build image -> preprocessing -> base -> decoder -> a class for every pixel.

    The base is frozen, its BatchNorm layers in inference mode with it; ``tl_keras.unfreeze`` opens
    it stage by stage.  Scores are read at the decoder's finest stride and brought to the image's
    own size bilinearly.

    Args:
        backbone: A name of ``list_backbones``.
        num_classes: Number of classes, at least 2; the background is one of them.
        image_size: Side of the square image, px; by default the size the weights were made for.
        weights: Of the base, as in ``build_backbone``.
        decoder: ``"unet"``, ``"fcn"``, ``"deeplabv3plus"`` or ``"fpn"``, described in
            ``tl_keras.builders.decoders``.
        dropout: Share of the decoder's channels dropped, a channel over the whole image at once,
            before the last layer in training, 0 <= dropout < 1; 0 leaves the layer out.
        logits: Whether the last layer returns logits instead of probabilities.

    Returns:
        A functional ``keras.Model``.  Input ``"image"``: (batch, size, size, 3) RGB, 0..255, any
        dtype.  Output: float32 (batch, size, size, num_classes).  Named layers:
        ``"preprocessing"``, the backbone's name, the decoder's, ``"scores"`` (of the decoder's
        stride), ``"predictions"``.

    Raises:
        InputError: An argument cannot be used, the base has no map of a stride that the decoder
            reads, or the weights cannot be had.

    Example:
        >>> model = build_segmenter(
        ...     "mobilenet_025", 4, image_size=64, weights=None, decoder="fcn"
        ... )
        >>> model.predict(keras.ops.zeros((2, 64, 64, 3)), verbose=0).shape
        (2, 64, 64, 4)
    """
    classes = whole(
        num_classes, 2, "num_classes", "give the number of classes, background included, 2 or more"
    )
    image, x, stride = decoded_features(backbone, image_size, weights, decoder, dropout)
    x = keras.layers.Conv2D(classes, 1, dtype="float32", name="scores")(x)
    x = refine(x, stride, image.shape[1], "scores_up")
    activation = "linear" if logits else "softmax"
    # float32 also under a half-precision policy: a loss of logarithms needs the digits.
    x = keras.layers.Activation(activation, dtype="float32", name="predictions")(x)
    return keras.Model(image, x, name="segmenter")


def decoded_features(
    backbone: str, image_size: int | None, weights: str | None, decoder: str, dropout: float
) -> tuple[keras.KerasTensor, keras.KerasTensor, int]:
    """The part before the last layers: image -> preprocessing -> frozen base -> decoder.

    Args:
        backbone: As for :func:`build_segmenter`, and so are the others.
        image_size: Side of the square image, px.
        weights: Of the base.
        decoder: Name of the decoder.
        dropout: Share of channels dropped in training.

    Returns:
        The symbolic image, the decoder's map, and that map's stride.

    Raises:
        InputError: As for :func:`build_segmenter`.

    Example:
        >>> image, x, stride = decoded_features("mobilenet_025", 64, None, "unet", 0.1)
        >>> x.shape, stride
        ((None, 16, 16, 32), 4)
    """
    record, chosen = get_backbone(backbone), get_decoder(decoder)
    dropout = share(dropout, "dropout")
    base = build_backbone(backbone, image_size, weights)
    base.trainable = False
    image = keras.Input(base.input_shape[1:], name="image")
    maps = pyramid_features(base, apply_preprocessing(record, image), chosen.strides)
    x, stride = chosen.decode(maps)
    if dropout:
        x = keras.layers.SpatialDropout2D(dropout, name="dropout")(x)
    return image, x, stride
