"""Locks that keep processes apart which work on one folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Within, no other process that asks for the same lock; it waits until this one is done.

    Args:
        lock: a file in a folder that exists; it is made, and stays.

    Example:
        >>> with only_one(Path("archives/lock")): ...  # doctest: +SKIP
    """
    with lock.open("w") as file:
        with contextlib.suppress(ImportError):  # Windows: two at once are not kept apart
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def take_lock(lock: IO) -> bool:
    """Lock an open file until it is closed or the process ends; False if another holds it.

    Args:
        lock: open for writing; nothing is written.

    Example:
        >>> with Path("runs/in-use").open("w") as lock: take_lock(lock)  # doctest: +SKIP
        True
    """
    try:
        import fcntl
    except ImportError:  # Windows: two at once are not kept apart
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
