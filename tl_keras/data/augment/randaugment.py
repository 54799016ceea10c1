"""RandAugment: some operations out of fourteen, all of one strength (Cubuk et al. 2020)."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from tl_keras.data.augment import geometry
from tl_keras.data.augment.change import Change
from tl_keras.data.augment.paints import toned

# What the strongest of each does, as in torchvision.transforms.RandAugment.
_DEGREES = 30.0
_SHEAR = 0.3
_SHIFT = 150 / 331
_FACTOR = 0.9
_BITS = 4


@dataclass(frozen=True)
class RandAugment:
    """Draws a few operations with replacement and applies each (arXiv:1909.13719).

    Of the paper's fourteen: nothing, autocontrast, equalise, rotate, solarise, colour, posterise,
    contrast, brightness, sharpness, shear and shift along both axes.  Those that move are done
    first, in one resampling with what other operations move.

    Attributes:
        count: Operations for an image; the paper's N.
        strength: Share of each operation's range, 0..1; the paper's M over its largest.
    """

    count: int = 2
    strength: float = 0.3

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add the operations drawn."""
        for number in random.integers(len(_ALL), size=self.count):
            sign = 1 if random.random() < 0.5 else -1
            _ALL[number](change, self.strength, sign)


def _move(matrix: Callable[[float, Change], np.ndarray]) -> Callable:
    def apply(change: Change, strength: float, sign: int) -> None:
        change.move(
            geometry.about_centre(matrix(sign * strength, change), change.height, change.width)
        )

    return apply


def _factor(place: int) -> Callable:
    def apply(change: Change, strength: float, sign: int) -> None:
        factors = [1.0, 1.0, 1.0]
        factors[place] += sign * strength * _FACTOR
        change.paint(lambda image: toned(image, tuple(factors)))

    return apply


def _nothing(change: Change, strength: float, sign: int) -> None:
    pass


def _autocontrast(change: Change, strength: float, sign: int) -> None:
    change.paint(stretched)


def stretched(image: np.ndarray) -> np.ndarray:
    """Each channel's darkest value becomes 0 and its brightest 255; an even one stays.

    Example:
        >>> stretched(np.array([[[10] * 3, [20] * 3]], np.uint8)).ravel().tolist()
        [0, 0, 0, 255, 255, 255]
    """
    low, high = image.min((0, 1)).astype(float), image.max((0, 1)).astype(float)
    values = np.arange(256)[:, None]
    width = np.where(high > low, high - low, 255)
    table = np.clip((values - np.where(high > low, low, 0)) * 255 / width, 0, 255)
    return cv2.LUT(image, np.rint(table).astype(np.uint8)[None])


def _equalise(change: Change, strength: float, sign: int) -> None:
    change.paint(
        lambda image: cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(image)])
    )


def _solarise(change: Change, strength: float, sign: int) -> None:
    values = np.arange(256)
    table = np.where(values >= 256 * (1 - strength), 255 - values, values).astype(np.uint8)
    change.paint(lambda image: cv2.LUT(image, table))


def _posterise(change: Change, strength: float, sign: int) -> None:
    dropped = round(_BITS * strength)
    table = (np.arange(256) >> dropped << dropped).astype(np.uint8)
    change.paint(lambda image: cv2.LUT(image, table))


def _sharpness(change: Change, strength: float, sign: int) -> None:
    factor = 1 + sign * strength * _FACTOR
    # A blend of the image and its smoothed self, in one filter; beyond 1 it sharpens.
    kernel = (1 - factor) * np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    kernel[1, 1] += factor
    change.paint(lambda image: cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE))


_ALL = (
    _nothing,
    _autocontrast,
    _equalise,
    _solarise,
    _posterise,
    _sharpness,
    _factor(0),
    _factor(1),
    _factor(2),
    _move(lambda level, change: geometry.rotated(_DEGREES * level)),
    _move(lambda level, change: geometry.sheared(_SHEAR * level, 0)),
    _move(lambda level, change: geometry.sheared(0, _SHEAR * level)),
    _move(lambda level, change: geometry.shifted(_SHIFT * level * change.width, 0)),
    _move(lambda level, change: geometry.shifted(0, _SHIFT * level * change.height)),
)
