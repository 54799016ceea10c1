"""Staged unfreezing inside one ``fit()``."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras

from tl_keras.backbones.freezing import freeze, unfreeze
from tl_keras.backbones.registry import find_backbone
from tl_keras.callbacks.plateau import Plateau
from tl_keras.errors import InputError
from tl_keras.optimizers.late_start import LateStart

What = int | float | str | Sequence[str]


class StagedUnfreezing(keras.callbacks.Callback):
    """At given epochs, or at plateaus, make the next stages of the backbone trainable.

    Changing ``trainable`` during ``fit()`` does nothing by itself: the compiled step was traced
    without the new variables and the optimizer has no slots for them.  This callback builds the
    optimizer on all variables before the first step, traces the step anew at each boundary, and
    lets variables that join late start like fresh ones (see ``tl_keras.optimizers.LateStart``).
    Slots, iteration count, learning rate and other callbacks' state carry over; what is still
    frozen costs no backward pass, and its BatchNorm statistics do not move.

    Args:
        schedule: ``epoch -> what of the backbone trains from this epoch on``, epochs counted
            from 0; or a sequence of what trains, its next entry taken when the monitored value has
            stopped improving.  What trains is an int (the last so many stages of
            ``tl_keras.stage_map``), a float (the last fraction of them), ``"all"``, or a sequence
            of stage names; 0 freezes the backbone.
        monitor: For a sequence: a name in the logs of an epoch, such as ``"val_loss"``.
        patience: Epochs without improvement before the next entry; counted anew at each, from the
            best value since the last, for a newly unfrozen network may start below the best.
        min_delta: Smallest change that counts as improvement.
        mode: ``"min"``, ``"max"``, or ``"auto"``: by the metric.
        train_batch_norm: Whether BatchNorm layers of unfrozen stages train and update their
            moving statistics.  False is the rule of Keras' transfer-learning guide
            (https://keras.io/guides/transfer_learning/).

    Attributes:
        stage: Number of the entry that trains now, from 0; -1 before the first.

    Raises:
        InputError: The schedule is empty or an epoch negative; in ``fit``, the model has no
            backbone of the registry, the backbone no such stages, or the logs no such value.

    Example:
        >>> staged = StagedUnfreezing({0: 0, 3: 1, 6: "all"})
        >>> model.fit(train, epochs=9, callbacks=[staged])  # doctest: +SKIP
        >>> staged = StagedUnfreezing([0, 1, 0.5, "all"], monitor="val_loss", patience=2)
    """

    def __init__(
        self,
        schedule: Mapping[int, What] | Sequence[What],
        *,
        monitor: str = "val_loss",
        patience: int = 2,
        min_delta: float = 0.0,
        mode: str = "auto",
        train_batch_norm: bool = False,
    ):
        super().__init__()
        fixed = isinstance(schedule, Mapping)
        listed = isinstance(schedule, Sequence) and not isinstance(schedule, str)
        if not (fixed or listed) or not schedule or (fixed and not all(map(_is_epoch, schedule))):
            raise InputError(
                f"StagedUnfreezing needs a mapping from epoch (0, 1, …) to what trains from then "
                "on, such as {0: 0, 3: 1, 6: 'all'}, or a list of what trains from plateau to "
                f"plateau, such as [0, 1, 'all']; got {schedule!r}"
            )
        self._starts = sorted(schedule) if fixed else None
        self.entries = tuple(schedule[start] for start in self._starts or range(len(schedule)))
        self._plateau = None if fixed else Plateau(monitor, patience, min_delta, mode)
        self.train_batch_norm = train_batch_norm
        self.stage = -1
        self._late_start: LateStart | None = None

    @property
    def at_last(self) -> bool:
        """Whether nothing more will be unfrozen."""
        return self.stage + 1 >= len(self.entries)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Build the optimizer on every variable that may ever train."""
        for what in self.entries:
            check_unfreeze(self.model, what)
        self.stage = -1
        if self._plateau is not None:
            self._plateau.restart()
        variables = every_trainable_variable(self.model)
        optimizer = self.model.optimizer
        with _scope(self.model):
            if optimizer.built and not _knows(optimizer, variables):
                # fit() built it before any callback was heard, on what trained at that moment.
                optimizer = _rebuilt(optimizer, variables)
                self.model.optimizer = optimizer
            self._late_start = LateStart(optimizer, variables)
        self._late_start.activate(self.model.trainable_variables)
        self.model.make_train_function(force=True)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Unfreeze what is due; with fixed epochs, on a resumed run, whatever was last due."""
        if self._plateau is None:
            stage = sum(start <= epoch for start in self._starts) - 1
        else:
            stage = self.stage
            if stage < 0 or (self._plateau.reached and not self.at_last):
                stage += 1
                self._plateau.restart()
        if stage >= 0:
            self.unfreeze_to(self.entries[stage])
        self.stage = stage

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Take the epoch's value in, where plateaus decide."""
        if self._plateau is not None:
            self._plateau.observe(self.model, logs)

    def unfreeze_to(self, what: What) -> None:
        """Make just this of the backbone trainable, from the next step on."""
        self._late_start.join(self._train_only(what))

    def on_train_end(self, logs: dict | None = None) -> None:
        """Give the optimizer its own update rule back."""
        self._late_start.release()

    def resume_state(self) -> dict[str, Any]:
        """What an exact resume needs: stage, births of late variables, epochs waited."""
        return {
            "stage": self.stage,
            "trains": self._trains,
            "births": [list(pair) for pair in self._late_start.births.items()],
            "plateau": None if self._plateau is None else self._plateau.resume_state(),
        }

    def load_resume_state(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`resume_state`; after ``on_train_begin``, before the optimizer's values.

        Args:
            state: As it was returned.
        """
        self.stage = state["stage"]
        if state["trains"] is not None:
            self._train_only(state["trains"])
        self._late_start.births = {index: step for index, step in state["births"]}
        if self._plateau is not None:
            self._plateau.load_resume_state(state["plateau"])

    _trains: What | None = None

    def _train_only(self, what: What) -> list[keras.Variable]:
        """Set the flags and trace anew; returns the variables that train now and did not before."""
        before = {id(variable) for variable in self.model.trainable_variables}
        apply_unfreeze(self.model, what, self.train_batch_norm)
        self._trains = what
        now = self.model.trainable_variables
        if {id(variable) for variable in now} == before:
            return []
        self._late_start.activate(now)
        self.model.make_train_function(force=True)
        return [variable for variable in now if id(variable) not in before]


def apply_unfreeze(model: keras.Model, what: What, train_batch_norm: bool = False) -> None:
    """Freeze the backbone but for what is named (as in :class:`StagedUnfreezing`)."""
    if what in (0, 0.0):
        freeze(model, "all")
    else:
        unfreeze(model, what, train_batch_norm=train_batch_norm)


def check_unfreeze(model: keras.Model, what: What) -> None:
    """Raise, before any training, if the backbone has no such stages; change nothing.

    Raises:
        InputError: Too many stages, a fraction outside 0..1, or an unknown name.
    """
    flags = _flags(model)
    try:
        apply_unfreeze(model, what)
    finally:
        _restore(flags)


def _is_epoch(epoch: Any) -> bool:
    return isinstance(epoch, int) and not isinstance(epoch, bool) and epoch >= 0


def _scope(model: keras.Model) -> AbstractContextManager:
    """The scope of the model's distribution strategy: new slots are mirrored as its weights are."""
    strategy = getattr(model, "distribute_strategy", None)
    return nullcontext() if strategy is None else strategy.scope()


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
    # Layer by layer: TensorFlow passes over an assignment of the value that an attribute has, so a
    # partly frozen base that says it is trainable would hand nothing on.
    _restore([(layer, True) for layer, _ in flags])
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
    names = ("rates_by_id", "_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    for held in names:
        if hasattr(source, held):
            setattr(target, held, getattr(source, held))
    # By position among the variables of before; the line above says the same by identity.
    target.undecayed = None
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
