"""ReduceLROnPlateau that starts anew with each stage of staged unfreezing."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tl_keras.callbacks.staged_unfreezing import StagedUnfreezing
from tl_keras.errors import InputError


class StageReduceLROnPlateau(keras.callbacks.ReduceLROnPlateau):
    """Keras' ``ReduceLROnPlateau``, begun anew at each unfreezing.

    A newly unfrozen network needs the rate that the head no longer could use: when a stage begins,
    best value and patience are forgotten and the rate is that of the stage again.

    Args:
        staged: The callback that unfreezes; give it to ``fit`` too.  Where it goes by plateaus, its
            patience must exceed the one here, or the rate is never reduced within a stage.
        rates: Learning rate at the start of each entry of its schedule; None: all start from the
            optimizer's rate when training begins.
        **options: As of ``keras.callbacks.ReduceLROnPlateau``: ``monitor``, ``factor`` (0.1),
            ``patience`` (10), ``mode``, ``min_delta``, ``cooldown``, ``min_lr``, ``verbose``.

    Raises:
        InputError: There is not one rate above 0 for each entry; in ``fit``, the optimizer has a
            schedule of its own.

    Example:
        >>> staged = StagedUnfreezing({0: 0, 5: 1, 10: "all"})
        >>> reduce = StageReduceLROnPlateau(staged, rates=[1e-3, 5e-4, 2e-4], patience=2)
    """

    def __init__(
        self,
        staged: StagedUnfreezing,
        rates: Sequence[float] | None = None,
        **options: Any,
    ):
        super().__init__(**options)
        if rates is not None and (
            len(rates) != len(staged.entries) or not all(rate > 0 for rate in rates)
        ):
            raise InputError(
                f"rates={rates!r}; give one above 0 for each of the {len(staged.entries)} entries "
                "of the schedule"
            )
        self._staged = staged
        self._rates = None if rates is None else tuple(rates)
        self._seen_stage = -1
        self._first_rate = 0.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Remember the rate to come back to."""
        super().on_train_begin(logs)
        optimizer = self.model.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        if not isinstance(inner._learning_rate, keras.Variable):
            raise InputError(
                "the optimizer has a learning-rate schedule, so no callback can set its rate; "
                "give it a number as learning_rate"
            )
        self._seen_stage = -1
        self._first_rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Start anew before the first step of a stage."""
        # Not when the epoch begins: the callback that unfreezes may be heard after this one.
        if batch or self._staged.stage == self._seen_stage:
            return
        begun = self._seen_stage >= 0
        self._seen_stage = stage = self._staged.stage
        if stage >= 0 and self._rates is not None:
            self.model.optimizer.learning_rate = self._rates[stage]
        elif begun:
            self.model.optimizer.learning_rate = self._first_rate
        self._reset()

    def resume_state(self) -> dict[str, Any]:
        """What is counted, for an exact resume."""
        return {
            "stage": self._seen_stage,
            "first_rate": self._first_rate,
            "best": self.best,
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
        }

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Count on from :meth:`resume_state`."""
        self._seen_stage, self._first_rate = state["stage"], state["first_rate"]
        self.best, self.wait = state["best"], state["wait"]
        self.cooldown_counter = state["cooldown_counter"]
