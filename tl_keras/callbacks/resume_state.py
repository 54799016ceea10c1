"""What a ``fit()`` has become, as a tree of plain values and arrays, and back again."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tl_keras.errors import InputError

# What Keras' own callbacks count; they forget it when training begins.
_COUNTED = (
    (
        keras.callbacks.EarlyStopping,
        ("wait", "stopped_epoch", "best", "best_epoch", "best_weights"),
    ),
    (keras.callbacks.ReduceLROnPlateau, ("wait", "best", "cooldown_counter")),
    (
        keras.callbacks.ModelCheckpoint,
        ("best", "_batches_seen_since_last_saving", "_last_batch_seen"),
    ),
    (keras.callbacks.SwapEMAWeights, ("_ema_weights_in_model",)),
    (keras.callbacks.History, ("epoch", "history")),
)


def fit_state(model: keras.Model, callbacks: Iterable[keras.callbacks.Callback]) -> dict[str, Any]:
    """Everything that the next epoch of a ``fit()`` depends on, apart from its data.

    Args:
        model: Compiled, its optimizer built.
        callbacks: Of this ``fit()``.  Keras' own that count something are known; of others, those
            with ``resume_state()``, which returns such a tree too.

    Returns:
        Values of all variables (seeds of dropout and the like with them), of the optimizer's
        variables, the callbacks' states, and the states of the process's random generators.

    Example:
        >>> state = fit_state(model, callbacks)  # doctest: +SKIP
    """
    return {
        "variables": [_value(variable) for variable in model.variables],
        "optimizer": [_value(variable) for variable in model.optimizer.variables],
        "callbacks": {name: _state_of(one) for name, one in _with_state(callbacks)},
        "random": _random_state(),
    }


def restore_fit_state(
    model: keras.Model, callbacks: Iterable[keras.callbacks.Callback], state: Mapping[str, Any]
) -> None:
    """Put back what :func:`fit_state` returned, after every ``on_train_begin``.

    Args:
        model: As it was built and compiled before the state was taken.
        callbacks: As they were; ``load_resume_state(state)`` is called where it exists.
        state: From :func:`fit_state`.
    """
    # First what decides which variables train, for that looks at the optimizer as it is.
    for name, callback in _with_state(callbacks):
        if name in state["callbacks"]:
            _restore(callback, state["callbacks"][name])
    _assign(model.variables, state["variables"])
    _assign(model.optimizer.variables, state["optimizer"])
    _restore_random_state(state["random"])


def fit_identity(
    model: keras.Model, callbacks: Iterable[keras.callbacks.Callback]
) -> dict[str, Any]:
    """What must be the same for a state to fit: variables, optimizer, callbacks that count.

    Names that Keras numbers by the process are left out.
    """
    return {
        "backend": keras.backend.backend(),
        "model variable": _described(model.variables),
        "optimizer": type(model.optimizer).__name__,
        "optimizer setting": _settings(model.optimizer.get_config()),
        "optimizer variable": _described(model.optimizer.variables, named=False),
        "callbacks": [name for name, _ in _with_state(callbacks)],
    }


def _value(variable: keras.Variable) -> np.ndarray:
    return np.asarray(variable.numpy())


def _assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    if len(variables) != len(values):
        raise InputError(
            f"the checkpoint holds {len(values)} values for {len(variables)} variables; "
            "build and compile the model as before, or delete the checkpoint"
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _with_state(
    callbacks: Iterable[keras.callbacks.Callback],
) -> Iterator[tuple[str, keras.callbacks.Callback]]:
    """Callbacks that count something, named by their class, with a number from the second on."""
    seen: dict[str, int] = {}
    for callback in callbacks:
        if not hasattr(callback, "resume_state") and not _counted(callback):
            continue
        name = type(callback).__name__
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} {seen[name]}"), callback


def _counted(callback: keras.callbacks.Callback) -> tuple[str, ...]:
    return next((names for kind, names in _COUNTED if isinstance(callback, kind)), ())


def _state_of(callback: keras.callbacks.Callback) -> Any:
    if hasattr(callback, "resume_state"):
        return callback.resume_state()
    # ReduceLROnPlateau and others have what they count only once training has begun.
    return {name: getattr(callback, name, None) for name in _counted(callback)}


def _restore(callback: keras.callbacks.Callback, state: Any) -> None:
    if hasattr(callback, "resume_state"):
        callback.load_resume_state(state)
        return
    for name, value in state.items():
        setattr(callback, name, value)


def _described(variables: list[keras.Variable], named: bool = True) -> dict[str, str]:
    return {
        str(i): f"{re.sub(r'_[0-9]+$', '', variable.name) if named else ''}"
        f"{tuple(variable.shape)} {keras.backend.standardize_dtype(variable.dtype)}"
        for i, variable in enumerate(variables)
    }


def _settings(value: Any) -> Any:
    """A configuration as JSON values, without the names that Keras numbers by the process."""
    if isinstance(value, Mapping):
        return {str(key): _settings(item) for key, item in value.items() if key != "name"}
    if isinstance(value, list | tuple):
        return [_settings(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return value.item() if isinstance(value, np.generic) else type(value).__name__


def _global_seed(create: bool = False) -> keras.random.SeedGenerator | None:
    # Keras names no public way to what draws where no seed was given.
    from keras.src.backend.common.global_state import get_global_attribute
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR, global_seed_generator

    return global_seed_generator() if create else get_global_attribute(GLOBAL_SEED_GENERATOR)


def _random_state() -> dict[str, Any]:
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state()
    seed = _global_seed()
    return {
        "python": [version, np.array(words, "uint64"), gauss],
        "numpy": [kind, keys, position, has_gauss, cached],
        "keras": None if seed is None else _value(seed.state),
    }


def _restore_random_state(state: Mapping[str, Any]) -> None:
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    np.random.set_state(tuple(state["numpy"]))
    if state["keras"] is not None:
        _global_seed(create=True).state.assign(state["keras"])
