"""Decoded images that wait to be used again: in memory, or in one file of a folder.

What is kept is what the decoder and the resizer made, before augmentation.  A stale entry cannot
be met: rows are found by the hash of the file's bytes, which is checked again when a row is
filled, and the folder's file is named by all of those hashes, the size, the mode of resizing and
the versions of what decodes.
"""

import hashlib
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import PIL

from tl_keras.data.decoding import DECODER
from tl_keras.data.pixel_stores import FilePixels, MemoryPixels
from tl_keras.errors import InputError

# Left free on the disk for what matters more, such as checkpoints.
_RESERVE = 256 * 2**20


def _file_in(folder: Path, key: str, rows: int, side: int) -> FilePixels | None:
    path = folder / f"{key}.pixels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        need = rows * (side * side * 3 + 8) + _RESERVE
        if path.exists():
            need -= path.stat().st_blocks * 512 if hasattr(path.stat(), "st_blocks") else need
        others = [file for file in folder.glob("*.pixels") if file != path]
        for old in sorted(others, key=lambda file: file.stat().st_mtime):
            if shutil.disk_usage(folder).free >= need:
                break
            old.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
        if free >= need:
            return FilePixels(path, rows, side)
        reason = f"it needs {need / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free"
    except OSError as error:
        reason = error.strerror or str(error)
    warnings.warn(
        f"no cache of decoded images in {folder}: {reason}; going on without it",
        RuntimeWarning,
        stacklevel=2,
    )
    return None


class PixelCache:
    """The decoded images of a table.

    Args:
        digests: per example, the BLAKE2b hash of the file's bytes; equal ones share a row.
        side: of the images, in pixels.
        resize: how they were brought to it.
        where: ``"memory"``, or a folder.

    Raises:
        InputError: there is not enough memory.

    Example:
        >>> PixelCache(["0f", "0e", "0f"], 8, "crop", "memory").complete
        False
    """

    def __init__(
        self, digests: Sequence[str], side: int, resize: str, where: str | os.PathLike
    ) -> None:
        self.digests = digests
        distinct = sorted(set(digests))
        numbers = {digest: row for row, digest in enumerate(distinct)}
        self._rows = [numbers[digest] for digest in digests]
        if isinstance(where, str) and where == "memory":
            self._store = MemoryPixels(len(distinct), side)
            return
        if not isinstance(where, (str, os.PathLike)) or not str(where):
            raise InputError(f"cache {where!r}: give 'memory', a folder, or None")
        made_by = f"1 {DECODER} {PIL.__version__} {cv2.__version__} {side} {resize}"
        key = hashlib.sha256("\n".join([made_by, *distinct]).encode()).hexdigest()
        self._store = _file_in(Path(where).expanduser(), key[:32], len(distinct), side)

    @property
    def complete(self) -> bool:
        """Whether every image is kept."""
        return self._store is not None and self._store.complete

    def read(self, index: int, out: np.ndarray) -> bool:
        """Fetches an image.

        Args:
            index: its position in the table.
            out: uint8 array (side, side, 3), contiguous, to write to.

        Returns:
            Whether it was there; else ``out`` holds anything.
        """
        return self._store is not None and self._store.read(self._rows[index], out)

    def write(self, index: int, pixels: np.ndarray) -> None:
        """Keeps an image.

        Args:
            index: its position in the table.
            pixels: uint8 array (side, side, 3), contiguous.
        """
        if self._store is not None:
            self._store.write(self._rows[index], pixels)
