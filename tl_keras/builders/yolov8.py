"""Neck and head of KerasCV's YOLOV8 on maps of any base (the extra ``keras-cv``, 0.9.0)."""

import itertools
from collections.abc import Mapping

import keras
import numpy as np

from tl_keras.errors import InputError

_CHANNELS = (64, 128, 256)  # of the three maps in the smallest of KerasCV's YOLOV8 backbones
_BINS = 16


def yolov8_maps(
    maps: Mapping[int, keras.KerasTensor], classes: int, prior_logit: float
) -> dict[int, tuple[keras.KerasTensor, keras.KerasTensor]]:
    """Apply KerasCV's path-aggregation neck and YOLOV8 head to three maps.

    Maps are first brought to 64, 128 and 256 channels by 1x1 convolutions.  KerasCV's functions
    are called as they are; as they put built-in layers together, the model that comes out loads
    where KerasCV is not installed.  Its own classes are left out: subclassed training steps,
    boxes in a dictionary, and suppression outside the model.

    Args:
        maps: ``stride -> symbolic tensor`` (batch, rows, columns, channels), three of them, each
            half as large as the one before.
        classes: Number of classes.
        prior_logit: What the class logits start from.

    Returns:
        ``stride -> (distances, logits)``: of the four sides from the cell's centre in strides
        (batch, rows, columns, 4), the mean of 16 bins (Li et al. 2020, arXiv:2006.04388); of the
        classes (batch, rows, columns, classes).

    Raises:
        InputError: ``keras-cv`` is not installed, or the maps do not fit its neck.

    Example:
        >>> maps = {8: keras.Input((4, 4, 24)), 16: keras.Input((2, 2, 48)),
        ...         32: keras.Input((1, 1, 96))}
        >>> found = yolov8_maps(maps, 3, -4.6)  # doctest: +SKIP
        >>> found[32][0].shape, found[32][1].shape  # doctest: +SKIP
        ((None, 1, 1, 4), (None, 1, 1, 3))
    """
    sides = [tensor.shape[1] for tensor in maps.values()]
    if len(sides) != 3 or any(a != 2 * b for a, b in itertools.pairwise(sides)):
        raise InputError(
            f"head='yolov8' joins three maps, each half as large as the one before, not {sides}; "
            "give three strides and an image_size that the coarsest divides"
        )
    try:
        from keras_cv.src.models.object_detection.yolo_v8 import yolo_v8_detector, yolo_v8_layers
    except ImportError as error:
        raise InputError(
            f"head='yolov8' needs keras-cv 0.9.0 ({error}); install it: pip install keras-cv"
        ) from error
    inputs = [
        yolo_v8_layers.apply_conv_bn(
            tensor, channels, kernel_size=1, activation="swish", name=f"lateral_{stride}"
        )
        for (stride, tensor), channels in zip(maps.items(), _CHANNELS, strict=True)
    ]
    joined = yolo_v8_detector.apply_path_aggregation_fpn(inputs, depth=1, name="pa_fpn")
    outputs = yolo_v8_detector.apply_yolo_v8_head(joined, classes)
    # What it returns is one row of all maps with scores; logits are taken from inside.
    inner = keras.Model(list(maps.values()), outputs)
    found = {}
    for number, stride in enumerate(maps, start=1):
        bins, logits = (
            inner.get_layer(f"yolo_v8_head_{number}_{what}_3_conv") for what in ("box", "class")
        )
        logits.bias.assign(np.full(classes, prior_logit, "float32"))
        side = bins.output.shape[1]
        shares = keras.layers.Reshape((side, side, 4, _BINS), dtype="float32",
                                      name=f"bins_{stride}")(bins.output)  # fmt: skip
        shares = keras.layers.Softmax(dtype="float32", name=f"shares_{stride}")(shares)
        mean = keras.ops.sum(shares * np.arange(_BINS, dtype="float32"), axis=-1)
        found[stride] = mean, logits.output
    return found
