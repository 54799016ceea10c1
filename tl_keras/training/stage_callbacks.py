"""Callbacks that run the stages of a recipe in ``fit()``: rate, journal, patience, unfreezing."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tl_keras.backbones.registry import find_backbone
from tl_keras.callbacks.staged_unfreezing import StagedUnfreezing
from tl_keras.optimizers.averaging import averaged_weights
from tl_keras.optimizers.setting_rates import set_learning_rate
from tl_keras.training.journal import Journal
from tl_keras.training.recipes import Stage
from tl_keras.training.schedule import stage_rate

_NOTHING = (float("-inf"), float("-inf"))
# He et al. 2016 (arXiv:1512.03385) divide by 10 when the error plateaus.
_PLATEAU_FACTOR = 0.1


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
        self._cut = 1.0

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
        rate = stage_rate(stage.learning_rate, done, stage.warmup, stage.schedule)
        set_learning_rate(self.model, rate * self._cut)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write the epoch down, and go to the next stage where this one is over."""
        stage = self.stage
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        with averaged_weights(self.model):
            self.journal.add(stage.name, logs, rate, self.model.variables)
        # Patience counts within the stage: a stage that starts below the best may still get there.
        watched, negative_loss = self.journal.score(logs)
        improved = watched > self._highest[0] or negative_loss > self._highest[1]
        self._highest = max(watched, self._highest[0]), max(negative_loss, self._highest[1])
        self._waited = 0 if improved else self._waited + 1
        self._epoch_of_stage += 1
        # Before the stage's patience ends it, a lower rate has its chance.
        stuck = self._waited > 0 and self._waited % max(1, stage.patience // 2) == 0
        if stuck and stage.schedule == "plateau":
            self._cut *= _PLATEAU_FACTOR
        if self._waited >= stage.patience or self._epoch_of_stage >= stage.epochs:
            self._next_stage()

    def _next_stage(self) -> None:
        if self.index + 1 == len(self.stages):
            self.model.stop_training = True
            return
        self.index += 1
        self._epoch_of_stage, self._waited, self._highest, self._cut = 0, 0, _NOTHING, 1.0

    def resume_state(self) -> dict[str, Any]:
        """What is counted, for an exact resume."""
        return {
            "index": self.index,
            "epoch_of_stage": self._epoch_of_stage,
            "waited": self._waited,
            "highest": list(self._highest),
            "cut": self._cut,
        }

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Count on from :meth:`resume_state`."""
        self.index, self._epoch_of_stage = state["index"], state["epoch_of_stage"]
        self._waited, self._cut = state["waited"], state["cut"]
        self._highest = tuple(state["highest"])


class RecipeUnfreezing(StagedUnfreezing):
    """Staged unfreezing that follows a :class:`StageClock` instead of fixed epochs.

    Args:
        clock: Says which stage runs.
        hold_norms: Whether the head's BatchNorm layers run in inference mode from the second stage
            on, as the base's do.  Batches of maps are small, and where their images are unlike each
            other a network comes to rely on the statistics of each batch: on 30 microscope
            pictures, four a batch, one agreed with 54 % of the things' pixels in training and with
            2 % afterwards (AP50 0.00); with the norms held, AP50 was 0.51.
    """

    def __init__(self, clock: StageClock, hold_norms: bool = False):
        super().__init__({0: clock.stage.unfreeze})
        self._stage_clock, self._hold_norms = clock, hold_norms

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Make trainable what the stage that runs now trains."""
        if self._hold_norms and self._stage_clock.index:
            moving = [layer for layer in head_norms(self.model) if layer.trainable]
            for layer in moving:
                layer.trainable = False
            if moving:
                self._late_start.activate(self.model.trainable_variables)
                self.model.make_train_function(force=True)
        self.unfreeze_to(self._stage_clock.stage.unfreeze)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Leave the head's norms as they were found, and the optimizer's own update rule."""
        super().on_train_end(logs)
        for layer in head_norms(self.model) if self._hold_norms else ():
            layer.trainable = True


def head_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The BatchNorm layers of a model that are not its base's."""
    base = {id(layer) for layer in find_backbone(model)._flatten_layers()}
    return [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization) and id(layer) not in base
    ]
