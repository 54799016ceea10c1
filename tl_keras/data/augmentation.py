"""Preset augmentations: one image in, one image out, drawn from a generator of its own.

They run in the pipeline and not in the model: Keras' ``Random*`` layers inside a model switch the
layers behind them to training mode when it is called or exported.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

from tl_keras.errors import InputError

Augmentation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def light(image: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Mirrors half of the images, zooms in by up to 1.15, shifts, and varies the light by a tenth.

    Mild enough for photographs of any subject whose mirror image is the same class.  A window of
    the image is enlarged, so no edge needs inventing.  Milder than the random resized crop of
    ImageNet training (8..100 % of the area, https://arxiv.org/abs/1409.4842), which hides small
    subjects in small data sets.

    Args:
        image: uint8 array (S, S, 3), 0..255.
        random: where the draws come from.

    Returns:
        uint8 array (S, S, 3), 0..255.

    Example:
        >>> light(np.zeros((8, 8, 3), np.uint8), np.random.default_rng(0)).shape
        (8, 8, 3)
    """
    size = image.shape[0]
    side = size / random.uniform(1.0, 1.15)
    left, top = random.uniform(0.0, size - side, 2)
    window = Image.fromarray(image).resize(
        (size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side)
    )
    pixels = np.asarray(window)
    if random.random() < 0.5:
        pixels = pixels[:, ::-1]
    contrast, brightness = random.uniform(0.9, 1.1, 2)
    tones = ((np.arange(256) - 127.5) * contrast + 127.5) * brightness
    return np.clip(np.rint(tones), 0, 255).astype(np.uint8)[pixels]


PRESETS: dict[str, Augmentation | None] = {"none": None, "light": light}


def preset(name: str) -> Augmentation | None:
    """Finds a preset.

    Args:
        name: ``"none"`` or ``"light"``.

    Returns:
        The function, or ``None`` for ``"none"``.

    Raises:
        InputError: no such preset.

    Example:
        >>> preset("none") is None
        True
    """
    if name not in PRESETS:
        raise InputError(f"unknown augmentation {name!r}; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
