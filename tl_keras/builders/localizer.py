"""A model that names the one thing in an image and says where it is."""

from collections.abc import Mapping

import keras
import numpy as np

from tl_keras.backbones.base import build_backbone
from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.pyramid import pyramid_features
from tl_keras.backbones.registry import get_backbone
from tl_keras.builders.arguments import share, whole
from tl_keras.builders.feature_pyramid import apply, conv_layers, feature_pyramid

# Pets' heads at 224 px, frozen ImageNet base, 400 steps: IoU of 48 held-out images 0.65 where cells
# of 32 px say the box, 0.72 with 16 and 0.74 with 8.
_STRIDES = (8, 16, 32)
_WIDTH = 64


def build_localizer(
    backbone: str,
    num_classes: int,
    *,
    image_size: int | None = None,
    weights: str | None = "imagenet",
    dropout: float = 0.2,
) -> keras.Model:
    """Build image -> preprocessing -> base -> a class head and a box head.

    The class head is that of ``build_classifier``.  The box head keeps the feature map: a small
    pyramid (``feature_pyramid``) gives what the coarse maps know to cells of 8 px, and behind a
    3x3 convolution every cell says where it takes each of the box's four sides to be, and how much
    its word counts for that side (a softmax over the cells, as in the soft-argmax of Levine et al.
    2016, arXiv:1504.00702); the box is the weighted mean.

    The base is frozen, its BatchNorm layers in inference mode with it.  Train with
    ``tl_keras.tasks.localization_objective.LocalizationLoss``.

    Args:
        backbone: A name of ``list_backbones``.
        num_classes: Number of classes C, at least 1; with 1 the class head says 1.0.
        image_size: Side of the square image, px; by default the size the weights were made for.
        weights: Of the base, as in ``build_backbone``.
        dropout: Share of the class head's features dropped in training, 0 <= dropout < 1; 0 leaves
            the layer out.

    Returns:
        A functional ``keras.Model``.  Input ``"image"``: (batch, size, size, 3) RGB, 0..255, any
        dtype.  Output ``"predictions"``: float32 (batch, 4 + C): ``x1, y1, x2, y2`` in px of the
        input, then the probability of each class.  Named layers besides: ``"preprocessing"``, the
        backbone's name, ``"box"`` and ``"classes"``, the two parts of the output.

    Raises:
        InputError: An argument cannot be used, or the weights cannot be had.

    Example:
        >>> model = build_localizer("mobilenet_v2_035", 3, image_size=64, weights=None)
        >>> model.predict(keras.ops.zeros((2, 64, 64, 3)), verbose=0).shape
        (2, 7)
    """
    record = get_backbone(backbone)
    classes = whole(num_classes, 1, "num_classes", "give the number of classes, 1 or more")
    dropout = share(dropout, "dropout")
    base = build_backbone(backbone, image_size, weights)
    base.trainable = False
    image = keras.Input(base.input_shape[1:], name="image")
    maps = pyramid_features(base, apply_preprocessing(record, image), _STRIDES)

    pooled = keras.layers.GlobalAveragePooling2D(name="class_pooling")(maps[_STRIDES[-1]])
    if dropout:
        pooled = keras.layers.Dropout(dropout, name="class_dropout")(pooled)
    # float32 also under a half-precision policy: losses need the digits, and so do pixels.
    head = keras.layers.Dense(classes, activation="softmax", dtype="float32", name="classes")
    parts = [_box(maps, image.shape[1]), head(pooled)]
    output = keras.layers.Concatenate(dtype="float32", name="predictions")(parts)
    return keras.Model(image, output, name="localizer")


def _box(maps: Mapping[int, keras.KerasTensor], size: int) -> keras.KerasTensor:
    """(batch, 4), px: for each side the mean of what the cells say, weighted by the cells."""
    finest = feature_pyramid(maps, _WIDTH)[_STRIDES[0]]
    x = apply(conv_layers(_WIDTH, "box_tower"), finest)
    side = x.shape[1]
    distances = keras.layers.Conv2D(
        4, 1, activation="softplus", dtype="float32", name="box_distances"
    )
    middles = (np.arange(side) + 0.5) * _STRIDES[0]
    across, down = np.meshgrid(middles, middles)
    centres = np.stack([across, down, across, down], -1).astype("float32")
    # A third: an untrained head (softplus of about 0) then says boxes of half the image.
    reach = np.array([-1, -1, 1, 1], "float32") * size / 3
    said = keras.layers.Rescaling(reach, centres, dtype="float32", name="box_votes")(distances(x))
    counts = keras.layers.Conv2D(4, 1, dtype="float32", name="box_attention")(x)
    said, counts = (
        keras.layers.Reshape((side * side, 4), dtype="float32", name=f"box_{what}_cells")(map_)
        for what, map_ in (("votes", said), ("attention", counts))
    )
    weights = keras.layers.Softmax(axis=1, dtype="float32", name="box_weights")(counts)
    weighted = keras.layers.Multiply(dtype="float32", name="box_weighted")([weights, said])
    mean = keras.layers.GlobalAveragePooling1D(dtype="float32", name="box_mean")(weighted)
    # The weights sum to 1, so the sum over the cells is wanted.
    return keras.layers.Rescaling(float(side * side), dtype="float32", name="box")(mean)
