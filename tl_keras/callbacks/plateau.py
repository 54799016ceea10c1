"""When a monitored value has stopped improving."""

from collections.abc import Mapping
from typing import Any

import keras

from tl_keras.errors import InputError


class Plateau:
    """Counts epochs without improvement, as Keras' ``EarlyStopping`` judges it.

    Args:
        monitor: A name in the logs of an epoch, such as ``"val_loss"``.
        patience: Epochs without improvement after which it is a plateau, 1 or more.
        min_delta: Smallest change that counts as improvement.
        mode: ``"min"``, ``"max"``, or ``"auto"``: by the metric.

    Raises:
        InputError: An argument cannot be used.

    Example:
        >>> plateau = Plateau("val_loss", patience=2)
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> [plateau.observe(model, {"val_loss": loss}) for loss in (0.5, 0.6, 0.7)]
        [True, False, False]
        >>> plateau.reached
        True
    """

    def __init__(self, monitor: str, patience: int, min_delta: float = 0.0, mode: str = "auto"):
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise InputError(f"patience={patience!r}; give a number of epochs, 1 or more")
        if mode not in ("auto", "min", "max"):
            raise InputError(f"mode={mode!r} is unknown; give auto, min or max")
        self.monitor, self.patience = monitor, patience
        self._rule = keras.callbacks.EarlyStopping(monitor, min_delta=min_delta, mode=mode)
        self.restart()

    @property
    def reached(self) -> bool:
        """Whether the patience is used up."""
        return self.waited >= self.patience

    def restart(self) -> None:
        """Forget the best value and the epochs waited."""
        self.best: float | None = None
        self.waited = 0

    def observe(self, model: keras.Model, logs: Mapping[str, Any] | None) -> bool:
        """Take an epoch in; returns whether its value is the best since the last restart.

        Raises:
            InputError: The logs have no such value, or it is unknown which way is better.
        """
        value = self.value(logs)
        improved = self.better(model, value, self.best)
        if improved:
            self.best = value
        self.waited = 0 if improved else self.waited + 1
        return improved

    def value(self, logs: Mapping[str, Any] | None) -> float:
        """The monitored value of an epoch.

        Raises:
            InputError: The logs have no such value.
        """
        logs = logs or {}
        if self.monitor not in logs:
            there = ", ".join(logs) or "nothing"
            hint = "; give fit() validation_data" if self.monitor.startswith("val_") else ""
            raise InputError(f"monitor={self.monitor!r} is not in the logs ({there}){hint}")
        return float(logs[self.monitor])

    def better(self, model: keras.Model, value: float, best: float | None) -> bool:
        """Whether a value improves on the best so far; anything does on None, NaN on nothing.

        Raises:
            InputError: It is unknown which way is better.
        """
        if self._rule.monitor_op is None:
            self._rule.set_model(model)
            try:
                self._rule._set_monitor_op()
            except ValueError:
                raise InputError(
                    f"it is unknown whether more of {self.monitor!r} is better; give mode='min' or "
                    "mode='max'"
                ) from None
        if value != value:
            return False
        return bool(self._rule._is_improvement(value, best))

    def resume_state(self) -> dict[str, Any]:
        """What is counted, for an exact resume."""
        return {"best": self.best, "waited": self.waited}

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Count on from :meth:`resume_state`."""
        self.best, self.waited = state["best"], state["waited"]
