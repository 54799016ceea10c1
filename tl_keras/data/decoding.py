"""One decoder: from a file, bytes or an array to the RGB pixels that a person would see.

* The content decides, never the extension: a GIF named ``.jpg`` is read as the GIF it is.
* EXIF orientation is applied.  Grey, palette and CMYK become RGB by Pillow's plain conversion;
  embedded colour profiles are not applied.  A CMYK JPEG is taken to be inverted, as Adobe's
  programs write it, with or without their marker.
* Transparency is composited on white, the paper most pictures are looked at on.
* 16-bit grey (PNG, TIFF, PGM) is scaled by the full range of its type, 65535 -> 255, so that equal
  values stay equal from file to file.  32-bit integers and floats have no agreed range: refused.
* Of an animation or a multi-page file, the first frame.
* ``MAX_PIXELS`` is checked on the header, before a pixel is decoded.
* Large JPEGs are decoded at 1/2, 1/4 or 1/8 scale by the codec when the result still has twice the
  pixels per side that are asked for; :func:`load_image` says how much that changes.
* Sound JPEGs in colour or grey take a short cut to libjpeg-turbo
  (:mod:`tl_keras.data.jpeg`), the library that Pillow wraps, and come out bit for bit the same.

Pillow's documentation: https://pillow.readthedocs.io/en/stable/handbook/image-file-formats.html
"""

import functools
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from tl_keras.data.jpeg import may_be_turned, plain_jpeg
from tl_keras.data.resizing import check_resize, square
from tl_keras.data.rgb import to_rgb, upright
from tl_keras.errors import InputError

#: What decodes and what resizes; stands in the artefact, for two of them differ by a grey level.
DECODER = "pillow+opencv"

#: Width × height above which a picture is taken for a decompression bomb: Pillow's own bound,
#: a quarter GiB of RGB (https://pillow.readthedocs.io/en/stable/reference/limits.html).
MAX_PIXELS = 89_478_485

#: Bytes up to which a file is read at once.
IN_MEMORY = 64 * 2**20

# Named, so that no stranger's file can start another program (EPS runs Ghostscript) and no
# format without a signature takes noise for a picture (TGA).
_FORMATS = ("JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP", "PPM", "TIFF", "JPEG2000", "AVIF")

Source = str | os.PathLike | bytes | np.ndarray


class UnreadableImageError(InputError):
    """A picture that cannot be read, and why.

    Attributes:
        source: the file, or ``"bytes"`` or ``"array"``.
        reason: what is wrong with it, a few words.

    Example:
        >>> str(UnreadableImageError("a.jpg", "zero bytes"))
        'cannot read a.jpg: zero bytes; mend or remove it'
    """

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        self.reason = reason
        super().__init__(f"cannot read {source}: {reason}; mend or remove it")


@functools.cache
def formats() -> tuple[str, ...]:
    """The formats that are read, by Pillow's names; others are not even tried.

    Example:
        >>> "JPEG" in formats(), "EPS" in formats()
        (True, False)
    """
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def open_regular(path: str | os.PathLike) -> BinaryIO:
    """Opens a regular file; a pipe or a device would block or never end.

    Args:
        path: the file.

    Returns:
        The file, open for reading bytes.

    Raises:
        UnreadableImageError: the file is missing, empty, no regular file, or may not be read.

    Example:
        >>> open_regular("no/such.jpg")
        Traceback (most recent call last):
        ...
        tl_keras.data.decoding.UnreadableImageError: cannot read no/such.jpg: no such file; mend \
or remove it
    """
    path = Path(path)
    name = str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError(name, "not a regular file")
        if not status.st_size:
            raise UnreadableImageError(name, "zero bytes")
        return path.open("rb")
    except FileNotFoundError:
        reason = "a link that leads nowhere" if path.is_symlink() else "no such file"
        raise UnreadableImageError(name, reason) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, InputError):
            raise
        raise UnreadableImageError(name, _one_line(error)) from None


def _check_bound(name: str, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise UnreadableImageError(
            name, f"{size[0]} x {size[1]} pixels, over the bound of {MAX_PIXELS} (bomb?)"
        )


def _unidentified(file: BinaryIO) -> str:
    file.seek(0)
    head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"msf1"):
        return "a HEIC picture, which is not supported (export it as JPEG)"
    if not head:
        return "zero bytes"
    return "not an image, or cut off in its header"


def _reduction(size: tuple[int, int], at_least: int, longer: bool) -> int:
    """The codec's scale, 1/8 to 1/1, that leaves twice the pixels needed."""
    side = max(size) if longer else min(size)
    return next((scale for scale in (8, 4, 2) if side >= 2 * scale * at_least), 1)


