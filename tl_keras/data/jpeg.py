"""The short cut for JPEGs: libjpeg-turbo without Pillow's detours round it.

Pillow wraps the same library, reads in pieces, stores four bytes a pixel and copies them twice:
half as much time again for the same pixels (``benchmarks/reading_speed.py``).  What is not plainly
sound is left to Pillow, so that one decoder says what is readable and what the error is called.

simplejpeg: https://gitlab.com/jfolz/simplejpeg
"""

import io

import numpy as np
import simplejpeg
from PIL import Image

from tl_keras.data.scratch import scratch


def fast_jpeg(file: io.BytesIO, image: Image.Image, scale: int) -> np.ndarray | None:
    """Decodes a JPEG in RGB or grey, if it is sound.

    Args:
        file: the bytes of the file; its position stays where it is.
        image: what Pillow made of its header.
        scale: 1, 2, 4 or 8: the codec leaves out all but one pixel in so many per side.

    Returns:
        uint8 array (ceil(height / scale), ceil(width / scale), 3), RGB, as stored, not turned;
        equal to what Pillow decodes.  Good until the calling thread decodes the next: copy what
        is to stay.  ``None``: Pillow must look at it.

    Example:
        >>> buffer = io.BytesIO()
        >>> Image.new("RGB", (40, 30)).save(buffer, "JPEG")
        >>> fast_jpeg(buffer, Image.open(buffer), 2).shape
        (15, 20, 3)
    """
    if image.format not in ("JPEG", "MPO") or image.mode not in ("RGB", "L"):
        return None
    data = file.getbuffer()
    width, height = image.size
    wanted = (-(-height // scale), -(-width // scale))
    try:
        # Two headers in one file: the size that was checked must be the size that is decoded.
        if simplejpeg.decode_jpeg_header(data)[:2] != (height, width):
            return None
        small = {} if scale == 1 else {"min_height": wanted[0], "min_width": wanted[1]}
        memory = scratch("decoding", (*wanted, 3))
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_factor=scale, buffer=memory, **small)
    except Exception:  # also of what libjpeg only warns: whether it counts, Pillow decides
        return None
    return pixels if pixels.shape[:2] == wanted else None
