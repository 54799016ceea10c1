"""Staged unfreezing inside one ``fit()``."""

from collections.abc import Mapping

import keras

from tl_keras.backbones.freezing import freeze, unfreeze
from tl_keras.backbones.registry import find_backbone
from tl_keras.errors import InputError
from tl_keras.optimizers.late_start import LateStart


class StagedUnfreezing(keras.callbacks.Callback):
    """At given epochs, make the next stages of the backbone trainable.

    Changing ``trainable`` during ``fit()`` does nothing by itself: the compiled step was traced
    without the new variables and the optimizer has no slots for them.  This callback builds the
    optimizer on all variables before the first step, traces the step anew at each boundary, and
    lets variables that join late start like fresh ones (see ``tl_keras.optimizers.LateStart``).
    Slots, iteration count, learning rate and other callbacks' state carry over; what is still
    frozen costs no backward pass, and its BatchNorm statistics do not move.

    Args:
        schedule: ``epoch -> what of the backbone trains from this epoch on``, epochs counted
            from 0: an int (the last so many stages of ``tl_keras.stage_map``), a float (the last
            fraction of them), ``"all"``, or a sequence of stage names; 0 freezes the backbone.
        train_batch_norm: Whether BatchNorm layers of unfrozen stages train and update their
            moving statistics.  False is the rule of Keras' transfer-learning guide
            (https://keras.io/guides/transfer_learning/).

    Raises:
        InputError: An epoch is negative, or the model has no backbone of the registry.

    Example:
        >>> staged = StagedUnfreezing({0: 0, 3: 1, 6: "all"})
        >>> model.fit(train, epochs=9, callbacks=[staged])  # doctest: +SKIP
    """

    def __init__(
        self,
        schedule: Mapping[int, int | float | str],
        *,
        train_batch_norm: bool = False,
    ):
        super().__init__()
        if not (isinstance(schedule, Mapping) and schedule) or any(
            not isinstance(epoch, int) or epoch < 0 for epoch in schedule
        ):
            raise InputError(
                f"StagedUnfreezing needs a mapping from epoch (0, 1, …) to what trains from then "
                f"on, such as {{0: 0, 3: 1, 6: 'all'}}; got {schedule!r}"
            )
        self.schedule = dict(sorted(schedule.items()))
        self.train_batch_norm = train_batch_norm
        self._late_start: LateStart | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Build the optimizer on every variable that may ever train."""
        for what in self.schedule.values():
            check_unfreeze(self.model, what)
        variables = every_trainable_variable(self.model)
        optimizer = self.model.optimizer
        if optimizer.built and not _knows(optimizer, variables):
            # fit() built it before any callback was heard, on what trained at that moment.
            optimizer = _rebuilt(optimizer, variables)
            self.model.optimizer = optimizer
        self._late_start = LateStart(optimizer, variables)
        self._late_start.activate(self.model.trainable_variables)
        self.model.make_train_function(force=True)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Unfreeze what the schedule says; on a resumed run, whatever it last said."""
        due = [start for start in self.schedule if start <= epoch]
        if not due:
            return
        self.unfreeze_to(self.schedule[due[-1]])

    def unfreeze_to(self, what: int | float | str) -> None:
        """Make just this of the backbone trainable, from the next step on."""
        before = {id(variable) for variable in self.model.trainable_variables}
        apply_unfreeze(self.model, what, self.train_batch_norm)
        now = self.model.trainable_variables
        if {id(variable) for variable in now} == before:
            return
        self._late_start.join(variable for variable in now if id(variable) not in before)
        self._late_start.activate(now)
        self.model.make_train_function(force=True)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Give the optimizer its own update rule back."""
        self._late_start.release()


def apply_unfreeze(
    model: keras.Model, what: int | float | str, train_batch_norm: bool = False
) -> None:
    """Freeze the backbone but for what is named (as in :class:`StagedUnfreezing`)."""
    if what in (0, 0.0):
        freeze(model, "all")
    else:
        unfreeze(model, what, train_batch_norm=train_batch_norm)


def check_unfreeze(model: keras.Model, what: int | float | str) -> None:
    """Raise, before any training, if the backbone has no such stages; change nothing.

    Raises:
        InputError: Too many stages, a fraction outside 0..1, or an unknown name.
    """
    flags = _flags(model)
    try:
        apply_unfreeze(model, what)
    finally:
        _restore(flags)


def _flags(model: keras.Model) -> list[tuple[keras.Layer, bool]]:
    base = find_backbone(model)
    return [(layer, layer.trainable) for layer in base._flatten_layers(include_self=True)]


def _restore(flags: list[tuple[keras.Layer, bool]]) -> None:
    # From the outermost in: setting a container sets what it holds.
    for layer, flag in flags:
        layer.trainable = flag


def every_trainable_variable(model: keras.Model) -> list[keras.Variable]:
    """All variables that could train, frozen or not, in the model's order."""
    flags = _flags(model)
    find_backbone(model).trainable = True
    variables = model.trainable_variables
    _restore(flags)
    return variables


def _rebuilt(
    optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]
) -> keras.optimizers.Optimizer:
    """The same optimizer with slots for all variables; what it had learned is carried over."""
    new = type(optimizer).from_config(optimizer.get_config())
    # Under mixed precision a LossScaleOptimizer stands round the one that holds these.
    source, target = (getattr(one, "inner_optimizer", one) for one in (optimizer, new))
    for held in ("rates_by_id", "_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(source, held):
            setattr(target, held, getattr(source, held))
    new.build(variables)
    known = {variable.path: variable for variable in optimizer.variables}
    for variable in new.variables:
        if variable.path in known:
            variable.assign(known[variable.path])
    return new


def _knows(optimizer: keras.optimizers.Optimizer, variables: list[keras.Variable]) -> bool:
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    try:
        inner._check_variables_are_known(variables)
    except ValueError:
        return False
    return True
