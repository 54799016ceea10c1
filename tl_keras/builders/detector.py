"""An anchor-free detector on any base."""

import itertools
import math
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tl_keras.backbones.base import build_backbone
from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.pyramid import pyramid_features
from tl_keras.backbones.registry import get_backbone
from tl_keras.builders.arguments import whole
from tl_keras.builders.feature_pyramid import apply, conv_layers, feature_pyramid
from tl_keras.builders.yolov8 import yolov8_maps
from tl_keras.errors import InputError

PRIOR = 0.01
"""Score that every cell starts from: most hold nothing (section 4.1 of arXiv:1708.02002)."""

_HEADS = ("fcos", "yolov8")
_BOXES = "boxes_"
# An untrained cell says a box of about 2 strides a side (softplus(0) = 0.69): things then go to
# maps that see them whole.  After six epochs of the built-in sample set AP50 was 0.65 with a reach
# of 4, 0.71 with 2, and 0.75 with 1.4 or 1.
_REACH = 1.4


def build_detector(
    backbone: str,
    num_classes: int,
    *,
    image_size: int | None = None,
    weights: str | None = "imagenet",
    strides: Sequence[int] = (8, 16, 32),
    width: int = 64,
    head: str = "fcos",
) -> keras.Model:
    """Build image -> preprocessing -> base -> feature pyramid -> a box and scores for every cell.

    The form is that of FCOS (Tian et al. 2019, arXiv:1904.01355): every cell of every map says how
    far the four sides of its box are from its centre, in its strides, and a score for each class;
    the towers are shared by the maps.  Instead of a centre-ness head, the class score itself
    learns to say how well the box fits (``DetectionLoss``).

    The base is frozen, its BatchNorm layers in inference mode with it.  Train with
    ``tl_keras.tasks.detection_objective.DetectionLoss.of(model)``, predict with
    ``detection_model(model)``.

    Args:
        backbone: A name of ``list_backbones``.
        num_classes: Number of classes C, at least 1, the background not counted.
        image_size: Side of the square image, px; by default the size the weights were made for.
        weights: Of the base, as in ``build_backbone``.
        strides: Image pixels per cell of the maps, each twice the one before; (4, 8, 16) for
            things that measure less than about 16 px.
        width: Channels of the pyramid and the towers, a multiple of 8.
        head: ``"fcos"``; or ``"yolov8"``: neck and head of KerasCV 0.9.0's YOLOV8Detector on the
            same base, with the same outputs (needs ``keras-cv``; three strides, and an image size
            that the coarsest divides).

    Returns:
        A functional ``keras.Model`` of built-in layers.  Input ``"image"``: (batch, size, size, 3)
        RGB, 0..255, any dtype.  Output ``"predictions"``: float32 (batch, N, 4 + C), for each of
        the N cells, map by map and row by row, ``x1, y1, x2, y2`` in px of the input, then a logit
        for each class.  Named layers besides: ``"preprocessing"`` and the backbone's name.

    Raises:
        InputError: An argument cannot be used, the base has no such strides, the weights cannot be
            had, or ``keras-cv`` is not installed where it is needed.

    Example:
        >>> model = build_detector("mobilenet_v2_035", 3, image_size=64, weights=None)
        >>> model.output_shape  # 8 * 8 + 4 * 4 + 2 * 2 cells
        (None, 84, 7)
    """
    record = get_backbone(backbone)
    classes = whole(num_classes, 1, "num_classes", "give the number of classes, 1 or more")
    strides = _checked_strides(strides)
    width = whole(width, 8, "width", "give a multiple of 8")
    if width % 8:
        raise InputError(f"width={width} cannot be used; give a multiple of 8")
    if head not in _HEADS:
        raise InputError(f"head={head!r} is unknown; give one of {', '.join(_HEADS)}")
    base = build_backbone(backbone, image_size, weights)
    base.trainable = False
    image = keras.Input(base.input_shape[1:], name="image")
    maps = pyramid_features(base, apply_preprocessing(record, image), strides)
    if head == "yolov8":
        heads = yolov8_maps(maps, classes, prior_logit())
        reach = 1.0
    else:
        heads = _fcos_maps(feature_pyramid(maps, width), classes, width)
        reach = _REACH
    rows = [
        _rows(stride, distances, logits, reach) for stride, (distances, logits) in heads.items()
    ]
    join = keras.layers.Concatenate(axis=1, dtype="float32", name="predictions")
    return keras.Model(image, join(rows), name="detector")


