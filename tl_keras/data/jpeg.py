"""The short cut for JPEGs: libjpeg-turbo without Pillow's detours round it.

Pillow wraps the same library, reads in pieces, stores four bytes a pixel and copies them twice:
half as much time again for the same pixels (``benchmarks/reading_speed.py``).  What is not plainly
sound is left to Pillow, so that one decoder says what is readable and what the error is called.

simplejpeg: https://gitlab.com/jfolz/simplejpeg
"""

from collections.abc import Callable

import numpy as np
import simplejpeg

from tl_keras.data.scratch import scratch


def plain_jpeg(data: bytes, scale_of: Callable[[tuple[int, int]], int]) -> np.ndarray | None:
    """Decodes a JPEG in colour or grey, if it is sound.

    Args:
        data: the whole file.
        scale_of: of (width, height), 1, 2, 4 or 8: the codec leaves out all but one pixel in so
            many per side.  May refuse a size by an exception, which is passed on.

    Returns:
        uint8 array (ceil(height / scale), ceil(width / scale), 3), RGB, as stored, not turned:
        equal to what Pillow decodes.  Good until the calling thread decodes the next: copy what
        is to stay.  ``None``: Pillow must look at it.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> buffer = io.BytesIO()
        >>> Image.new("RGB", (40, 30)).save(buffer, "JPEG")
        >>> plain_jpeg(buffer.getvalue(), lambda size: 2).shape
        (15, 20, 3)
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except Exception:
        return None
    if colours not in ("YCbCr", "Gray", "RGB"):
        return None
    scale = scale_of((width, height))
    wanted = (-(-height // scale), -(-width // scale))
    small = {} if scale == 1 else {"min_height": wanted[0], "min_width": wanted[1]}
    memory = scratch("decoding", (*wanted, 3))
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_factor=scale, buffer=memory, **small)
    except Exception:  # also of what libjpeg only warns: whether it counts, Pillow decides
        return None
    return pixels if pixels.shape[:2] == wanted else None


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG's header gives, as stored.

    Args:
        data: the whole file.

    Returns:
        px; ``None`` for what is no JPEG, or where Pillow must look at it.

    Example:
        >>> jpeg_size(b"GIF89a") is None
        True
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
    except Exception:  # hostile bytes: every kind of exception is possible
        return None
    return width, height


def may_be_turned(data: bytes) -> bool:
    """Whether a JPEG may say how it is to be turned; looking it up takes longer than this.

    Args:
        data: the whole file.

    Returns:
        False where it certainly does not.

    Example:
        >>> may_be_turned(b"no EXIF, no XMP")
        False
    """
    return b"Exif\0\0" in data or b"tiff:Orientation" in data
