"""What a tracker must know to go on with a run after it was killed."""

import json
from pathlib import Path
from typing import Any


class Remembered:
    """A small file beside a run's checkpoints: the service's name of the run, and how far it is.

    Args:
        folder: Of the checkpoints; None remembers nothing.
        service: Name of the file.

    Attributes:
        run: The service's own name of the run, or None.
        epochs: How many it was told of.

    Example:
        >>> Remembered(None, "mlflow").epochs
        0
    """

    def __init__(self, folder: Path | None, service: str):
        self._file = None if folder is None else folder / f"tracked-{service}.json"
        self.run: str | None = None
        self.epochs = 0
        if self._file is not None and self._file.exists():
            kept: dict[str, Any] = json.loads(self._file.read_text())
            self.run, self.epochs = kept["run"], kept["epochs"]

    def keep(self, run: str, epochs: int) -> None:
        """Write down, all or nothing."""
        self.run, self.epochs = run, epochs
        if self._file is None:
            return
        beside = self._file.with_suffix(".new")
        beside.write_text(json.dumps({"run": run, "epochs": epochs}))
        beside.replace(self._file)
