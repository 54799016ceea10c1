"""From what a file stores to what a person sees: modes of pixels to RGB, and the right way up."""

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image

_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4
_TURN: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: cv2.flip(pixels, 1),
    3: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_180),
    4: lambda pixels: cv2.flip(pixels, 0),
    5: cv2.transpose,
    6: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_CLOCKWISE),
    7: lambda pixels: cv2.transpose(cv2.rotate(pixels, cv2.ROTATE_180)),
    8: lambda pixels: cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def _grey16(values: np.ndarray) -> Image.Image:
    scaled = (values.astype(np.uint32) * 255 + 32767) // 65535
    return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts a decoded picture to RGB, as :mod:`tl_keras.data.decoding` describes.

    Args:
        image: of any mode that Pillow decodes to.

    Returns:
        Pillow image, mode RGB.

    Raises:
        ValueError: 32-bit pixels, which have no agreed range.

    Example:
        >>> to_rgb(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0))
        (255, 255, 255)
    """
    if image.mode.startswith("I;16"):
        return _grey16(np.asarray(image))
    if image.mode == "I" and image.format in ("PPM", "PNG"):  # both: 0..65535
        return _grey16(np.clip(np.asarray(image), 0, 65535))
    if image.mode in ("I", "F"):
        raise ValueError("32-bit pixels have no agreed range (convert it to 8 or 16 bit)")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(layer, mask=layer.getchannel("A"))
        return paper
    return image.convert("RGB")


def orientation(image: Image.Image) -> int:
    """How a picture is to be turned, as its EXIF block says.

    Args:
        image: a picture that Pillow opened.

    Returns:
        1 (as it is) to 8, see EXIF 2.32, 4.6.4; 1 as well where the block is damaged.

    Example:
        >>> orientation(Image.new("RGB", (4, 3)))
        1
    """
    try:
        found = image.getexif().get(_ORIENTATION, 1)
        return int(found) if found in _TURN else 1
    except Exception:  # hostile bytes: every kind of exception is possible
        return 1


def turned(pixels: np.ndarray, how: int) -> np.ndarray:
    """Turns and mirrors stored pixels until they stand upright.

    Args:
        pixels: uint8 array (height, width) or (height, width, 3), as stored.
        how: an EXIF orientation, 1 to 8.

    Returns:
        The array, turned: from 5 on, height and width have changed places.

    Example:
        >>> turned(np.array([[1, 2]], np.uint8), 6).tolist()
        [[1], [2]]
    """
    turn = _TURN.get(how)
    return pixels if turn is None else turn(pixels)


def upright(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Turns and mirrors pixels as the EXIF block of their file says.

    Args:
        pixels: uint8 array (height, width, 3), as stored.
        image: what Pillow made of the file.

    Returns:
        uint8 array (height, width, 3) or (width, height, 3); ``pixels`` itself where nothing is
        to be turned or the EXIF block is damaged.

    Example:
        >>> upright(np.zeros((3, 4, 3), np.uint8), Image.new("RGB", (4, 3))).shape
        (3, 4, 3)
    """
    return turned(pixels, orientation(image))
