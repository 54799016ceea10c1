"""Where things are kept that were downloaded, unpacked, or written out of another format."""

import errno
import os
from pathlib import Path

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
