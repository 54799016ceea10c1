"""Rows of one array as they come, to a file, or to memory where there is none or it fails."""

import io
import os
from collections.abc import Callable
from typing import BinaryIO

import numpy as np


class Rows:
    """An array that is written row by row.

    Rows are written to the file with plain writes and mapped when all are there: to write through a
    mapping on a full disk kills the process (SIGBUS) where a write raises an error.

    Args:
        shape: (N, D) of the whole.
        file: Unbuffered, open for reading and writing, empty; becomes a ``.npy`` file.  None: the
            array is built in memory.
        lost: Called with the reason when the file cannot be written; the array is then built in
            memory, with the rows that the file has already.

    Example:
        >>> rows = Rows((2, 3), None, print)
        >>> rows.add(np.ones((2, 3)))
        >>> rows.finish().sum()
        np.float32(6.0)
    """

    def __init__(
        self, shape: tuple[int, int], file: BinaryIO | None, lost: Callable[[str], None]
    ) -> None:
        self._shape, self._file, self._lost = shape, file, lost
        self._done = 0
        self._start = 0
        self._memory = None if file is not None else np.empty(shape, np.float32)
        if file is not None:
            self._try(self._write_header)

    @property
    def on_disk(self) -> bool:
        """Whether all rows so far are in the file."""
        return self._memory is None

    def add(self, block: np.ndarray) -> None:
        """Append rows (n, D).

        Raises:
            ValueError: More rows than announced, or of another width.
        """
        block = np.ascontiguousarray(block, "<f4")
        end = self._done + len(block)
        if block.shape[1:] != self._shape[1:] or end > self._shape[0]:
            raise ValueError(f"rows {block.shape} do not fit into {self._shape} at {self._done}")
        if self.on_disk:
            self._try(lambda: self._write(block.data.cast("B")))
        if not self.on_disk:
            self._memory[self._done : end] = block
        self._done = end

    def finish(self) -> np.ndarray:
        """The whole array, float32 (N, D); mapped and not writable where it lies in the file.

        Raises:
            ValueError: Rows are missing.
        """
        if self._done != self._shape[0]:
            raise ValueError(f"{self._done} rows of {self._shape[0]}")
        if self.on_disk:
            self._try(lambda: os.fsync(self._file.fileno()))
        if not self.on_disk:
            return self._memory
        return np.memmap(self._file, "<f4", "r", offset=self._start, shape=self._shape)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._lost(error.strerror or str(error))
            memory = np.empty(self._shape, np.float32)
            if self._done:
                self._file.seek(self._start)
                width = self._shape[1]
                found = np.fromfile(self._file, "<f4", self._done * width)
                memory[: self._done] = found.reshape(self._done, width)
            self._memory = memory

    def _write_header(self) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": self._shape}
        encoded = io.BytesIO()
        np.lib.format.write_array_header_1_0(encoded, header)
        self._write(encoded.getbuffer())
        self._start = self._file.tell()

    def _write(self, left: memoryview) -> None:
        # A disk that is nearly full takes a part and fails at the next write.
        while left:
            left = left[self._file.write(left) :]
