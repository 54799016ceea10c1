"""A step that does not fit into memory is taken in halves, and the run goes on.

The batch is not made smaller in effect: its gradient is put together from two parts, then four,
and so on (``gradient_accumulation_steps`` of Keras' optimizers), and applied once.  So the rate
stays as it is, and the run ends where it would have ended with more memory, up to rounding; two
things excepted: BatchNorm layers that *train* normalise each part by itself, and dropout draws
other masks.

A step that runs out of memory may have changed some weights and not others, so the epoch that
failed begins again from what everything was when it began.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tl_keras.callbacks.resume_state import fit_state, restore_fit_state
from tl_keras.errors import InputError

_SAID = ("resource_exhausted", "out of memory", "oom when allocating", "failed to allocate")
_RAISED = ("ResourceExhaustedError", "OutOfMemoryError", "XlaRuntimeError", "JaxRuntimeError")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, means that a device has no memory left.

    Known are TensorFlow's ``ResourceExhaustedError``, JAX' runtime error with the status
    ``RESOURCE_EXHAUSTED``, PyTorch's ``OutOfMemoryError``, and these as Keras raises them again.

    Example:
        >>> is_out_of_memory(ValueError("shapes do not match"))
        False
    """
    while error is not None:
        kinds = {kind.__name__ for kind in type(error).__mro__}
        if kinds & {"ResourceExhaustedError", "OutOfMemoryError", "MemoryError"}:
            return True
        text = str(error).lower()
        if kinds & {*_RAISED, "InternalError", "RuntimeError"} and any(s in text for s in _SAID):
            return True
        error = error.__cause__ or error.__context__
    return False


def accumulate_gradients(optimizer: keras.optimizers.Optimizer, parts: int) -> None:
    """Let an optimizer that may have trained already apply one gradient per ``parts`` steps.

    Slots, rates per variable and averages stay; the count of steps is put into the new unit.  A
    ``LearningRateSchedule`` in the optimizer would run that much faster (Keras gives it steps, not
    updates); this package's schedules set the rate from outside.  Call it between two
    updates, and have the training step traced anew.

    Args:
        optimizer: Built; a ``LossScaleOptimizer`` is looked through.
        parts: 2 or more.

    Example:
        >>> optimizer = keras.optimizers.Adam()
        >>> optimizer.build([keras.Variable([1.0])])
        >>> accumulate_gradients(optimizer, 2)
        >>> optimizer.gradient_accumulation_steps
        2
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    before = inner.gradient_accumulation_steps or 1
    updates = int(inner._iterations.numpy()) // before
    if before == 1:
        inner._accumulated_gradients = []
        for variable in inner._trainable_variables:
            inner._accumulated_gradients.append(
                inner.add_variable_from_reference(variable, name="gradient_accumulator")
            )
    if inner.use_ema:
        # Keras averages at every step, and must not forget faster for there being more of them.
        inner.ema_momentum **= before / parts
    inner.gradient_accumulation_steps = parts
    inner._iterations.assign(updates * parts)


def fit_within_memory(
    model: keras.Model,
    batches_of: Callable[[int], Any],
    *,
    batch_size: int,
    log: Callable[[str], None],
    callbacks: Sequence[keras.callbacks.Callback] = (),
    parts: int = 1,
    **fit: Any,
) -> keras.callbacks.History:
    """``model.fit`` that halves what a step takes at once whenever memory runs out.

    Args:
        model: Compiled.
        batches_of: Gives the training data in so many parts per batch: ``batches_of(1)`` whole
            batches, ``batches_of(2)`` halves, …, as ``replica_batches(accumulate=…)`` does.  It is
            called again after each failure.
        batch_size: Images of a whole batch on one device; the parts have one image at least.
        log: Is told, in one line, what was done.
        callbacks: For ``fit``.  Those with ``resume_state`` and Keras' own that count go back to
            the beginning of the failed epoch; what others keep is left.
        parts: To begin with, where the optimizer accumulates so many already.
        **fit: Further arguments of ``fit``.

    Returns:
        The history of the whole run.

    Raises:
        InputError: Not even one image fits.

    Example:
        >>> fit_within_memory(
        ...     model, lambda parts: replica_batches(train, placement, accumulate=parts, **shape),
        ...     batch_size=64, log=print, epochs=5,
        ... )  # doctest: +SKIP
    """
    if not any(isinstance(one, keras.callbacks.History) for one in callbacks):
        callbacks = [*callbacks, keras.callbacks.History()]
    start = EpochStart(callbacks, parts)
    while True:
        try:
            return model.fit(batches_of(parts), callbacks=[*callbacks, start], **fit)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if parts * 2 > batch_size or start.state is None:
                raise InputError(
                    f"a single {_size(model)} image does not fit into memory with {model.name!r}; "
                    "give a smaller image size, a smaller backbone (tl-keras backbones lists "
                    "them), or unfreeze fewer stages"
                ) from None
        parts *= 2
        log(
            f"out of memory: batches of {batch_size} are now taken in {parts} parts of "
            f"{-(-batch_size // parts)}, their gradients put together; same effective batch, same "
            f"learning rate; epoch {start.epoch + 1} begins again"
        )
        start.take_parts(parts)


class EpochStart(keras.callbacks.Callback):
    """Keeps in memory what a ``fit()`` was when its present epoch began; to stand last.

    Args:
        callbacks: The others of this ``fit()``.
        parts: Of a batch, to begin with.
    """

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback] = (), parts: int = 1):
        super().__init__()
        self._callbacks = tuple(callbacks)
        self.state: dict[str, Any] | None = None
        self.epoch = 0
        self._parts = parts

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Go back to the beginning of the epoch that failed, if one has."""
        if self.state is None:
            optimizer = self.model.optimizer
            if not optimizer.built:
                optimizer.build(self.model.trainable_variables)
            self._keep()
            return
        restore_fit_state(self.model, self._callbacks, self.state)
        # fit() asks for this once every callback has begun, as for keras' BackupAndRestore.
        self.model._initial_epoch = self.epoch

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Say which epoch this is."""
        self.model._initial_epoch = None
        self.epoch = epoch

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Keep what the next epoch begins from."""
        self.epoch = epoch + 1
        self._keep()

    def take_parts(self, parts: int) -> None:
        """Put model and optimizer back, the optimizer now applying one gradient per so many steps.

        Args:
            parts: 2 or more.
        """
        optimizer, values = self.model.optimizer, self.state["optimizer"]
        for variables, kept in (
            (self.model.variables, self.state["variables"]), (optimizer.variables, values)
        ):  # fmt: skip
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)
        accumulate_gradients(optimizer, parts)
        self.state["optimizer"] = [
            keras.ops.convert_to_numpy(variable) for variable in optimizer.variables
        ]
        for state in self.state["callbacks"].values():
            # Steps are counted in the new unit; see LateStart.
            if isinstance(state, dict) and "births" in state:
                state["births"] = [[i, b // self._parts * parts] for i, b in state["births"]]
        self._parts = parts
        self.model.train_function = None

    def _keep(self) -> None:
        self.state = fit_state(self.model, self._callbacks)


def _size(model: keras.Model) -> str:
    shape = model.input_shape
    return f"{shape[1]} px" if isinstance(shape, tuple) and len(shape) == 4 else "input"
