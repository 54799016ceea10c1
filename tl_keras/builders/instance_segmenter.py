"""A model that finds every single thing of an image, pixel by pixel, without boxes."""

import keras

from tl_keras.builders.arguments import whole
from tl_keras.builders.decoders.steps import convolve, refine
from tl_keras.builders.segmenter import decoded_features

_WIDTH = 32


def build_instance_segmenter(
    backbone: str,
    num_classes: int,
    *,
    image_size: int | None = None,
    weights: str | None = "imagenet",
    decoder: str = "unet",
    dropout: float = 0.1,
) -> keras.Model:
    """Build image -> preprocessing -> base -> decoder -> classes, centres and offsets by pixel.

    The bottom-up form of Panoptic-DeepLab (Cheng et al. 2020, https://arxiv.org/abs/1911.10194):
    every pixel says what it is of, whether a thing has its centre there, and how far away the
    centre of its own thing lies.  ``tl_keras.evaluation.grouping`` makes things of it,
    ``tl_keras.tasks.instance_objective`` trains it.  The paper decodes classes and things apart;
    here both read one decoder, each through a 3x3 convolution of its own.

    Args:
        backbone: A name of ``list_backbones``.
        num_classes: Number of kinds of things, at least 1, the background not counted.
        image_size: Side of the square image, px; by default the size the weights were made for.
        weights: Of the base, as in ``build_backbone``.
        decoder: As for ``build_segmenter``.
        dropout: As for ``build_segmenter``.

    Returns:
        A functional ``keras.Model``.  Input ``"image"``: (batch, size, size, 3) RGB, 0..255, any
        dtype.  Output: float32 (batch, size, size, num_classes + 4): probabilities of background
        and of each class (num_classes + 1 numbers, summing to 1), of a centre (1), and the way to
        the pixel's own centre, x and y, in px (2).  The base is frozen.  Named layers:
        ``"preprocessing"``, the backbone's name, ``"classes"``, ``"centre"``, ``"offsets"``,
        ``"predictions"``.

    Raises:
        InputError: As for ``build_segmenter``.

    Example:
        >>> model = build_instance_segmenter("mobilenet_025", 3, image_size=64, weights=None)
        >>> model.output_shape
        (None, 64, 64, 7)
    """
    classes = whole(num_classes, 1, "num_classes", "give the number of kinds of things, 1 or more")
    image, x, stride = decoded_features(backbone, image_size, weights, decoder, dropout)
    size = image.shape[1]
    bias = keras.initializers.Constant(-4.6)  # centres are rare: begin at 1 % (arXiv:1708.02002)
    outputs = []
    for name, width, options in (
        ("classes", classes + 1, {}),
        ("centre", 1, {"bias_initializer": bias}),
        ("offsets", 2, {}),
    ):
        y = convolve(x, _WIDTH, f"{name}_head", separable=True)
        y = keras.layers.Conv2D(width, 1, dtype="float32", name=f"{name}_scores", **options)(y)
        outputs.append(refine(y, stride, size, f"{name}_up"))
    each = [
        keras.layers.Activation("softmax", dtype="float32", name="classes")(outputs[0]),
        keras.layers.Activation("sigmoid", dtype="float32", name="centre")(outputs[1]),
        # In units that a layer gives from the start: an eighth of the image.
        keras.layers.Rescaling(size / 8, dtype="float32", name="offsets")(outputs[2]),
    ]
    x = keras.layers.Concatenate(dtype="float32", name="predictions")(each)
    return keras.Model(image, x, name="instance_segmenter")
