"""Callbacks that run the stages of a recipe in ``fit()``: rate, journal, patience, unfreezing."""

from collections.abc import Sequence

import keras

from tl_keras.callbacks.staged_unfreezing import StagedUnfreezing
from tl_keras.training.journal import Journal, score
from tl_keras.training.recipes import Stage
from tl_keras.training.schedule import stage_rate

_NOTHING = (float("-inf"), float("-inf"))


class StageClock(keras.callbacks.Callback):
    """Walks through stages: sets the rate of each step, ends a stage by patience or epochs.

    Args:
        stages: The stages of this ``fit()``, in order.
        steps: Training steps in an epoch.
        journal: Where epochs are written down and the best weights kept.
    """

    def __init__(self, stages: Sequence[Stage], steps: int, journal: Journal):
        super().__init__()
        self.stages, self.steps, self.journal = tuple(stages), max(steps, 1), journal
        self.index = 0
        self._epoch_of_stage = 0
        self._waited = 0
        self._highest = _NOTHING

    @property
    def stage(self) -> Stage:
        """The stage that runs now."""
        return self.stages[self.index]

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the epoch's clock."""
        self.journal.start_epoch()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Set the rate of this step."""
        stage = self.stage
        done = (self._epoch_of_stage * self.steps + batch) / (stage.epochs * self.steps)
        self.model.optimizer.learning_rate = stage_rate(stage.learning_rate, done, stage.warmup)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the epoch down, and go to the next stage where this one is over."""
        stage = self.stage
        self.journal.add(
            stage.name, logs, float(self.model.optimizer.learning_rate), self.model.variables
        )
        # Patience counts within the stage: a stage that starts below the best may still get there.
        accuracy, negative_loss = score(logs)
        improved = accuracy > self._highest[0] or negative_loss > self._highest[1]
        self._highest = (
            max(accuracy, self._highest[0]), max(negative_loss, self._highest[1])
        )  # fmt: skip
        self._waited = 0 if improved else self._waited + 1
        self._epoch_of_stage += 1
        if self._waited >= stage.patience or self._epoch_of_stage >= stage.epochs:
            self._next_stage()

    def _next_stage(self) -> None:
        if self.index + 1 == len(self.stages):
            self.model.stop_training = True
            return
        self.index += 1
        self._epoch_of_stage, self._waited, self._highest = 0, 0, _NOTHING


class RecipeUnfreezing(StagedUnfreezing):
    """Staged unfreezing that follows a :class:`StageClock` instead of fixed epochs."""

    def __init__(self, clock: StageClock):
        super().__init__({0: clock.stage.unfreeze})
        self._stage_clock = clock

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Make trainable what the stage that runs now trains."""
        self.unfreeze_to(self._stage_clock.stage.unfreeze)
