"""Preset augmentations: one image in, one image out, drawn from a generator of its own.

They run in the pipeline and not in the model: Keras' ``Random*`` layers inside a model switch the
layers behind them to training mode when it is called or exported.
"""

from collections.abc import Callable

import cv2
import numpy as np

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
    step = side / size
    start = np.array([left, top]) + step / 2 - 0.5
    mirrored = random.random() < 0.5
    contrast, brightness = random.uniform(0.9, 1.1, 2)
    across = (-step, 0, start[0] + (size - 1) * step) if mirrored else (step, 0, start[0])
    window = cv2.warpAffine(
        image,
        np.array([across, (0, step, start[1])]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    tones = ((np.arange(256) - 127.5) * contrast + 127.5) * brightness
    return cv2.LUT(window, np.clip(np.rint(tones), 0, 255).astype(np.uint8))


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
