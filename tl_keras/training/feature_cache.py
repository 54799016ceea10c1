"""Where features wait to be used again: in memory, in a mapped file past a bound, in a folder."""

import contextlib
import os
import re
import shutil
import tempfile
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tl_keras.errors import InputError
from tl_keras.training.feature_rows import Rows

# Left free on the disk for what matters more, such as checkpoints.
_RESERVE = 256 << 20
_ENTRY = re.compile(r"[0-9a-f]{64}\.npy")
_DAY = 24 * 3600


class FeatureCache:
    """Keeps arrays of features by key.

    Nothing is kept on disk across runs unless a folder is given.  Without one, an array larger
    than ``memory_bytes`` lies in a nameless temporary file, which the system takes away when the
    process ends, however it ends.  A disk that is full or fails costs the cache and nothing else:
    one warning, and the rows go on in memory.

    Args:
        directory: A folder to keep features in from run to run; it is made where it is missing.
            Each entry is one ``.npy`` file, written aside and then renamed, so that none is ever
            there by half.
        memory_bytes: Arrays past this bound are mapped from a file; also how much is kept in memory
            for another use.
        disk_bytes: Bound of the folder; the entries used longest ago go first.
        whole: Examples that several runs train and validate on parts of, such as folds: features
            that are not augmented are then computed for all of them at once, and parts are taken
            from those.

    Attributes:
        computed: Key of what was not there -> seconds that computing it took.
        found: Keys of what was found in the folder.

    Raises:
        InputError: The folder cannot be made.

    Example:
        >>> cache = FeatureCache()
        >>> cache.fill("0f", (3, 2), [np.zeros((3, 2))]).shape, cache.get("0f").dtype
        ((3, 2), dtype('float32'))
    """

    def __init__(
        self,
        directory: str | os.PathLike | None = None,
        *,
        memory_bytes: int = 1 << 30,
        disk_bytes: int = 8 << 30,
        whole: Any = None,
    ) -> None:
        self.whole = whole
        self.directory = None if directory is None else Path(directory).expanduser()
        self.memory_bytes, self.disk_bytes = memory_bytes, disk_bytes
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._disk_fails = False
        self.computed: dict[str, float] = {}
        self.found: set[str] = set()
        if self.directory is not None:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"the cache folder {self.directory} cannot be made ({error.strerror}); "
                    "give another, or none to keep features in memory"
                ) from None

    def get(
        self, key: str, verify: Callable[[np.ndarray], bool] | None = None
    ) -> np.ndarray | None:
        """Find features.

        Args:
            key: Of :func:`tl_keras.training.feature_key.feature_key`.
            verify: Is asked about an array that comes from the folder; on False its file is
                deleted and the array not returned.

        Returns:
            float32 (N, D), maybe mapped from a file and not writable; None if there is none.
        """
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        path = self._path(key)
        if path is None:
            return None
        try:
            rows = self._load(path)
            sound = rows.dtype == np.float32 and rows.ndim == 2
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError):
            sound = False
        if not sound or (verify and not verify(rows)):
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # used now: the order in which entries have to go
        self.found.add(key)
        self._keep(key, rows)
        return rows

    def fill(
        self,
        key: str,
        shape: tuple[int, int],
        blocks: Iterable[np.ndarray],
        keep: Callable[[], bool] = lambda: True,
    ) -> np.ndarray:
        """Take rows as they are computed.

        Args:
            key: Under which they are kept.
            shape: (N, D) of the whole.
            blocks: Rows (n, D) in order, N in all.
            keep: Asked at the end whether the rows may be kept; they are returned anyhow.

        Returns:
            float32 (N, D), maybe mapped from a file and not writable.

        Raises:
            ValueError: There were not N rows.
        """
        file, path = self._open(key, shape)
        began = time.perf_counter()
        try:
            rows = Rows(shape, file, self._lose_disk)
            for block in blocks:
                rows.add(block)
            array = rows.finish()
            self.computed[key] = round(time.perf_counter() - began, 3)
            if not keep():
                return array
            if path is not None and rows.on_disk:
                array = self._settle(path, key, array)
        finally:
            if file is not None:
                file.close()
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
        self._keep(key, array)
        return array

    def _path(self, key: str) -> Path | None:
        return None if self.directory is None else self.directory / f"{key}.npy"

    def _load(self, path: Path) -> np.ndarray:
        mapped = path.stat().st_size > self.memory_bytes
        return np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)

    def _keep(self, key: str, array: np.ndarray) -> None:
        self._kept[key] = array
        self._kept.move_to_end(key)
        for mapped, bound in ((False, self.memory_bytes), (True, self.disk_bytes)):
            same = [k for k, a in self._kept.items() if isinstance(a, np.memmap) == mapped]
            total = sum(self._kept[k].nbytes for k in same)
            while total > bound:
                total -= self._kept.pop(same.pop(0)).nbytes

    def _open(self, key: str, shape: tuple[int, int]) -> tuple[BinaryIO | None, Path | None]:
        """The file that rows go to first, if any, and its name, if it has one."""
        size = shape[0] * shape[1] * 4
        named = self.directory is not None and size <= self.disk_bytes
        if self._disk_fails or not (named or size > self.memory_bytes):
            return None, None
        try:
            folder = self.directory if named else Path(tempfile.gettempdir())
            free = shutil.disk_usage(folder).free
            if free < size + _RESERVE:
                self._lose_disk(f"{free >> 20} MiB are free in {folder}")
                return None, None
            if not named:
                return tempfile.TemporaryFile(buffering=0), None
            number, name = tempfile.mkstemp(".partial", f"{key}.", folder)
            return os.fdopen(number, "w+b", buffering=0), Path(name)
        except OSError as error:
            self._lose_disk(str(error))
            return None, None

    def _settle(self, partial: Path, key: str, array: np.ndarray) -> np.ndarray:
        """Give a whole file its name; make room for it."""
        path = self._path(key)
        try:
            partial.replace(path)
            self._evict(path)
            return self._load(path)
        except (OSError, ValueError) as error:
            self._lose_disk(str(error))
            return array

    def _evict(self, newest: Path) -> None:
        entries, total = [], 0
        for path in self.directory.iterdir():
            with contextlib.suppress(OSError):  # another process takes some away, too
                status = path.stat()
                if path.suffix == ".partial" and time.time() - status.st_mtime > _DAY:
                    path.unlink()
                elif _ENTRY.fullmatch(path.name):
                    total += status.st_size
                    entries.append((status.st_mtime_ns, status.st_size, path))
        for _, size, path in sorted(entries):
            if total > self.disk_bytes and path != newest:
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size

    def _lose_disk(self, reason: str) -> None:
        if not self._disk_fails:
            self._disk_fails = True
            warnings.warn(
                f"features are not cached on disk ({reason}); training goes on with them in memory",
                stacklevel=4,
            )
