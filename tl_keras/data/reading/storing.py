"""Pictures that lie in no file of their own are written to one, once.

A file is named after what is in it (BLAKE2b of the bytes, or of shape, type and values of an
array), so that a second call, or the next one after an interrupt, writes only what is missing, and
several sources share a folder.  A file has its name only when all of it is there.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from tl_keras.data.decoding import UnreadableImageError
from tl_keras.data.reading.cache import cache_folder, cannot_write
from tl_keras.data.scanning import DIGEST_BYTES, workers

_AT_ONCE = 64  # pictures in memory at a time
_QUIET_SECONDS = 2.0
_BGR = {3: [2, 1, 0], 4: [2, 1, 0, 3]}  # OpenCV's order of the channels
_SUFFIXES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


class Item(NamedTuple):
    """A picture with what is known of it, on its way into a file.

    Attributes:
        image: the bytes of a file, an array of pixels, or the path of a file that is there.
        origin: where it stands, for messages: ``"record 17 of a.tfrecord"``.
        target: whatever the reader knows of it.

    Example:
        >>> Item(b"...", "row 3", "ants").origin
        'row 3'
    """

    image: Any
    origin: str
    target: Any = None


class Stored(NamedTuple):
    """Where an item's picture lies now.

    Attributes:
        path: its file; ``None`` where it is no picture.
        reason: why not.
        origin: where it stood.
        target: whatever the reader knows of it.

    Example:
        >>> Stored("images/0f.png", None, "row 3", "ants").target
        'ants'
    """

    path: str | None
    reason: str | None
    origin: str
    target: Any


def store(
    items: Iterable[Item],
    into: str | os.PathLike | None = None,
    *,
    total: int | None = None,
    progress: bool = True,
) -> Iterator[Stored]:
    """Writes pictures to files: encoded ones as they are, arrays as PNG, which loses nothing.

    Args:
        items: the pictures, one by one; few are in memory at a time.
        into: the folder; by default ``tl_keras/images`` below Keras' home.
        total: how many, if that is known.
        progress: show a bar on standard error, once it takes longer than two seconds and only
            where somebody is looking (a terminal).

    Yields:
        For each item, in the order given, where its picture is.

    Raises:
        InputError: the folder cannot be written, or the disk is full.

    Example:
        >>> list(store([Item(b"...", "row 0")], "pictures/"))  # doctest: +SKIP
    """
    folder = Path(into).expanduser().absolute() if into else cache_folder("images").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    with (
        ThreadPoolExecutor(workers()) as pool,
        tqdm(
            desc="writing images", unit="image", total=total, file=sys.stderr,
            delay=_QUIET_SECONDS, disable=None if progress else True, leave=False,
        ) as bar,
    ):  # fmt: skip
        rest = iter(items)
        while some := list(islice(rest, _AT_ONCE)):
            for stored in pool.map(lambda item: _store_one(item, folder), some):
                yield stored
                bar.update()


def _store_one(item: Item, folder: Path) -> Stored:
    image, reason = item.image, None
    path: str | None = None
    try:
        if isinstance(image, (str, os.PathLike)):
            path = os.path.abspath(os.fspath(image))  # noqa: PTH100 (links stay)
        elif isinstance(image, (bytes, bytearray, memoryview)):
            path = _write_bytes(bytes(image), folder)
        else:
            path = _write_array(checked_array(image), folder)
    except UnreadableImageError as error:
        reason = error.reason
    except OSError as error:
        raise cannot_write(folder, error) from None
    return Stored(path, reason, item.origin, item.target)


def _write_bytes(data: bytes, folder: Path) -> str:
    if not data:
        raise UnreadableImageError("bytes", "zero bytes")
    digest = hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()
    suffix = next((s for magic, s in _SUFFIXES.items() if data.startswith(magic)), ".image")
    path = folder / digest[:2] / (digest + suffix)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size == len(data):  # less, after a power cut
            return str(path)
    _write_whole(path, data)
    return str(path)


def _write_array(pixels: np.ndarray, folder: Path) -> str:
    import cv2

    named = hashlib.blake2b(f"{pixels.dtype} {pixels.shape} ".encode(), digest_size=DIGEST_BYTES)
    named.update(pixels)
    digest = named.hexdigest()
    path = folder / digest[:2] / (digest + ".png")
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size:
            return str(path)
    ordered = pixels if pixels.ndim == 2 else pixels[..., _BGR[pixels.shape[2]]]
    done, data = cv2.imencode(".png", np.ascontiguousarray(ordered))
    if not done:
        raise UnreadableImageError("array", f"PNG cannot hold {pixels.dtype} {pixels.shape}")
    _write_whole(path, data.tobytes())
    return str(path)


def _write_whole(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(scratch).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(scratch).unlink()
        raise


def checked_array(image: Any) -> np.ndarray:
    """Pixels as PNG and the decoder hold them.

    Args:
        image: uint8 0..255, uint16 0..65535 or bool, of shape (height, width), or (height, width,
            1, 3 or 4) in grey, RGB or RGBA.

    Returns:
        uint8 or uint16, C order; bool becomes 0 and 255, one channel loses its axis, and colours
        in uint16 become uint8, as the decoder reads them.

    Raises:
        UnreadableImageError: it is something else; floats have no agreed range.

    Example:
        >>> checked_array(np.ones((2, 3, 1), bool)).tolist()
        [[255, 255, 255], [255, 255, 255]]
    """
    try:
        array = np.asarray(image)
    except Exception as error:  # lists of lists of anything
        raise UnreadableImageError(type(image).__name__, f"no array ({error})") from None
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    shape = array.shape
    if array.dtype not in (np.uint8, np.uint16):
        wanted = "scale it to uint8 0..255 yourself: only you know its range"
        raise UnreadableImageError("array", f"an array of {array.dtype}; {wanted}")
    if not (array.ndim == 2 or (array.ndim == 3 and shape[2] in (1, 3, 4))) or 0 in shape:
        wanted = "expected (height, width) or (height, width, 1, 3 or 4)"
        raise UnreadableImageError("array", f"an array of shape {shape}; {wanted}")
    if array.ndim == 3 and shape[2] == 1:
        array = array[..., 0]
    elif array.ndim == 3 and array.dtype == np.uint16:
        array = ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return np.ascontiguousarray(array)
