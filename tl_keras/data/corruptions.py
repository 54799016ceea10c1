"""Pictures made worse, in five strengths, to see how much of it a model bears.

The kinds and their strengths are those of Hendrycks & Dietterich, Benchmarking Neural Network
Robustness to Common Corruptions and Perturbations, 2019 (arXiv:1903.12261), which are defined on
squares of 224 px; the blur is scaled to other squares.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

STRENGTHS = 5
_NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)  # standard deviation, of 1 = white
_BLUR = (1, 2, 3, 4, 6)  # standard deviation, px of a square of 224
_QUALITY = (25, 18, 15, 10, 7)  # of JPEG
_LIGHTER = (0.1, 0.2, 0.3, 0.4, 0.5)  # added to the value of HSV, of 1
_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)  # what is left of the distance from the mean
_SQUARE = 224


def noise(image: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise on each channel of each pixel.

    Args:
        image: uint8 (S, S, 3); and so in the others.
        strength: 1 to 5.
        rng: What is drawn comes from it.
    """
    drawn = rng.standard_normal(image.shape, dtype=np.float32) * (255 * _NOISE[strength - 1])
    return _pixels(image + drawn)


def blur(image: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian blur, as of a lens out of focus."""
    import cv2

    width = _BLUR[strength - 1] * image.shape[0] / _SQUARE
    blurred = cv2.GaussianBlur(image.astype(np.float32), (0, 0), width)
    return _pixels(blurred)


def jpeg(image: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    """Written as JPEG of low quality, and read again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, format="JPEG", quality=_QUALITY[strength - 1])
    return np.asarray(Image.open(file).convert("RGB"))


def brightness(image: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    """Lighter: an amount added to the highest channel, the others in proportion."""
    pixels = image.astype(np.float32) / 255
    value = pixels.max(axis=2, keepdims=True)
    lighter = np.minimum(value + _LIGHTER[strength - 1], 1)
    grown = np.where(value > 0, pixels * lighter / np.maximum(value, 1e-6), lighter)
    return _pixels(255 * grown)


def contrast(image: np.ndarray, strength: int, rng: np.random.Generator) -> np.ndarray:
    """Flatter: each channel nearer to its mean."""
    pixels = image.astype(np.float32)
    mean = pixels.mean(axis=(0, 1))
    return _pixels(mean + _CONTRAST[strength - 1] * (pixels - mean))


Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]

CORRUPTIONS: dict[str, Corruption] = {
    "noise": noise,
    "blur": blur,
    "JPEG": jpeg,
    "brightness": brightness,
    "contrast": contrast,
}


def corrupted(
    images: np.ndarray, kind: str, strength: int, *, first: int = 0, seed: int = 0
) -> np.ndarray:
    """A batch made worse; an image's own noise depends on its number alone, not on the batch.

    Args:
        images: (N, S, S, 3), RGB 0..255.
        kind: One of :data:`CORRUPTIONS`.
        strength: 1 to 5.
        first: Number of the first image among all.
        seed: Of the noise.

    Returns:
        float32 (N, S, S, 3), whole numbers 0..255.

    Example:
        >>> corrupted(np.full((1, 8, 8, 3), 100), "brightness", 2)[0, 0, 0]
        array([151., 151., 151.], dtype=float32)
    """
    place = list(CORRUPTIONS).index(kind)
    made = []
    for number, image in enumerate(images, first):
        rng = np.random.default_rng((seed, place, strength, number))
        made.append(CORRUPTIONS[kind](_pixels(image), strength, rng))
    return np.stack(made).astype("float32")


def _pixels(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
