"""Layer-wise rates move weights in the promised ratio; late variables start like fresh ones."""

import keras
import numpy as np
import pytest

from tl_keras.errors import InputError
from tl_keras.optimizers.late_start import LateStart
from tl_keras.optimizers.layer_rates import layer_wise

RULES = ["SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adamax", "Adagrad", "Lion", "Lamb"]


def _steps(optimizer, variables, count=3, start=0):
    """Apply the same gradients to all variables; returns how far each has moved."""
    before = [v.numpy().copy() for v in variables]
    for step in range(start, start + count):
        gradient = np.cos(np.arange(4.0) + step).astype("float32")
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for _ in variables], variables)
    return [v.numpy() - old for v, old in zip(variables, before, strict=True)]


@pytest.mark.parametrize("rule", RULES)
def test_updates_scale_by_the_promised_ratio(rule):
    # One step from equal weights: later steps of Lamb see weights that have moved apart.
    fast, slow = (keras.Variable(np.ones(4, "float32")) for _ in range(2))
    optimizer = layer_wise(getattr(keras.optimizers, rule)(1e-2), [([slow], 0.1)])
    optimizer.build([fast, slow])
    moved_fast, moved_slow = _steps(optimizer, [fast, slow], count=1 if rule == "Lamb" else 3)
    np.testing.assert_allclose(moved_slow, 0.1 * moved_fast, rtol=2e-4, atol=2e-8)
    assert np.abs(moved_fast).max() > 1e-4


def test_decoupled_weight_decay_scales_with_the_rate():
    fast, slow = (keras.Variable(np.ones(4, "float32")) for _ in range(2))
    optimizer = layer_wise(keras.optimizers.AdamW(1e-2, weight_decay=0.5), [([slow], 0.1)])
    optimizer.build([fast, slow])
    zero = [keras.ops.zeros(4)] * 2
    optimizer.apply(zero, [fast, slow])
    np.testing.assert_allclose(1 - fast.numpy(), 0.005, rtol=1e-4)
    np.testing.assert_allclose(1 - slow.numpy(), 0.0005, rtol=1e-3)


def test_saved_and_restored_with_its_multipliers():
    first, second = (keras.Variable(np.ones(4, "float32")) for _ in range(2))
    optimizer = layer_wise("adam", [([second], 0.25)])
    optimizer.build([first, second])
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    again.build([first, second])
    assert again.multipliers == (1.0, 0.25)


@pytest.mark.parametrize("rule", ["Ftrl", "Adadelta"])
def test_rules_that_cannot_be_scaled_are_refused(rule):
    with pytest.raises(InputError, match=rule):
        layer_wise(getattr(keras.optimizers, rule)(), [])


def test_built_optimizer_is_refused():
    optimizer = keras.optimizers.SGD()
    optimizer.build([keras.Variable(np.ones(1, "float32"))])
    with pytest.raises(InputError, match="new one"):
        layer_wise(optimizer, [])


@pytest.mark.parametrize("rule", ["Adam", "AdamW", "Adamax", "Lamb", "SGD"])
def test_late_variable_steps_like_one_of_a_fresh_optimizer(rule):
    early, late, fresh = (keras.Variable(np.ones(4, "float32")) for _ in range(3))
    optimizer = getattr(keras.optimizers, rule)(1e-2)
    late_start = LateStart(optimizer, [early, late])
    _steps(optimizer, [early], count=50)
    late_start.join([late])
    moved = _steps(optimizer, [late], count=5, start=7)[0]
    reference = getattr(keras.optimizers, rule)(1e-2)
    reference.build([fresh])
    expected = _steps(reference, [fresh], count=5, start=7)[0]
    np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-7)


def test_without_the_late_start_adam_overshoots():
    """The fault that LateStart mends is real in this Keras."""
    early, late = (keras.Variable(np.ones(4, "float32")) for _ in range(2))
    optimizer = keras.optimizers.Adam(1e-2)
    optimizer.build([early, late])
    _steps(optimizer, [early], count=1000)
    assert np.abs(_steps(optimizer, [late], count=1)[0]).max() > 0.02


def test_release_gives_the_update_rule_back():
    variable = keras.Variable(np.ones(4, "float32"))
    optimizer = keras.optimizers.Adam()
    late_start = LateStart(optimizer, [variable])
    assert "update_step" in vars(optimizer)
    late_start.release()
    assert "update_step" not in vars(optimizer)