def detector_strides(model: keras.Model) -> tuple[int, ...]:
    """Strides of a detector's maps, in the order of its cells.

    Args:
        model: A model of :func:`build_detector`, built here or reloaded.

    Returns:
        Image pixels per cell.

    Raises:
        InputError: It is no such model.

    Example:
        >>> detector_strides(build_detector("mobilenet_025", 2, image_size=64, weights=None))
        (8, 16, 32)
    """
    names = [layer.name for layer in getattr(model, "layers", ())]
    found = [name.removeprefix(_BOXES) for name in names if name.startswith(_BOXES)]
    strides = tuple(sorted(int(number) for number in found if number.isdigit()))
    if not strides:
        raise InputError(
            f"model {getattr(model, 'name', model)!r} is no detector; give one of "
            "tl_keras.build_detector"
        )
    return strides


def prior_logit() -> float:
    """The logit of :data:`PRIOR`.

    Example:
        >>> round(prior_logit(), 3)
        -4.595
    """
    return math.log(PRIOR / (1 - PRIOR))


def _checked_strides(strides: Sequence[int]) -> tuple[int, ...]:
    numbers = tuple(strides) if isinstance(strides, Sequence) else ()
    doubling = all(b == 2 * a for a, b in itertools.pairwise(numbers))
    if not numbers or not all(isinstance(s, int) and s > 0 for s in numbers) or not doubling:
        raise InputError(
            f"strides={strides!r} make no pyramid; give such as (8, 16, 32), each twice the one "
            "before"
        )
    return numbers


def _fcos_maps(
    maps: Mapping[int, keras.KerasTensor], classes: int, width: int
) -> dict[int, tuple[keras.KerasTensor, keras.KerasTensor]]:
    """Per stride the sides' distances (in strides, over the reach) and the class logits."""
    # The layers of a tower are shared by the maps.
    scores, boxes = (
        [layer for n in (1, 2) for layer in conv_layers(width, f"{kind}_tower_{n}")]
        for kind in ("class", "box")
    )
    # 3x3 as in FCOS; with 1x1 AP50 was 0.42 in place of 0.75.
    logits = keras.layers.Conv2D(
        classes, 3, padding="same", dtype="float32", name="class_logits",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=keras.initializers.Constant(prior_logit()),
    )  # fmt: skip
    distances = keras.layers.Conv2D(
        4, 3, padding="same", activation="softplus", dtype="float32", name="distances"
    )
    return {
        stride: (distances(apply(boxes, tensor)), logits(apply(scores, tensor)))
        for stride, tensor in maps.items()
    }


def _rows(
    stride: int, distances: keras.KerasTensor, logits: keras.KerasTensor, reach: float
) -> keras.KerasTensor:
    """(batch, cells, 4 + C): boxes in px and logits of one map."""
    side = distances.shape[1]
    middles = (np.arange(side) + 0.5) * stride
    across, down = np.meshgrid(middles, middles)
    centres = np.stack([across, down, across, down], -1).astype("float32")
    scale = np.array([-1, -1, 1, 1], "float32") * stride * reach
    # float32 also under a half-precision policy, which would round pixels away.
    boxes = keras.layers.Rescaling(scale, centres, dtype="float32", name=f"{_BOXES}{stride}")
    both = keras.layers.Concatenate(dtype="float32", name=f"both_{stride}")
    cells = keras.layers.Reshape((side * side, 4 + logits.shape[-1]), name=f"cells_{stride}",
                                 dtype="float32")  # fmt: skip
    return cells(both([boxes(distances), logits]))
