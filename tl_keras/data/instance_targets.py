"""Things of an image as the maps that a bottom-up instance segmenter learns."""

import math
from typing import Any

import numpy as np

from tl_keras.data.instances import instances_of
from tl_keras.data.masks import IGNORE
from tl_keras.errors import InputError


def instance_targets(
    masks: Any, classes: Any, *, ignore: Any = None, sigma: float | None = None
) -> np.ndarray:
    """Encode things for training.

    After Panoptic-DeepLab (Cheng et al. 2020, https://arxiv.org/abs/1911.10194, section 3.2): a
    thing's centre is the mean of its pixels, seen as a Gaussian; every pixel of it knows the way
    there.  Where masks overlap, the later thing lies on top; a thing wholly covered is none.

    Args:
        masks: bool (M, H, W), the things.
        classes: int (M,), their kinds, 0..C-1.
        ignore: bool (H, W), pixels that nobody knows about (crowds, void), or None.
        sigma: Width of the Gaussian, px; by default 1/64 of the image's larger side, about the
            paper's 8 px for images of 513, at least 4: models tell heat in cells of 4 px.

    Returns:
        float32 (H, W, 5): class (0 background, k + 1 for kind k, 255 ignored), how near a centre
        is (0..1), the way to the own centre, x and y, px, and 1 where that way is to be learnt,
        else 0.

    Raises:
        InputError: Shapes do not fit, or sigma is not above 0.

    Example:
        >>> masks = np.zeros((1, 4, 4), bool)
        >>> masks[0, 1:4, 1:4] = True
        >>> maps = instance_targets(masks, [6])
        >>> maps[2, 2].tolist(), maps[1, 3, 2:4].tolist(), maps[0, 0, 4].tolist()
        ([7.0, 1.0, 0.0, 0.0, 1.0], [-1.0, 1.0], 0.0)
    """
    things = instances_of(masks, classes, ignore)
    height, width = things.ids.shape
    if sigma is None:
        sigma = max(4.0, max(height, width) / 64)
    if not sigma > 0:
        raise InputError(f"sigma={sigma!r} is no width of a Gaussian; give px, above 0")
    owner = np.maximum(things.ids, 0)
    ys, xs = (axis.astype(np.float64) for axis in np.mgrid[:height, :width])
    area = np.bincount(owner.ravel(), minlength=len(things) + 1)
    sums = [np.bincount(owner.ravel(), along.ravel(), len(things) + 1) for along in (xs, ys)]
    centres = np.stack(sums, axis=1) / np.maximum(area, 1)[:, None]

    maps = np.zeros((height, width, 5), np.float32)
    maps[..., 0] = np.append(0, things.classes + 1)[owner]
    maps[things.ids < 0, 0] = IGNORE
    maps[..., 1] = _heat(centres[1:], height, width, sigma)
    thing = owner > 0
    ways = centres[owner] - np.stack([xs, ys], axis=-1)
    maps[..., 2:4] = np.where(thing[..., None], ways, 0.0)
    maps[..., 4] = thing
    return maps


def _heat(centres: np.ndarray, height: int, width: int, sigma: float) -> np.ndarray:
    """The nearest centre's Gaussian, exactly 1 at the pixel it falls on, in windows of 3 sigma."""
    heat = np.zeros((height, width))
    reach = math.ceil(3 * sigma)
    across = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    spot = np.outer(across, across)
    for x, y in centres:
        column, row = round(x), round(y)
        top, left = max(row - reach, 0), max(column - reach, 0)
        window = heat[top : row + reach + 1, left : column + reach + 1]
        part = spot[top - row + reach :, left - column + reach :]
        np.maximum(window, part[: window.shape[0], : window.shape[1]], out=window)
    return heat
