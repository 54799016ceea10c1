"""States of a run in files that survive kill -9: whole or not there, and checked when read."""

import hashlib
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tl_keras.errors import InputError

_NAME = re.compile(r"checkpoint-(\d{8,})\.npz")
_TEMPORARY = ".tmp"
_KEPT = 2
# Saving may take this part of a run's time; epochs on cached features last a tenth of a second.
_SHARE = 0.05


class Checkpoint:
    """The last two states of a run, in a folder.

    A state is a tree of dicts (keys are strings), lists, strings, bools, ints, floats, ``None``
    and numpy arrays.  Each is one ``.npz`` file (no pickle) with a SHA-256 of its contents,
    written beside, flushed to the disk and renamed.  What is damaged all the same is found when
    it is read, and the state before it is used.

    Args:
        directory: Made where missing; used for nothing else.
        identity: What must be the same for a state to be taken up again (JSON values).

    Raises:
        InputError: The folder cannot be written to.

    Example:
        >>> checkpoint = Checkpoint("unfinished", {"seed": 0})  # doctest: +SKIP
        >>> checkpoint.save({"epoch": 3, "weights": [np.zeros(2)]})  # doctest: +SKIP
        True
        >>> checkpoint.load()["epoch"]  # doctest: +SKIP
        3
    """

    def __init__(self, directory: str | Path, identity: Mapping[str, Any] | None = None):
        self.directory = Path(directory)
        self.identity = json.loads(json.dumps(identity or {}))
        self._warned = False
        self._saved_at, self._cost = float("-inf"), 0.0
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            for stale in self.directory.glob(f"checkpoint-*{_TEMPORARY}"):
                stale.unlink()
            writable = os.access(self.directory, os.W_OK | os.X_OK)
        except OSError as problem:
            raise InputError(
                f"cannot keep checkpoints in {directory} ({problem.strerror}); give a folder that "
                "you may write to"
            ) from problem
        if not writable:
            raise InputError(
                f"cannot keep checkpoints in {directory}: it is read-only; give a folder that you "
                "may write to"
            )

    def due(self) -> bool:
        """Whether saving now would keep the cost of saving under 5 % of the run's time."""
        return time.monotonic() - self._saved_at >= self._cost / _SHARE

    def save(self, state: Mapping[str, Any]) -> bool:
        """Write a state; the two newest files are kept.

        Returns:
            False where it cannot be written (disk full): said in one warning, and what was saved
            before stays.

        Raises:
            TypeError: The state holds something else than the class says.
        """
        began = time.monotonic()
        members = _packed({"identity": self.identity, "state": state})
        try:
            files = self._files()
            number = files[-1][0] + 1 if files else 1
            path = self.directory / f"checkpoint-{number:08}.npz"
            _write(path, members)
            for _, old in [*files, (number, path)][:-_KEPT]:
                old.unlink(missing_ok=True)
        except OSError as problem:
            if not self._warned:
                warnings.warn(
                    f"no checkpoint could be written to {self.directory} ({problem.strerror}); "
                    "training goes on, and a run that is killed now starts again from the last "
                    "one written",
                    stacklevel=2,
                )
            self._warned = True
            return False
        finally:
            self._saved_at = time.monotonic()
            self._cost = self._saved_at - began
        return True

    def load(self, identity: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Read the newest state that is whole; damaged files are deleted with a warning.

        Args:
            identity: More that must be the same, known only now.

        Returns:
            The state, tuples as lists, or None where there is none.

        Raises:
            InputError: The state was made by a run of another identity.
        """
        self.identity.update(json.loads(json.dumps(identity or {})))
        for _, path in reversed(self._files()):
            try:
                content = _read(path)
            except OSError as problem:
                raise InputError(
                    f"cannot read {path} ({problem.strerror}); make it readable, or delete it to "
                    "start from what was saved before"
                ) from problem
            except _DamagedError:
                warnings.warn(
                    f"{path} is damaged; it is deleted, and what was saved before it is used",
                    stacklevel=2,
                )
                path.unlink(missing_ok=True)
                continue
            different = _differences(content["identity"], self.identity)
            if different:
                raise InputError(
                    f"the checkpoint in {self.directory} was made by another run "
                    f"({'; '.join(different)}); delete {self.directory} to start anew, or give "
                    "another folder"
                )
            return content["state"]
        return None

    def remove(self) -> None:
        """Delete the checkpoints, and the folder if nothing else is in it."""
        for _, path in self._files():
            path.unlink(missing_ok=True)
        if not any(self.directory.iterdir()):
            self.directory.rmdir()

    def _files(self) -> list[tuple[int, Path]]:
        """Numbers and paths, oldest first."""
        found = ((_NAME.fullmatch(path.name), path) for path in self.directory.iterdir())
        return sorted((int(match.group(1)), path) for match, path in found if match)


class _DamagedError(Exception):
    """A file is not what was written."""


def _packed(content: dict[str, Any]) -> dict[str, np.ndarray]:
    """Members of the ``.npz``: the tree as JSON, and its arrays by number."""
    arrays: list[np.ndarray] = []
    tree = json.dumps(_without_arrays(content, arrays))
    members = {str(i): array for i, array in enumerate(arrays)}
    return {**members, "tree": np.frombuffer(tree.encode(), np.uint8)}


def _without_arrays(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        stored = np.asarray(value, order="C")
        if stored.dtype.kind == "V":  # bfloat16 and its like, which .npz does not know
            stored = stored.view(f"u{stored.itemsize}")
        arrays.append(stored)
        return {"$array": len(arrays) - 1, "dtype": value.dtype.name}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _without_arrays(item, arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_arrays(item, arrays) for item in value]
    raise TypeError(
        f"a checkpoint holds dicts with string keys, lists, plain values and numpy arrays; "
        f"got {type(value).__name__}"
    )


def _with_arrays(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_with_arrays(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        array, name = arrays[value["$array"]], value["dtype"]
        if array.dtype.name == name:
            return array
        import ml_dtypes

        return array.view(getattr(ml_dtypes, name))
    return {key: _with_arrays(item, arrays) for key, item in value.items()}


def _digest(file: BinaryIO, size: int) -> bytes:
    """SHA-256 of the first bytes of a file."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        digest.update(block)
        size -= len(block)
    return digest.digest()


def _write(path: Path, members: Mapping[str, np.ndarray]) -> None:
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        with temporary.open("w+b") as file:
            np.savez(file, **members)
            # Behind the archive, where readers of .npz look at nothing.
            size = file.seek(0, os.SEEK_END)
            file.write(_digest(file, size))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if sys.platform != "win32":  # where a folder cannot be flushed
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - hashlib.sha256().digest_size
        # Nothing is made of the contents before they are known to be what was written.
        if size <= 0 or _digest(file, size) != file.read():
            raise _DamagedError
        file.seek(0)
        with np.load(file, allow_pickle=False) as members:
            tree = json.loads(members["tree"].tobytes())
            arrays = [members[str(i)] for i in range(len(members.files) - 1)]
    return _with_arrays(tree, arrays)


def _differences(saved: Any, given: Any, name: str = "") -> list[str]:
    """What differs, the first three things: ``batch_size: was 32, now 16``."""
    if isinstance(saved, dict) and isinstance(given, dict):
        found = []
        for key in dict.fromkeys([*saved, *given]):
            path = f"{name} {key}".strip()
            found += _differences(saved.get(key), given.get(key), path)
        return found[:3]
    return [] if saved == given else [f"{name}: was {_short(saved)}, now {_short(given)}"]


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
