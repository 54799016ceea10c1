"""Where things are kept that were downloaded, unpacked, or written out of another format."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tl_keras.errors import InputError


def cache_folder(kind: str) -> Path:
    """A folder below Keras' own, for one kind of thing.

    Args:
        kind: ``"archives"``, ``"unpacked"`` or ``"images"``.

    Returns:
        ``tl_keras/<kind>`` below ``KERAS_HOME``, or below ``~/.keras`` where that is not set; it
        need not exist.

    Example:
        >>> cache_folder("images").parts[-2:]
        ('tl_keras', 'images')
    """
    home = os.environ.get("KERAS_HOME")
    base = Path(home) if home else Path.home() / ".keras"
    return base.expanduser() / "tl_keras" / kind


def cannot_write(where: str | os.PathLike, error: OSError) -> InputError:
    """What to say when a disk takes no more.

    Args:
        where: the folder written to.
        error: what the system said.

    Returns:
        The error to raise.

    Example:
        >>> str(cannot_write("there", OSError(errno.ENOSPC, "No space left on device")))
        'cannot write to there: the disk is full; free some space, or give into= a folder on \
another disk'
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            f"cannot write to {where}: the disk is full; free some space, or give into= a folder "
            "on another disk"
        )
    return InputError(
        f"cannot write to {where}: {error.strerror or error}; give into= a folder that can be "
        "written"
    )


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
