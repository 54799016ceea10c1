"""Layer-wise learning rates: any Keras optimizer, its update scaled variable by variable.

The *update* is scaled, not the gradient: Adam-like rules divide by the gradient's own size, so a
scaled gradient changes nothing (discriminative fine-tuning: Howard & Ruder 2018, arXiv:1801.06146;
layer decay: Clark et al. 2020, arXiv:2003.10555).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tl_keras.errors import InputError

# Rules whose step does not scale with the rate that update_step is given.
_UNSUITABLE = ("Ftrl", "Adadelta", "MultiOptimizer", "LossScaleOptimizer")


class _LayerWise:
    """Mixin before a Keras optimizer: ``multipliers`` holds one factor per built variable."""

    multipliers: Sequence[float] = ()
    # By identity until the build says which variable stands where; paths change with each process.
    rates_by_id: Mapping[int, float] | None = None
    # Keras does not save what is spared weight decay; by position among the built variables.
    undecayed: Sequence[int] | None = None
    _decay_factor = 1.0

    @property
    def weight_decay(self) -> float | None:
        """The decay of the variables that are decayed at this moment."""
        return None if self._whole_decay is None else self._whole_decay * self._decay_factor

    @weight_decay.setter
    def weight_decay(self, decay: float | None) -> None:
        self._whole_decay = decay

    def build(self, variables: Sequence[keras.Variable]) -> None:
        if not self.built and self.rates_by_id is not None:
            self.multipliers = tuple(self.rates_by_id.get(id(v), 1.0) for v in variables)
        if not self.built and self.undecayed is not None:
            self.exclude_from_weight_decay(var_list=[variables[i] for i in self.undecayed])
        super().build(variables)

    def _multiplier(self, variable: keras.Variable) -> float:
        index = self._get_variable_index(variable)
        return self.multipliers[index] if index < len(self.multipliers) else 1.0

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate * self._multiplier(variable))

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        # Keras reduces over one replica, too, and TensorFlow keeps the traced step that does so
        # for ever: 30 MiB a fit().
        import tensorflow as tf

        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return [(gradient, v) for gradient, v in grads_and_vars if gradient is not None]
        return super()._all_reduce_sum_gradients(grads_and_vars)

    def _apply_weight_decay(self, variables: Sequence[keras.Variable]) -> None:
        # Decoupled decay is part of the update (Loshchilov & Hutter 2019), so it scales with it.
        if self.weight_decay is None:
            return
        groups = {}
        for variable in variables:
            groups.setdefault(self._multiplier(variable), []).append(variable)
        try:
            for factor, group in groups.items():
                # Set to what it is to be, never multiplied on: under MirroredStrategy the replicas
                # run this in turns.
                self._decay_factor = factor
                super()._apply_weight_decay(group)
        finally:
            self._decay_factor = 1.0

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "multipliers": list(self.multipliers)}
        if self.built:
            trained = enumerate(self._trainable_variables)
            config["undecayed"] = [i for i, v in trained if not self._use_weight_decay(v)]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        multipliers, undecayed = config.pop("multipliers", ()), config.pop("undecayed", None)
        optimizer = super().from_config(config, custom_objects)
        optimizer.multipliers = tuple(multipliers)
        optimizer.undecayed = None if undecayed is None else tuple(undecayed)
        return optimizer


_CLASSES: dict[type, type] = {}


def _layer_wise_class(base: type) -> type:
    if base not in _CLASSES:
        made = type(f"LayerWise{base.__name__}", (_LayerWise, base), {"__module__": __name__})
        _CLASSES[base] = keras.saving.register_keras_serializable(package="tl_keras")(made)
    return _CLASSES[base]


# Known before a saved optimizer is opened, whichever of them was used.
for _name in ("SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adamax", "Adagrad", "Lion", "Lamb"):
    _layer_wise_class(getattr(keras.optimizers, _name))


def layer_wise(
    optimizer: keras.optimizers.Optimizer | str,
    rates: Sequence[tuple[Sequence[keras.Variable], float]],
) -> keras.optimizers.Optimizer:
    """Return the same optimizer with a learning rate of its own for each variable.

    Args:
        optimizer: An unbuilt Keras optimizer or its name; its configuration is taken over.
        rates: Pairs of variables and their factor of the learning rate; 1.0 where not named.

    Returns:
        An unbuilt optimizer of a subclass of the given one; it saves and loads like any other.

    Raises:
        InputError: The rule cannot be scaled (Ftrl, Adadelta), or is already built.

    Example:
        >>> base = keras.optimizers.Adam(1e-3)
        >>> w = keras.Variable([1.0])
        >>> slow = layer_wise(base, [([w], 0.1)])
        >>> slow.build([w])
        >>> slow.multipliers
        (0.1,)
    """
    optimizer = keras.optimizers.get(optimizer)
    if type(optimizer).__name__ in _UNSUITABLE:
        raise InputError(
            f"{type(optimizer).__name__} does not scale with a rate per layer; "
            "use SGD, Adam, AdamW, RMSprop, Lion, Nadam, Adamax, Adagrad or Lamb"
        )
    if optimizer.built:
        raise InputError("layer_wise needs an optimizer that has not trained yet; give a new one")
    result = _layer_wise_class(type(optimizer)).from_config(optimizer.get_config())
    result.rates_by_id = {id(v): float(factor) for group, factor in rates for v in group}
    return result
