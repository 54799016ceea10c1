"""Files that say which trials run: the system lets go of their locks when a process ends."""

import contextlib
from pathlib import Path
from typing import Any


class TrialLocks:
    """Locks of this process on trials, by number.

    Args:
        folder: Where the files lie, on a disk that all processes see.

    Example:
        >>> locks = TrialLocks(Path("/tmp/running"))
        >>> locks.take(3), TrialLocks(Path("/tmp/running")).take(3)
        (True, False)
        >>> locks.let_go()
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._held: list[Any] = []

    def take(self, number: int) -> bool:
        """Take the lock of a trial; False where another holds it, or may."""
        try:
            import fcntl
        except ImportError:  # Windows: nobody is ever found dead by this
            return False
        self._folder.mkdir(exist_ok=True)
        file = (self._folder / str(number)).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._held.append(file)
        return True

    def let_go(self) -> None:
        """Let go of all."""
        for file in self._held:
            with contextlib.suppress(OSError):
                Path(file.name).unlink()
            file.close()
        self._held.clear()
