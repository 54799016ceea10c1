"""What a run writes down: one row an epoch, the best weights so far, and when to go on."""

import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from tl_keras.training.tracking.tracker import Guarded, Tracker


def score(logs: Mapping[str, float], watch: str) -> tuple[float, float]:
    """What epochs are compared by, higher is better: the watched metric, then minus the loss.

    Example:
        >>> logs = {"loss": 0.1, "accuracy": 1.0, "val_loss": 0.5, "val_accuracy": 0.9}
        >>> score(logs, "accuracy")
        (0.9, -0.5)
    """
    if f"val_{watch}" in logs:
        return float(logs[f"val_{watch}"]), -float(logs.get("val_loss", 0.0))
    return float(logs.get(watch, 0.0)), -float(logs["loss"])


class Journal:
    """Rows of history and the best weights of the whole run, over all its stages.

    A row's ``seconds`` are the epoch's own, ``elapsed`` those since the run began: the extraction
    of features and the tracing of steps stand in the latter.

    The best epoch is the one with the highest watched metric (accuracy, average precision) on the
    validation data, among equals the one with the lowest validation loss.  Loss alone prefers a
    head to a fine-tuned network that errs less but is surer of it.  Without validation data it is
    the last epoch: training figures would prefer stages that do not augment to those that do.

    Args:
        model: The model that is trained; its weights at this moment are the first "best".
        verbose: Whether epochs print a line on standard error, at most one a second.
        watch: The metric that epochs are compared by.
        tracker: Is told of every epoch.

    Example:
        >>> journal = Journal(model)  # doctest: +SKIP
        >>> journal.add("head", logs, 1e-3, model.variables)  # doctest: +SKIP
    """

    def __init__(
        self, model: keras.Model, verbose: bool = True, watch: str = "accuracy",
        tracker: Tracker | None = None,
    ):  # fmt: skip
        self.watch = watch
        self._tracker = tracker or Guarded(None)
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Any] | None = None
        self._verbose = verbose
        self._variables = list(model.variables)
        self._values = {id(v): _value(v) for v in self._variables}
        self._stands_for: dict[int, int] = {}
        self.began = self._clock = time.perf_counter()
        self._printed = 0.0

    def follow(self, working: keras.Model, model: keras.Model) -> None:
        """Take the variables of a copy that trains elsewhere for those of the model."""
        pairs = zip(working.variables, model.variables, strict=True)
        self._stands_for = {id(copy): id(variable) for copy, variable in pairs}

    def score(self, logs: Mapping[str, float]) -> tuple[float, float]:
        """What epochs of this run are compared by."""
        return score(logs, self.watch)

    def start_epoch(self) -> None:
        """Start the clock of an epoch."""
        self._clock = time.perf_counter()

    def add(
        self,
        stage: str,
        logs: Mapping[str, float],
        learning_rate: float,
        changed: Iterable[keras.Variable],
    ) -> bool:
        """Write an epoch down; keep ``changed`` variables' values where it is the best so far.

        Returns:
            Whether this epoch is the best of the run.
        """
        row = {
            "epoch": len(self.rows) + 1,
            "stage": stage,
            **{name: float(value) for name, value in logs.items()},
            "learning_rate": float(learning_rate),
            "seconds": round(time.perf_counter() - self._clock, 3),
            "elapsed": round(time.perf_counter() - self.began, 3),
        }
        self.rows.append(row)
        self._tracker.epoch(row)
        sound = np.isfinite(row["loss"]) and np.isfinite(self.score(row)).all()
        higher = (
            self.best is None
            or f"val_{self.watch}" not in row
            or self.score(row) > self.score(self.best)
        )
        better = sound and higher
        if better:
            # Copied first: an interrupt in between leaves the best before, whole.
            now = {self._stands_for.get(id(v), id(v)): _value(v) for v in changed}
            values = {**self._values, **now}
            self._values, self.best = values, row
        # Epochs on cached features take a tenth of a second: a line a second is enough.
        if self._verbose and time.perf_counter() - self._printed > 1:
            self._print(row, better)
            self._printed = time.perf_counter()
        return bool(better)

    def restore_best(self) -> None:
        """Put the weights of the best epoch back into the model."""
        for variable in self._variables:
            variable.assign(self._values[id(variable)])

    def resume_state(self) -> dict[str, Any]:
        """Rows, time and best weights, for an exact resume."""
        return {
            "rows": self.rows,
            "best": None if self.best is None else self.rows.index(self.best),
            "values": [self._values[id(variable)] for variable in self._variables],
            "elapsed": time.perf_counter() - self.began,
        }

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`resume_state`; :meth:`restore_best` puts the weights into the model."""
        self.rows = list(state["rows"])
        self.best = None if state["best"] is None else self.rows[state["best"]]
        self._values = {
            id(variable): value
            for variable, value in zip(self._variables, state["values"], strict=True)
        }
        self.began = time.perf_counter() - state["elapsed"]

    def _print(self, row: Mapping[str, Any], better: bool) -> None:
        figures = "  ".join(
            f"{name} {row[name]:.4f}"
            for name in ("loss", self.watch, "val_loss", f"val_{self.watch}")
            if name in row
        )
        mark = "  best so far" if better else ""
        print(
            f"  epoch {row['epoch']:>3}  [{row['stage']}]  {figures}  {row['seconds']:.1f} s{mark}",
            file=sys.stderr,
            flush=True,
        )


def _value(variable: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))
