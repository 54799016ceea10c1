"""What a tracker is, and how its failures are kept from the training."""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tl_keras.errors import InputError


class Tracker(Protocol):
    """Writes down a run while it goes on; any object with these methods is one.

    Example:
        >>> class Printed:
        ...     def start(self, settings, rows, folder): print("goes on after", len(rows))
        ...     def epoch(self, row): print(row["epoch"], row["loss"])
        ...     def end(self, figures, interrupted): print(figures)
        ...     def saved(self, artefact): print(artefact)
        >>> Printed().start({}, [], None)
        goes on after 0
    """

    def start(
        self, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], folder: Path | None
    ) -> None:
        """The run begins, or goes on after it was killed.

        Args:
            settings: Recipe, sizes and seed: names to numbers, texts and Booleans.
            rows: Epochs that are done already, as of :meth:`epoch`; each counts once.
            folder: Where the run's checkpoints lie, for what the tracker must remember; None
                where it cannot be gone on with.
        """

    def epoch(self, row: Mapping[str, Any]) -> None:
        """An epoch is over.

        Args:
            row: As in ``run.history``: ``epoch`` counts from 1 over all stages.
        """

    def end(self, figures: Mapping[str, float], interrupted: bool) -> None:
        """The run is over.

        Args:
            figures: On the validation data, with the limits of their 95 % intervals.
            interrupted: Whether Ctrl-C ended it.
        """

    def saved(self, artefact: Path) -> None:
        """The artefact was written to this folder; called after :meth:`end`, or never."""


class Guarded:
    """A tracker whose first failure is said in one line and ends the tracking, not the training.

    Args:
        tracker: What may fail; None writes nothing.

    Example:
        >>> Guarded(None).epoch({"epoch": 1, "loss": 0.5})
    """

    def __init__(self, tracker: Tracker | None):
        self._tracker = tracker

    def start(
        self, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], folder: Path | None
    ) -> None:
        """As of :class:`Tracker`."""
        self._try(lambda tracker: tracker.start(settings, rows, folder))

    def epoch(self, row: Mapping[str, Any]) -> None:
        """As of :class:`Tracker`."""
        self._try(lambda tracker: tracker.epoch(row))

    def end(self, figures: Mapping[str, float], interrupted: bool) -> None:
        """As of :class:`Tracker`."""
        self._try(lambda tracker: tracker.end(figures, interrupted))

    def saved(self, artefact: Path) -> None:
        """As of :class:`Tracker`."""
        self._try(lambda tracker: tracker.saved(artefact))

    def _try(self, do: Callable[[Tracker], None]) -> None:
        if self._tracker is None:
            return
        try:
            do(self._tracker)
        except Exception as problem:  # a service's own kinds of error are as many as services
            name, said = type(self._tracker).__name__, str(problem).strip().splitlines()
            reason = f"{type(problem).__name__}: {said[0]}" if said else type(problem).__name__
            print(
                f"tl-keras: {name} is written no more ({reason}); the training goes on without it",
                file=sys.stderr,
            )
            self._tracker = None


def needs(package: str, install: str) -> None:
    """Raise where a package is not installed.

    Args:
        package: To import.
        install: What ``pip install`` takes.

    Raises:
        InputError: With the command.
    """
    if importlib.util.find_spec(package) is None:
        raise InputError(
            f"tracking needs {package}, which is not installed: pip install '{install}'"
        )
