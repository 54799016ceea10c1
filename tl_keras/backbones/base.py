"""A backbone's base, built from its record."""

import operator

import keras

from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.backbones.construction import construct
from tl_keras.backbones.record import Backbone
from tl_keras.backbones.registry import get_backbone
from tl_keras.backbones.weights import imagenet_base, load_weights
from tl_keras.errors import InputError


def build_backbone(
    name: str, image_size: int | None = None, weights: str | None = "imagenet"
) -> keras.Model:
    """Build a base: from preprocessed images to a feature map, no pooling, no head.

    Args:
        name: A name of ``list_backbones``.
        image_size: Side of the square image, px; by default the size that the weights were made
            for.
        weights: ``"imagenet"`` (Keras' own loader and cache; MobileNet and MobileNetV2 have files
            for several image sizes, and the one of this size is taken if there is one, else that
            of 224), ``"bundled"`` (shipped with the package), a path to a weights file, or None or
            ``"none"`` (random).

    Returns:
        A functional ``keras.Model`` named ``name``.  Input: float32 (batch, size, size, 3),
        *preprocessed* (see ``apply_preprocessing``).  Output: (batch, height, width, channels).

    Raises:
        InputError: Unknown name, a size below the smallest, or weights that cannot be had.

    Example:
        >>> build_backbone("mobilenet_v2_035", image_size=64, weights=None).output_shape
        (None, 2, 2, 1280)
    """
    record = get_backbone(name)
    size = check_image_size(record, image_size, weights)
    if weights == "imagenet":
        return imagenet_base(record, size)
    base = construct(record, size)
    load_weights(base, record, weights)
    return base


def check_image_size(
    record: Backbone, image_size: int | None, weights: str | None = "imagenet"
) -> int:
    """The image size to build at, px.

    Args:
        record: The backbone.
        image_size: The size asked for, px; None for the size that the weights were made for.
        weights: The weights asked for.

    Returns:
        The size, px.

    Raises:
        InputError: It is no whole number, or below the backbone's smallest.

    Example:
        >>> check_image_size(get_backbone("xception"), None)
        299
    """
    if image_size is None:
        if weights == "bundled" and "bundled" in record.weights:
            return bundled_backbones()[record.name]["image_size"]
        return record.image_size
    try:
        size = operator.index(image_size)
    except TypeError as error:
        raise InputError(f"image_size={image_size!r} is no whole number of pixels") from error
    if size < record.minimum_size:
        raise InputError(
            f"image_size={size} is below the smallest that {record.name} takes; "
            f"give {record.minimum_size} or more"
        )
    return size
