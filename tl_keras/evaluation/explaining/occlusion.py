"""Which parts of an image a class's score cannot do without: they are covered, one by one."""

from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from tl_keras.errors import InputError
from tl_keras.evaluation.explaining.class_head import class_head
from tl_keras.evaluation.explaining.given import at_once, checked, up_to_one

_ACROSS = 7  # patches side by side: 32 px of 224, a cell of most bases' last map
_FEW = 20  # batches that need no bar


def occlusion(
    model: keras.Model, images: Any, classes: Any, *, patch: int | None = None,
    stride: int | None = None, fill: float | None = None,
) -> np.ndarray:  # fmt: skip
    """Which parts of images speak for a class: how far its score falls when they are covered.

    A square patch is moved over the image (Zeiler and Fergus 2014,
    https://arxiv.org/abs/1311.2901), and each pixel shows the mean fall of the score (before
    softmax or sigmoid) over the patches that cover it.  It needs no gradients and asks the model
    once for every place of the patch: 169 times at 224 px.

    Args:
        model: Of ``build_classifier``, ``build_tagger`` or ``build_localizer``, on any base, built
            here or reloaded.
        images: (N, S, S, 3) RGB, 0..255, of the model's size.
        classes: int (N,), the class, or tag, to look for in each.
        patch: Side of the patch, px; by default a seventh of the image.
        stride: From place to place, px; by default half a patch.
        fill: Grey of the patch, 0..255; by default the mean colour of the image.

    Returns:
        float32 (N, S, S), 0..1, the highest value of each image being 1; all 0 where covering
        nothing lowers the score.

    Raises:
        InputError: The model's class head does not read one vector an image, or an argument does
            not fit it.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> occlusion(model, np.zeros((1, 32, 32, 3)), [1], patch=16).shape
        (1, 32, 32)
    """
    head = class_head(model)
    images, classes = checked(model, head.dense.units, images, classes)
    size = images.shape[1]
    patch = _whole(max(1, round(size / _ACROSS)) if patch is None else patch, size, "patch")
    stride = _whole(max(1, patch // 2) if stride is None else stride, patch, "stride")
    starts = [*range(0, size - patch, stride), size - patch]
    places = [(row, y, x) for row in range(len(images)) for y in starts for x in starts]
    falls = np.zeros(images.shape[:3], "float32")
    counts = np.zeros((size, size), "float32")
    for y in starts:
        for x in starts:
            counts[y : y + patch, x : x + patch] += 1
    chunk = at_once(size)
    whole = np.zeros(len(images), "float32")
    for start in range(0, len(images), chunk):
        some = slice(start, start + chunk)
        whole[some] = head.scores(images[some].astype("float32"), classes[some])
    batches = tqdm(
        range(0, len(places), chunk), desc="  covering", unit="batch", leave=False,
        disable=len(places) < _FEW * chunk,
    )  # fmt: skip
    for start in batches:
        some = places[start : start + chunk]
        rows = np.array([row for row, _, _ in some])
        covered = images[rows].astype("float32")
        for image, (_, y, x) in zip(covered, some, strict=True):
            image[y : y + patch, x : x + patch] = (
                image.mean(axis=(0, 1)) if fill is None else fill
            )  # fmt: skip
        lost = whole[rows] - head.scores(covered, classes[rows])
        for fall, (row, y, x) in zip(lost, some, strict=True):
            falls[row, y : y + patch, x : x + patch] += fall
    return np.stack([up_to_one(fall / counts) for fall in falls]) if len(falls) else falls


def _whole(value: Any, most: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InputError(f"{name}={value!r} is no whole number of px; give 1 to {most}")
    if not 1 <= value <= most:
        raise InputError(f"{name}={value} does not fit; give 1 to {most} px")
    return int(value)
