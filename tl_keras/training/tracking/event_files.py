"""Event files for TensorBoard, written without TensorFlow."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tl_keras.training.tracking.tracker import needs

_PREFIX = "events.out.tfevents"
_WORDS = ("epoch", "stage")


class TensorBoard:
    """Writes a folder that ``tensorboard --logdir`` shows.

    Losses and metrics by epoch, those of training and of validation data in one group; learning
    rate and seconds; the settings on the page "HPARAMS", against the final figures.  A run that
    goes on after a kill writes its file anew, so that no epoch stands there twice.

    Args:
        folder: For this run alone.

    Raises:
        InputError: tensorboardX is not installed.

    Example:
        >>> tl.fit(model, train, val, track=TensorBoard("logs/first"))  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike):
        needs("tensorboardX", "tensorboardX")
        self.folder = Path(folder)
        self._writer: Any = None
        self._told: dict[str, Any] = {}

    def start(
        self, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], folder: Path | None
    ) -> None:
        """As of ``Tracker``."""
        from tensorboardX.event_file_writer import EventsWriter

        self.folder.mkdir(parents=True, exist_ok=True)
        for old in self.folder.glob(f"{_PREFIX}*"):
            old.unlink()
        # Not SummaryWriter: its thread dies of a full disk in silence, and its queue then blocks.
        self._writer = EventsWriter(str(self.folder / "events"))
        self._began = time.time() - (rows[-1]["elapsed"] if rows else 0.0)
        self._told = dict(settings)
        for row in rows:
            self._write_row(row)
        self._writer.flush()

    def epoch(self, row: Mapping[str, Any]) -> None:
        """As of ``Tracker``."""
        self._write_row(row)
        self._writer.flush()

    def end(self, figures: Mapping[str, float], interrupted: bool) -> None:
        """As of ``Tracker``."""
        from tensorboardX.summary import hparams, scalar

        final = {f"final/{name}": value for name, value in figures.items()}
        for name, value in final.items():
            self._write(scalar(name, value), 0, time.time())
        for summary in hparams(self._told, final):
            self._write(summary, 0, time.time())
        self._writer.close()

    def saved(self, artefact: Path) -> None:
        """As of ``Tracker``; the folder knows of no other."""

    def _write_row(self, row: Mapping[str, Any]) -> None:
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.summary import scalar

        told = [scalar(tag_of(name), v) for name, v in row.items() if name not in _WORDS]
        # One record, whose checksum is taken in Python.
        whole = Summary(value=[one.value[0] for one in told])
        self._write(whole, row["epoch"], self._began + row["elapsed"])

    def _write(self, summary: Any, step: int, at: float) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(step=step, wall_time=at, summary=summary))


def tag_of(name: str) -> str:
    """The name of a column of ``history.csv`` as TensorBoard groups it.

    Example:
        >>> tag_of("loss"), tag_of("val_loss"), tag_of("learning_rate")
        ('loss/train', 'loss/val', 'learning_rate')
    """
    if name in ("learning_rate", "seconds", "elapsed"):
        return name
    return f"{name[4:]}/val" if name.startswith("val_") else f"{name}/train"
