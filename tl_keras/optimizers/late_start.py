"""Let an optimizer train variables that join late, as if each had an optimizer of its own age.

An Adam-like optimizer divides its moments by ``1 - beta**step``.  A variable that is unfrozen at
step 1,000 has empty moments but a correction of nearly 1, so its first steps come out three to
four times too large.  Counting steps from the variable's own birth gives the steps of a fresh
optimizer (Kingma & Ba 2015, section 3, for the correction itself).  Nadam keeps one product of
momenta for all variables, so its late variables come close to fresh ones, not equal.
"""

from collections.abc import Iterable
from typing import Any

import keras


class LateStart:
    """Wraps the update of a built optimizer in place; ``release`` takes the wrapping off again.

    The optimizer keeps its class, its variables and its configuration, so that what is saved is
    the user's own optimizer.  On the JAX backend the optimizer also learns to update a subset of
    the variables that it was built with.

    Args:
        optimizer: A Keras optimizer, built or not; a ``LossScaleOptimizer`` is looked through.
        variables: All variables that will ever train.  An optimizer that is not built is built
            on them.

    Example:
        >>> late = LateStart(model.optimizer, every_variable)  # doctest: +SKIP
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

    def join(self, variables: Iterable[keras.Variable]) -> None:
        """Count the steps of these variables from the current iteration."""
        step = int(self._inner.iterations.numpy())
        for variable in variables:
            self._births[self._inner._get_variable_index(variable)] = step

    def activate(self, variables: Iterable[keras.Variable]) -> None:
        """Say which variables train from now on (needed by the JAX backend)."""
        self._active = tuple(variables)

    def release(self) -> None:
        """Give the optimizer its own update back."""
        for name in ("update_step", "stateless_apply"):
            self._inner.__dict__.pop(name, None)

    def _late_update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        birth = self._births.get(self._inner._get_variable_index(variable), 0)
        if not birth:
            return self._update_step(gradient, variable, learning_rate)
        counter = self._inner._iterations
        # Past Keras' attribute tracking: the counter is only shown shifted, never replaced.
        object.__setattr__(self._inner, "_iterations", keras.ops.subtract(counter, birth))
        try:
            return self._update_step(gradient, variable, learning_rate)
        finally:
            object.__setattr__(self._inner, "_iterations", counter)

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
