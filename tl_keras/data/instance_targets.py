"""Things of an image as the maps that a bottom-up instance segmenter learns."""

import math
from typing import Any

import numpy as np

from tl_keras.data.instances import Instances, instances_of
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
    return maps_of(instances_of(masks, classes, ignore), sigma)


def maps_of(things: Instances, sigma: float | None = None) -> np.ndarray:
    """What :func:`instance_targets` returns, of things that lie on one map already.

    Args:
        things: Of one image.
        sigma: As for :func:`instance_targets`.

    Returns:
        float32 (H, W, 5).

    Raises:
        InputError: Sigma is not above 0.

    Example:
        >>> things = Instances(np.array([[1, 1, -1]]), np.array([6]), np.ones(1))
        >>> maps_of(things)[..., 0].tolist()
        [[7.0, 7.0, 255.0]]
    """
    height, width = things.ids.shape
    if sigma is None:
        sigma = max(4.0, max(height, width) / 64)
    if not sigma > 0:
        raise InputError(f"sigma={sigma!r} is no width of a Gaussian; give px, above 0")
    maps = np.zeros((height, width, 5), np.float32)
    maps[things.ids < 0, 0] = IGNORE
    # Most pixels are of no thing: only the others are reckoned with.
    ys, xs = np.nonzero(things.ids > 0)
    owner = things.ids[ys, xs] - 1
    area = np.maximum(np.bincount(owner, minlength=len(things)), 1)
    x, y = (np.bincount(owner, along, len(things)) / area for along in (xs, ys))
    ways = np.stack([x[owner] - xs, y[owner] - ys, np.ones(len(owner))], axis=-1)
    maps[ys, xs, 0] = things.classes[owner] + 1
    maps[ys, xs, 2:] = ways
    maps[..., 1] = _heat(np.stack([x, y], axis=-1), height, width, sigma)
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
