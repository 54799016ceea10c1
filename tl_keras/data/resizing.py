"""From any width and height to a square: crop, pad or stretch, always antialiased.

Pillow's antialiased bilinear filter is a triangle as wide as the reduction.  Here its effect comes
from three steps that OpenCV has in vector code, three to five times as fast: an area average down
to four times the size, a Gaussian that makes up the triangle's variance, and linear
interpolation.  On photographs the result differs from Pillow's by about half a grey level on
average (``tests/test_data_resizing.py`` bounds it on grainy ones); without the Gaussian, at half
the size and below, by two to five, in the moiré of fine texture.

OpenCV: https://docs.opencv.org/4.x/da/d54/group__imgproc__transform.html
Pillow's filters: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#filters
"""

import math

import cv2
import numpy as np

from tl_keras.data.scratch import scratch
from tl_keras.errors import InputError

# Up to here, and 256 -> 224 is below, the Gaussian would dampen even the finest texture by less
# than a sixth: not worth a third of the time.
_NEARLY_THE_SAME = 1.2

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


def _smoothing(reduction: float) -> tuple[int, float]:
    """Width and sigma of the Gaussian that linear interpolation needs before this reduction."""
    if reduction <= _NEARLY_THE_SAME:
        return 1, 0.0
    # Variances: of a triangle of half-width r, r² / 6; of linear interpolation, on average, 1 / 6.
    missing = (reduction**2 - 1) / 6
    if missing <= 0.5:
        # Three taps (e, 1 - 2e, e) have the variance 2e; sigma is what makes a Gaussian of them.
        edge = missing / 2
        return 3, math.sqrt(-0.5 / math.log(edge / (1 - 2 * edge)))
    sigma = math.sqrt(missing)
    return 2 * round(2.5 * sigma) + 1, sigma


def _scaled(
    image: np.ndarray, width: int, height: int, out: np.ndarray | None = None
) -> np.ndarray:
    rows, columns = image.shape[:2]
    coarse = (min(columns, 4 * width), min(rows, 4 * height))
    if coarse != (columns, rows):
        image = cv2.resize(image, coarse, interpolation=cv2.INTER_AREA)
    across, sigma_x = _smoothing(coarse[0] / width)
    down, sigma_y = _smoothing(coarse[1] / height)
    if (across, down) != (1, 1):
        image = cv2.GaussianBlur(
            image, (across, down), sigma_x, scratch("smoothing", image.shape), sigma_y,
            cv2.BORDER_REPLICATE,
        )  # fmt: skip
    return cv2.resize(image, (width, height), out, interpolation=cv2.INTER_LINEAR)


def square(
    image: np.ndarray, size: int, resize: str = "crop", out: np.ndarray | None = None
) -> np.ndarray:
    """Brings sound pixels to ``size`` × ``size``; see :func:`resize_image`.

    Args:
        image: uint8 array (height, width, 3).
        size: side of the result, in pixels.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        out: uint8 array (size, size, 3), contiguous, to write to; by default a new one.

    Returns:
        ``out``; never ``image`` itself.

    Raises:
        InputError: ``size`` or ``resize`` is unusable.

    Example:
        >>> square(np.zeros((200, 300, 3), np.uint8), 64).shape
        (64, 64, 3)
    """
    check_resize(size, resize)
    height, width = image.shape[:2]
    if out is None:
        out = np.empty((size, size, 3), np.uint8)
    if height == width == size:
        out[:] = image
    elif resize == "stretch":
        _scaled(image, size, size, out)
    elif resize == "crop":
        # The centre of whole pixels: where an odd number is too many, one more of them is kept.
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        _scaled(image[top : height - top, left : width - left], size, size, out)
    else:
        scale = size / max(width, height)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
        out[:] = 0
        out[top : top + inner[1], left : left + inner[0]] = _scaled(image, *inner)
    return out


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
    return square(np.ascontiguousarray(image), size, resize)
