"""From any width and height to a square: crop, pad or stretch, always antialiased.

The filter is Pillow's ``BILINEAR``, whose support widens with the reduction, so that fine texture
is averaged and not aliased; it is what torchvision and timm use on PIL images by default
(https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters).
"""

import numpy as np
from PIL import Image

from tl_keras.errors import InputError

RESIZE_MODES = ("crop", "pad", "stretch")


def check_resize(size: int, resize: str) -> None:
    """Refuses a size or a mode that no image can be brought to.

    Args:
        size: side of the square, in pixels.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Raises:
        InputError: ``size`` is no whole number from 1 on, or ``resize`` is unknown.

    Example:
        >>> check_resize(224, "crop")
    """
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1:
        raise InputError(f"image size {size!r} is not a whole number of pixels; give e.g. 224")
    if resize not in RESIZE_MODES:
        raise InputError(f"unknown resize {resize!r}; choose one of {', '.join(RESIZE_MODES)}")


def square(image: Image.Image, size: int, resize: str = "crop") -> Image.Image:
    """Brings a Pillow image to ``size`` × ``size`` pixels; see :func:`resize_image`.

    Args:
        image: any Pillow image that can be resampled (RGB or L).
        size: side of the result, in pixels.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Returns:
        A new Pillow image of the same mode.

    Raises:
        InputError: ``size`` or ``resize`` is unusable.

    Example:
        >>> square(Image.new("RGB", (300, 200)), 64).size
        (64, 64)
    """
    check_resize(size, resize)
    width, height = image.size
    if resize == "stretch":
        return image.resize((size, size), Image.Resampling.BILINEAR)
    if resize == "crop":
        # Cropping in source coordinates and resizing once equals "shorter side, then centre
        # crop", without computing the pixels that are thrown away.
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        return image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = Image.new(image.mode, (size, size))
    canvas.paste(
        image.resize(inner, Image.Resampling.BILINEAR),
        ((size - inner[0]) // 2, (size - inner[1]) // 2),
    )
    return canvas


def resize_image(image: np.ndarray, size: int, resize: str = "crop") -> np.ndarray:
    """Brings an image to ``size`` × ``size`` pixels, antialiased.

    Args:
        image: uint8 array (height, width, 3), RGB, 0..255.
        size: side of the result, in pixels.
        resize: ``"crop"`` keeps the aspect: the shorter side becomes ``size`` and the centre is
            kept.  ``"pad"`` keeps the aspect and every pixel: the longer side becomes ``size``,
            the rest is black.  ``"stretch"`` keeps every pixel and gives up the aspect.

    Returns:
        uint8 array (size, size, 3), RGB, 0..255.

    Raises:
        InputError: ``image`` has another shape or dtype, or ``size`` or ``resize`` is unusable.

    Example:
        >>> resize_image(np.zeros((200, 300, 3), np.uint8), 64, "pad").shape
        (64, 64, 3)
    """
    check_resize(size, resize)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(
            f"resize_image got {image.dtype} {image.shape}, expected uint8 (height, width, 3); "
            "read_image() makes one of any picture"
        )
    return np.asarray(square(Image.fromarray(image), size, resize))
