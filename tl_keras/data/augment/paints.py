"""Operations that change the values of pixels; boxes and masks stay as they are."""

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from tl_keras.data.augment.change import Change

# How much of each of R, G and B a person sees as brightness (ITU-R BT.601).
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Tone:
    """Varies light and colour.

    Attributes:
        brightness: Values are multiplied by 1 - b to 1 + b.
        contrast: Distances from mid-grey are multiplied by 1 - c to 1 + c.
        saturation: Distances from the pixel's own grey are multiplied by 1 - s to 1 + s.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add one linear map of the three channels."""
        ranges = np.array([self.brightness, self.contrast, self.saturation])
        brightness, contrast, saturation = 1 + random.uniform(-1, 1, 3) * ranges
        change.paint(functools.partial(toned, factors=(brightness, contrast, saturation)))


def toned(image: np.ndarray, factors: tuple[float, float, float]) -> np.ndarray:
    """An image with its brightness, contrast and saturation multiplied; 1 changes nothing.

    Example:
        >>> toned(np.full((1, 1, 3), 100, np.uint8), (1.1, 1.0, 1.0)).ravel().tolist()
        [110, 110, 110]
    """
    brightness, contrast, saturation = factors
    mixed = saturation * np.eye(3) + (1 - saturation) * np.array(GREY)
    offset = np.full((3, 1), 127.5 * (1 - contrast))
    return cv2.transform(image, brightness * np.hstack([contrast * mixed, offset]))


@dataclass(frozen=True)
class Blur:
    """Blurs some of the images with a Gaussian.

    Attributes:
        share: How often, 0..1.
        sigma: Of the Gaussian, in px of an image of 224 px; others in proportion.
    """

    share: float
    sigma: tuple[float, float]

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add the blur, or nothing."""
        blurred, sigma = random.random() < self.share, random.uniform(*self.sigma)
        if blurred:
            sigma *= change.width / 224
            change.paint(
                lambda image: cv2.GaussianBlur(
                    image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE
                )
            )


@dataclass(frozen=True)
class Erase:
    """Covers a rectangle of some images with noise (Zhong et al. 2020, arXiv:1708.04896, "RE-R").

    The network cannot lean on one telling spot.  Boxes and masks stay: what is covered is still
    there.

    Attributes:
        share: How often, 0..1.
        area: Of the rectangle, share of the image.
        aspect: Height to width, drawn evenly on a logarithmic scale; a rectangle that would stick
            out is cut to the image.
    """

    share: float
    area: tuple[float, float] = (0.02, 0.2)
    aspect: tuple[float, float] = (0.3, 1 / 0.3)

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add the rectangle, or nothing."""
        if random.random() >= self.share:
            return
        area = random.uniform(*self.area) * change.height * change.width
        aspect = math.exp(random.uniform(*np.log(self.aspect)))
        height = min(change.height, max(1, round(math.sqrt(area * aspect))))
        width = min(change.width, max(1, round(math.sqrt(area / aspect))))
        top = int(random.integers(change.height - height + 1))
        left = int(random.integers(change.width - width + 1))
        noise = random.integers(0, 256, (height, width, 3), np.uint8)

        def covered(image: np.ndarray) -> np.ndarray:
            image = image.copy()
            image[top : top + height, left : left + width] = noise
            return image

        change.paint(covered)


@dataclass(frozen=True)
class Bands:
    """Covers bands of a spectrogram with its mean (SpecAugment).

    Park et al. 2019, arXiv:1904.08779.  Time runs along the width and frequency along
    the height.  The paper's third operation, time warping, is left out: by its own account it
    contributes least and costs most.

    Attributes:
        time: How many vertical bands.
        frequency: How many horizontal bands.
        share: Widest band, share of the width or of the height; each is drawn evenly from 0 on.
    """

    time: int
    frequency: int
    share: float

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add the bands."""
        bands = []
        for axis, count in ((1, self.time), (0, self.frequency)):
            length = (change.height, change.width)[axis]
            for _ in range(count):
                thick = int(random.integers(int(self.share * length) + 1))
                first = int(random.integers(length - thick + 1))
                bands.append((axis, first, first + thick))

        def covered(image: np.ndarray) -> np.ndarray:
            mean = np.rint(cv2.mean(image)[:3]).astype(np.uint8)
            image = image.copy()
            for axis, start, end in bands:
                image[(slice(None),) * axis + (slice(start, end),)] = mean
            return image

        change.paint(covered)
