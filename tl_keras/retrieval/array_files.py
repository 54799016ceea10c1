"""Arrays and texts in files that many processes map into memory and share."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_MAPPED_FROM = 1 << 16  # bytes; a small file is read at once, which costs less than a mapping


def save_array(file: Path, array: np.ndarray) -> None:
    """Writes a ``.npy`` file that is on the disk when this returns.

    Example:
        >>> save_array(Path("rows.npy"), np.arange(3))  # doctest: +SKIP
    """
    with file.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())


def open_array(file: Path) -> np.ndarray:
    """Opens a ``.npy`` file for reading, memory-mapped if it is large.

    Example:
        >>> open_array(Path("rows.npy")).tolist()  # doctest: +SKIP
        [0, 1, 2]
    """
    mapped = "r" if file.stat().st_size >= _MAPPED_FROM else None
    # A plain view: the memmap class makes every slice and number several times dearer.
    return np.load(file, mmap_mode=mapped, allow_pickle=False).view(np.ndarray)


def sync_folder(folder: Path) -> None:
    """Makes the names of a folder's files as durable as their contents.

    Example:
        >>> sync_folder(Path("."))
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Texts:
    """Texts by position, in two files: all of UTF-8 in a row, and where each ends.

    Example:
        >>> Texts.write(Path("."), "ids", ["a", "b"])  # doctest: +SKIP
        >>> Texts(Path("."), "ids")[1]  # doctest: +SKIP
        'b'
    """

    def __init__(self, folder: Path, name: str):
        self._bytes = open_array(folder / f"{name}.npy")
        self._ends = open_array(folder / f"{name}_ends.npy")

    @staticmethod
    def write(folder: Path, name: str, texts: Sequence[str]) -> None:
        """Writes the files.

        Args:
            folder: Exists.
            name: Of the files.
            texts: The texts.
        """
        encoded = [text.encode() for text in texts]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), dtype=np.int64)
        save_array(folder / f"{name}.npy", np.frombuffer(b"".join(encoded), np.uint8))
        save_array(folder / f"{name}_ends.npy", ends)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, position: int) -> str:
        start = self._ends[position - 1] if position else 0
        return self._bytes[start : self._ends[position]].tobytes().decode()

    def all(self) -> list[str]:
        """All of them: faster than one by one."""
        joined, ends = self._bytes.tobytes(), self._ends.tolist()
        starts = [0, *ends[:-1]]
        return [joined[a:b].decode() for a, b in zip(starts, ends, strict=True)]


class Ids:
    """Ids by row and rows by id, without an id in memory.

    Rows are found by binary search in the sorted 64-bit hashes of the ids; the id itself decides.

    Example:
        >>> Ids.write(Path("."), ["a", "b"])  # doctest: +SKIP
        >>> Ids(Path(".")).rows(["b", "c"]).tolist()  # doctest: +SKIP
        [1, -1]
    """

    def __init__(self, folder: Path):
        self.texts = Texts(folder, "ids")
        self._hashes = open_array(folder / "id_hashes.npy")
        self._rows = open_array(folder / "id_rows.npy")

    @staticmethod
    def write(folder: Path, ids: Sequence[str]) -> None:
        """Writes the files.

        Args:
            folder: Exists.
            ids: The id of each row, none twice.
        """
        Texts.write(folder, "ids", ids)
        hashes = hash_texts(ids)
        order = np.argsort(hashes, kind="stable")
        save_array(folder / "id_hashes.npy", hashes[order])
        save_array(folder / "id_rows.npy", order.astype(np.int64))

    def rows(self, ids: Sequence[str], hashes: np.ndarray | None = None) -> np.ndarray:
        """The row of each id, int64, -1 where there is none.

        Args:
            ids: What to look for.
            hashes: Their :func:`hash_texts`, if known.
        """
        hashes = hash_texts(ids) if hashes is None else hashes
        found = np.full(len(ids), -1, np.int64)
        first = np.searchsorted(self._hashes, hashes)
        inside = np.flatnonzero(first < len(self._hashes))
        for position in inside[self._hashes[first[inside]] == hashes[inside]].tolist():
            at = int(first[position])
            while at < len(self._hashes) and self._hashes[at] == hashes[position]:
                row = int(self._rows[at])
                if self.texts[row] == ids[position]:
                    found[position] = row
                    break
                at += 1
        return found


def hash_texts(texts: Sequence[str]) -> np.ndarray:
    """64 bits of BLAKE2b of each text, uint64: the same in every process.

    Example:
        >>> hash_texts(["a"]).dtype.name
        'uint64'
    """
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)
