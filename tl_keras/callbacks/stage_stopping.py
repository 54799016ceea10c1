"""Early stopping that knows the stages of staged unfreezing."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tl_keras.callbacks.plateau import Plateau
from tl_keras.callbacks.staged_unfreezing import StagedUnfreezing
from tl_keras.optimizers.averaging import averaged_weights


class StageEarlyStopping(keras.callbacks.Callback):
    """Stops in the last stage when nothing improves any more; the best of the run is restored.

    Patience is counted from the last unfreezing, and improvement from the best value since: a
    network that was just unfrozen may start below the best and still pass it.  Before the last
    stage training never stops.  At the end the model has the weights of the best epoch of the
    whole run: where the optimizer averages them (``use_ema``), the averaged ones, so put
    ``AveragedEvaluation`` beside it.

    Args:
        staged: The callback that unfreezes; give it to ``fit`` too.
        monitor: A name in the logs of an epoch, such as ``"val_loss"``.
        patience: Epochs of the last stage without improvement before training stops.
        min_delta: Smallest change that counts as improvement.
        mode: ``"min"``, ``"max"``, or ``"auto"``: by the metric.

    Attributes:
        best: Best value of the run; None before the first epoch.
        best_epoch: Its epoch, from 0.

    Raises:
        InputError: An argument cannot be used; in ``fit``, the logs have no such value.

    Example:
        >>> staged = StagedUnfreezing([0, 1, "all"], patience=2)
        >>> stop = StageEarlyStopping(staged, patience=4)
        >>> model.fit(train, validation_data=val, epochs=50, callbacks=[staged, stop])
        ... # doctest: +SKIP
    """

    def __init__(
        self,
        staged: StagedUnfreezing,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
    ):
        super().__init__()
        self._staged = staged
        self._plateau = Plateau(monitor, patience, min_delta, mode)
        self._forget()

    def _forget(self) -> None:
        self._plateau.restart()
        self._seen_stage = -1
        self.best: float | None = None
        self.best_epoch: int | None = None
        self._best_weights: list[np.ndarray] | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Begin with nothing seen."""
        self._forget()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keep the weights of the best epoch; stop where the patience of the last stage is over."""
        # Here, not when an epoch begins: then it does not matter which callback is heard first.
        if self._staged.stage != self._seen_stage:
            self._seen_stage = self._staged.stage
            self._plateau.restart()
        value = self._plateau.value(logs)
        if self._plateau.better(self.model, value, self.best):
            self.best, self.best_epoch = value, epoch
            with averaged_weights(self.model):
                self._best_weights = self.model.get_weights()
        self._plateau.observe(self.model, logs)
        if self._plateau.reached and self._staged.at_last:
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        """Put the best weights of the run into the model."""
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)

    def resume_state(self) -> dict[str, Any]:
        """What is counted and kept, for an exact resume."""
        return {
            "stage": self._seen_stage,
            "plateau": self._plateau.resume_state(),
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_weights": self._best_weights,
        }

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Count on from :meth:`resume_state`."""
        self._seen_stage = state["stage"]
        self._plateau.load_resume_state(state["plateau"])
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self._best_weights = state["best_weights"]
