"""Where decoded images are kept: rows of equal size, in memory or in a file."""

import contextlib
import os
import threading
import warnings
import zlib
from pathlib import Path

import numpy as np

from tl_keras.errors import InputError

_FILLED = 1 << 32  # set beside a row's CRC-32, so that a row of zeros counts as well


def memory_bound() -> int:
    """Bytes that a cache in memory may have: half of what the machine or its container has.

    Returns:
        A number of bytes; 2 GiB where the system does not tell.

    Example:
        >>> memory_bound() > 2**20
        True
    """
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        total = 4 * 2**30
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total // 2


class MemoryPixels:
    """Rows of pixels in memory.

    Args:
        rows: how many images.
        side: of each, in pixels.

    Raises:
        InputError: they would take more than :func:`memory_bound`.

    Example:
        >>> pixels = MemoryPixels(1, 2)
        >>> pixels.write(0, np.ones((2, 2, 3), np.uint8))
        >>> pixels.read(0, np.empty((2, 2, 3), np.uint8)), pixels.complete
        (True, True)
    """

    def __init__(self, rows: int, side: int) -> None:
        need, bound = rows * side * side * 3, memory_bound()
        if need > bound:
            raise InputError(
                f"{rows} decoded images of {side} x {side} take {need / 2**30:.1f} GiB, over half "
                f"of the memory ({bound / 2**30:.1f} GiB); give cache= a folder, or a smaller "
                "image size"
            )
        self._pixels = np.empty((rows, side, side, 3), np.uint8)  # costs nothing until written
        self._filled = np.zeros(rows, bool)

    @property
    def complete(self) -> bool:
        """Whether every row is there."""
        return bool(self._filled.all())

    def read(self, row: int, out: np.ndarray) -> bool:
        """Copies a row to ``out``, uint8 (side, side, 3); False: it is not there."""
        if not self._filled[row]:
            return False
        out[:] = self._pixels[row]
        return True

    def write(self, row: int, pixels: np.ndarray) -> None:
        """Keeps a row, uint8 (side, side, 3)."""
        self._pixels[row] = pixels
        self._filled[row] = True


class FilePixels:
    """Rows of pixels in a file; a row counts when its checksum fits.

    So an interrupt, a kill or a power cut at any moment costs the rows that were being written,
    the next run goes on with the others, and processes may share the file.  A disk that is full
    or fails costs the cache and nothing else: one warning.

    Args:
        path: the file; made where it is missing.
        rows: how many images.
        side: of each, in pixels.

    Raises:
        OSError: it cannot be made.

    Example:
        >>> pixels = FilePixels("0f.pixels", 100, 224)  # doctest: +SKIP
    """

    def __init__(self, path: Path, rows: int, side: int) -> None:
        self.path, self._bytes = path, side * side * 3
        self._sums_at = rows * self._bytes
        path.touch()
        self._file = path.open("r+b", buffering=0)
        self._file.truncate(self._sums_at + 8 * rows)  # sparse: holes read as zeros
        self._file.seek(self._sums_at)
        self._sums = np.frombuffer(bytearray(self._file.read()), np.uint64)
        self._checked = np.zeros(rows, bool)
        self._lock = threading.Lock()
        self._failed = False

    @property
    def complete(self) -> bool:
        """Whether every row is there."""
        return bool(self._sums.all())

    def read(self, row: int, out: np.ndarray) -> bool:
        """Copies a row to ``out``, uint8 (side, side, 3), contiguous; False: it is not there."""
        if self._failed or not self._sums[row]:
            return False
        try:
            with self._lock:
                self._file.seek(row * self._bytes)
                whole = self._file.readinto(out) == self._bytes
        except OSError as error:
            self._give_up(error)
            return False
        if not self._checked[row]:
            if not whole or zlib.crc32(out) | _FILLED != self._sums[row]:
                self._sums[row] = 0
                return False
            self._checked[row] = True
        return whole

    def write(self, row: int, pixels: np.ndarray) -> None:
        """Keeps a row, uint8 (side, side, 3), contiguous."""
        if self._failed:
            return
        checksum = np.uint64(zlib.crc32(pixels) | _FILLED)
        try:
            with self._lock:
                self._put(row * self._bytes, pixels.tobytes())
                self._put(self._sums_at + 8 * row, checksum.tobytes())
        except OSError as error:
            self._give_up(error)
            return
        self._sums[row], self._checked[row] = checksum, True

    def _put(self, at: int, data: bytes) -> None:
        self._file.seek(at)
        while data:  # a disk that is getting full takes less than it is given, then none
            data = data[self._file.write(data) :]

    def _give_up(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            warnings.warn(
                f"the cache of decoded images {self.path} failed ({error.strerror or error}); "
                "going on without it",
                RuntimeWarning,
                stacklevel=3,
            )