def decode(
    file: BinaryIO, name: str, at_least: int | None = None, longer: bool = False
) -> np.ndarray:
    """Decodes an open file to RGB pixels, upright.

    Args:
        file: seekable, open for reading bytes.
        name: what error messages call it.
        at_least: pixels per side that are needed; a JPEG may then be decoded smaller, never below
            twice this.  ``None`` decodes every pixel.
        longer: ``at_least`` is meant for the longer side, not the shorter.

    Returns:
        uint8 array (height, width, 3), RGB, 0..255; maybe read-only, and good only until the
        calling thread decodes the next.

    Raises:
        UnreadableImageError: no image, damaged, too large, or of pixels without a range.

    Example:
        >>> import io
        >>> buffer = io.BytesIO()
        >>> Image.new("L", (4, 3)).save(buffer, "PNG")
        >>> decode(buffer, "grey.png").shape
        (3, 4, 3)
    """

    def scale_of(size: tuple[int, int]) -> int:
        _check_bound(name, size)
        return _reduction(size, at_least, longer) if at_least else 1

    pixels = None
    try:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        if length <= IN_MEMORY:  # codecs read memory faster than a file
            data = file.read()
            file = io.BytesIO(data)
            pixels = plain_jpeg(data, scale_of)
            if pixels is not None and not may_be_turned(data):
                return pixels
        image = Image.open(file, formats=formats())
        if pixels is not None:
            return upright(pixels, image)
        scale = scale_of(image.size)
        if scale > 1:
            image.draft("RGB", tuple(max(1, side // scale) for side in image.size))
        image.load()
        _check_bound(name, image.size)  # a GIF's frame may be larger than its header says
        return upright(np.asarray(to_rgb(image)), image)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(name, _unidentified(file)) from None
    except Image.DecompressionBombError:
        reason = f"more pixels than the bound of {MAX_PIXELS} (bomb?)"
        raise UnreadableImageError(name, reason) from None
    except Exception as error:  # decoders meet hostile bytes: every kind of exception is possible
        raise UnreadableImageError(name, f"truncated or damaged ({_one_line(error)})") from None


def _from_array(array: np.ndarray) -> np.ndarray:
    shape, dtype = array.shape, array.dtype
    if array.ndim == 2:
        array = array[..., None]
    fits = array.ndim == 3 and array.shape[2] in (1, 3, 4) and 0 not in array.shape
    if not fits or dtype not in (np.uint8, np.uint16):
        raise UnreadableImageError(
            f"array {dtype} {shape}",
            "expected uint8 0..255 or uint16 0..65535 of shape (height, width[, 1, 3 or 4]) "
            "(scale floats yourself: only you know their range)",
        )
    if dtype == np.uint16:
        array = ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if array.shape[2] == 3:
        return np.ascontiguousarray(array)
    if array.shape[2] == 1:
        array = array[..., 0]
    return np.asarray(to_rgb(Image.fromarray(np.ascontiguousarray(array))))


def _open(source: Source, at_least: int | None = None, longer: bool = False) -> np.ndarray:
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode(io.BytesIO(source), "bytes", at_least, longer)
    if isinstance(source, (str, os.PathLike)):
        with open_regular(source) as file:
            return decode(file, str(source), at_least, longer)
    raise UnreadableImageError(type(source).__name__, "expected a path, bytes or a numpy array")


def read_image(source: Source) -> np.ndarray:
    """Reads a picture as a person sees it, every pixel of it.

    Args:
        source: a path, the bytes of a file, or an array: uint8 0..255 or uint16 0..65535 of shape
            (height, width), or (height, width, 1, 3 or 4) in grey, RGB or RGBA.

    Returns:
        uint8 array (height, width, 3), RGB, 0..255; a copy that may be written to.

    Raises:
        UnreadableImageError: (an ``InputError``) with the file's name and what is wrong.

    Example:
        >>> read_image(np.zeros((3, 4), np.uint8)).shape
        (3, 4, 3)
    """
    return np.array(_open(source))


def load_image(
    source: Source, size: int, resize: str = "crop", out: np.ndarray | None = None
) -> np.ndarray:
    """Reads a picture and brings it to the network's square: the way in, everywhere.

    JPEGs of at least four times ``size`` are decoded at a reduced scale; on photographs the result
    differs from decoding every pixel by about half a grey level on average
    (``tests/test_data_resizing.py`` bounds it), at a fraction of the time.

    Args:
        source: as for :func:`read_image`.
        size: side of the result, in pixels.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``, see :func:`tl_keras.data.resize_image`.
        out: uint8 array (size, size, 3), contiguous, to write to; by default a new one.

    Returns:
        uint8 array (size, size, 3), RGB, 0..255: ``out``.

    Raises:
        InputError: the picture cannot be read, or ``size`` or ``resize`` is unusable.

    Example:
        >>> load_image(np.zeros((30, 40, 3), np.uint8), 16).shape
        (16, 16, 3)
    """
    check_resize(size, resize)
    return square(_open(source, at_least=size, longer=resize == "pad"), size, resize, out)
