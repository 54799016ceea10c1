"""Let an optimizer train variables that join late, as if each had an optimizer of its own age.

An Adam-like optimizer divides its moments by ``1 - beta**step``.  A variable that is unfrozen at
step 1,000 has empty moments but a correction of nearly 1, so its first steps come out three to
four times too large.  Counting steps from the variable's own birth gives the steps of a fresh
optimizer (Kingma & Ba 2015, section 3, for the correction itself).  Nadam keeps one product of
momenta for all variables, so its late variables come close to fresh ones, not equal.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

_WRAPPED = (
    "update_step",
    "stateless_apply",
    "_update_model_variables_moving_average",
    "_overwrite_model_variables_with_average_value",
)
# Lists of one variable per trained variable that are not the state of an update rule.
_NO_SLOTS = (
    "_variables",
    "_trainable_variables",
    "_model_variables_moving_average",
    "_accumulated_gradients",
)


class LateStart:
    """Wraps the update of a built optimizer in place; ``release`` takes the wrapping off again.

    The optimizer keeps its class, its variables and its configuration, so that what is saved is
    the user's own optimizer.  On the JAX backend the optimizer also learns to update a subset of
    the variables that it was built with.  With ``use_ema``, averages follow only what trains: the
    average of a frozen variable is its value, bit for bit, and that of a late one begins with it
    (Keras' own takes the averages for those of whatever trains, in order).

    Args:
        optimizer: A Keras optimizer, built or not; a ``LossScaleOptimizer`` is looked through.
        variables: All variables that will ever train.  An optimizer that is not built is built
            on them.

    Example:
        >>> late = LateStart(model.optimizer, every_variable)  # doctest: +SKIP
        >>> late.activate(trainable_now)  # doctest: +SKIP
        >>> late.join(newly_trainable)  # their first step counts as step 1  # doctest: +SKIP
    """

    def __init__(self, optimizer: keras.optimizers.Optimizer, variables: Iterable[keras.Variable]):
        self._outer = optimizer
        # Reached by name: an inner optimizer is what holds the slots and the update rule.
        self._inner = getattr(optimizer, "inner_optimizer", optimizer)
        # By index: TensorFlow hands its own variables to the update, not Keras'.
        self._births: dict[int, int] = {}
        self._active: tuple[keras.Variable, ...] = ()
        variables = list(variables)
        if not self._outer.built:
            self._outer.build(variables)
        self._inner._check_variables_are_known(variables)
        # A fit() that was interrupted never called release().
        self.release()
        self._update_step = self._inner.update_step
        self._inner.update_step = self._late_update_step
        if keras.backend.backend() == "jax":
            self._inner.stateless_apply = self._subset_stateless_apply
        if self._inner.use_ema:
            self._update_averages = self._inner._update_model_variables_moving_average
            self._inner._update_model_variables_moving_average = self._late_averages
            self._use_averages = self._inner._overwrite_model_variables_with_average_value
            self._inner._overwrite_model_variables_with_average_value = self._active_averages

    @property
    def births(self) -> dict[int, int]:
        """Step at which each late variable joined, by its index in the optimizer."""
        return dict(self._births)

    @births.setter
    def births(self, births: dict[int, int]) -> None:
        self._births = dict(births)

    def join(self, variables: Iterable[keras.Variable]) -> None:
        """Count the steps of these variables from the current step.

        One that trained before, as its slots show, goes on at the age that it had.
        """
        # Not `iterations`, which counts updates where gradients are accumulated over several steps.
        step = int(self._inner._iterations.numpy())
        for variable in variables:
            index = self._inner._get_variable_index(variable)
            if all(map(_untouched, self._slots(index))):
                self._births[index] = step

    def activate(self, variables: Iterable[keras.Variable]) -> None:
        """Say which variables train from now on."""
        self._active = tuple(variables)
        active = {self._inner._get_variable_index(variable) for variable in self._active}
        known = enumerate(self._inner._trainable_variables)
        self._average_is_value(variable for i, variable in known if i not in active)

    def release(self) -> None:
        """Give the optimizer its own update back."""
        for name in _WRAPPED:
            self._inner.__dict__.pop(name, None)

    def _slots(self, index: int) -> Iterator[keras.Variable]:
        known = len(self._inner._trainable_variables)
        for name, held in vars(self._inner).items():
            if isinstance(held, list) and len(held) == known and name not in _NO_SLOTS:
                # None where the rule needs no such slot for a variable.
                yield from (slot for slot in held[index : index + 1] if slot is not None)

    def _average_is_value(self, variables: Iterable[keras.Variable]) -> None:
        if not self._inner.use_ema:
            return
        for variable in variables:
            average = self._average(variable)
            if average is not None:
                # A copy: JAX would hold one buffer for both, and refuse to give it away twice.
                average.assign(keras.ops.copy(variable))

    def _average(self, variable: keras.Variable) -> keras.Variable | None:
        index = self._inner._get_variable_index(variable)
        return self._inner._model_variables_moving_average[index]

    def _birth(self, variable: Any) -> int:
        return self._births.get(self._inner._get_variable_index(variable), 0)

    @contextmanager
    def _showing(self, name: str, value: Any) -> Iterator[None]:
        # Past Keras' attribute tracking: what it holds is only shown changed, never replaced.
        held = getattr(self._inner, name)
        object.__setattr__(self._inner, name, value)
        try:
            yield
        finally:
            object.__setattr__(self._inner, name, held)

    @contextmanager
    def _aged_from(self, birth: int) -> Iterator[None]:
        if not birth:
            yield
            return
        shifted = keras.ops.subtract(self._inner._iterations, birth)
        with self._showing("_iterations", shifted):
            yield

    def _late_update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        with self._aged_from(self._birth(variable)):
            self._update_step(gradient, variable, learning_rate)

    def _late_averages(self, variables: Sequence[keras.Variable]) -> None:
        for birth in sorted({self._birth(variable) for variable in self._active}):
            group = [variable for variable in self._active if self._birth(variable) == birth]
            averages = [self._average(variable) for variable in group]
            with self._aged_from(birth), self._showing("_model_variables_moving_average", averages):
                self._update_averages(group)

    def _active_averages(self, variables: Sequence[keras.Variable]) -> None:
        averages = [self._average(variable) for variable in self._active]
        if keras.backend.backend() == "jax":
            averages = [
                None if average is None else keras.ops.copy(average) for average in averages
            ]
        with self._showing("_model_variables_moving_average", averages):
            self._use_averages(list(self._active))

    def _subset_stateless_apply(self, optimizer_variables, grads, trainable_variables):
        state = [
            *zip(self._active, trainable_variables, strict=True),
            *zip(self._inner.variables, optimizer_variables, strict=True),
        ]
        with keras.StatelessScope(state_mapping=state) as scope:
            self._inner.apply(grads, self._active)
        return (
            [scope.get_current_value(v) for v in self._active],
            [scope.get_current_value(v) for v in self._inner.variables],
        )


def _untouched(slot: keras.Variable) -> bool:
    # As it was made: all zeros, or Adagrad's one positive number throughout.
    values = keras.ops.convert_to_numpy(slot)
    return bool((values == values.reshape(-1)[0]).all()) if values.size > 1 else not values.any()
