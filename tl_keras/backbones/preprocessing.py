"""From pixels 0..255 to what a base was trained on, in built-in layers that stay in the model."""

import keras

from tl_keras.backbones.record import Backbone

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_BGR_MEAN = (103.939, 116.779, 123.68)


def apply_preprocessing(record: Backbone, images: keras.KerasTensor) -> keras.KerasTensor:
    """Put a backbone's preprocessing into a functional graph.

    Equal to the family's own ``preprocess_input``
    (``keras.applications.imagenet_utils.preprocess_input``), or to the layers that the family
    keeps inside: ``tf`` is x / 127.5 - 1, ``tf128`` x / 128 - 1, ``torch`` (x / 255 - mean) / std
    per RGB channel, ``caffe`` BGR - mean, ``none`` nothing.  It is computed in float32 under any
    precision policy, since half precision would round pixels away.

    Args:
        record: The backbone.
        images: Symbolic tensor (batch, height, width, 3), RGB, 0..255, any dtype.

    Returns:
        Symbolic tensor of the same shape, float32 (for ``none``: as given).

    Example:
        >>> from tl_keras.backbones.registry import get_backbone
        >>> image = keras.Input((32, 32, 3))
        >>> ready = apply_preprocessing(get_backbone("mobilenet"), image)
        >>> float(keras.Model(image, ready)(keras.ops.full((1, 32, 32, 3), 255.0))[0, 0, 0, 0])
        1.0
    """
    if record.preprocessing == "none":
        return images
    if record.preprocessing == "caffe":
        images = keras.ops.flip(images, axis=-1)
    scale, offset = {
        "tf": (1 / 127.5, -1.0),
        "tf128": (1 / 128.0, -1.0),
        "torch": (
            [1 / (255.0 * std) for std in _DEVIATION],
            [-mean / std for mean, std in zip(_MEAN, _DEVIATION, strict=True)],
        ),
        "caffe": (1.0, [-mean for mean in _BGR_MEAN]),
    }[record.preprocessing]
    rescaling = keras.layers.Rescaling(scale, offset, dtype="float32", name="preprocessing")
    return rescaling(images)
