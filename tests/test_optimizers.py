"""Layer-wise rates move weights in the promised ratio; late variables start like fresh ones."""

from importlib.util import find_spec

import keras
import numpy as np
import pytest
import staged_conformance as conformance

import tl_keras as tl
from tl_keras.errors import InputError
from tl_keras.optimizers.late_start import LateStart
from tl_keras.optimizers.layer_rates import layer_wise
from tl_keras.optimizers.rates_by_stage import stage_rates
from tl_keras.optimizers.weight_decay import spare_from_decay, undecayed_variables

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
    optimizer.iterations.assign(1000)
    assert np.abs(_steps(optimizer, [late], count=1)[0]).max() > 0.02


def test_release_gives_the_update_rule_back():
    variable = keras.Variable(np.ones(4, "float32"))
    optimizer = keras.optimizers.Adam()
    late_start = LateStart(optimizer, [variable])
    assert "update_step" in vars(optimizer)
    late_start.release()
    assert "update_step" not in vars(optimizer)


def test_no_module_hides_a_public_name():
    """Python binds a sub-module to its package's attribute on import, over a lazy function."""
    for room in (tl.optimizers, tl.callbacks):
        for name in room.__all__:
            assert find_spec(f"{room.__name__}.{name}") is None
            assert callable(getattr(room, name))


def test_stage_rates_decay_from_the_head_down():
    model = conformance.tiny_model()
    pairs = stage_rates(model, 0.5)
    names = [{conformance.short(v).split("/")[0] for v in variables} for variables, _ in pairs]
    assert names == [{"conv1", "bn1"}, {"conv2", "bn2"}, {"conv3", "bn3"}]
    assert [factor for _, factor in pairs] == [0.125, 0.25, 0.5]
    assert [factor for _, factor in stage_rates(model)] == pytest.approx([0.343, 0.49, 0.7])
    assert [factor for _, factor in stage_rates(model, table={"stage2": 0.1})] == [1, 0.1, 1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"table": {"stage9": 1}}, "no stage 'stage9'; give of stem, stage2, stage3"),
        ({"table": {"stem": 0}}, "above 0"),
        ({"decay": -0.5}, "above 0"),
    ],
)
def test_stage_rates_that_cannot_be(options, said):
    with pytest.raises(InputError, match=said):
        stage_rates(conformance.tiny_model(), **options)


@pytest.mark.parametrize(
    ("rule", "policy"),
    [
        *((rule, "float32") for rule in ("SGD", "Adam", "AdamW")),
        ("AdamW", "mixed_float16"),
        pytest.param("SGD", "mixed_float16", marks=pytest.mark.slow),
        pytest.param("Adam", "mixed_float16", marks=pytest.mark.slow),
    ],
)
def test_weights_of_a_model_move_in_the_promised_ratio(rule, policy):
    """In fit, under a schedule: against a run of the same gradients with one rate for all."""
    keras.config.set_dtype_policy(policy)
    images, labels = conformance.data()
    try:
        moved = []
        for table in (None, {"stem": 0.01, "stage2": 0.1, "stage3": 0.5}):
            model = conformance.tiny_model()
            tl.unfreeze(model, "all")
            rates = [] if table is None else stage_rates(model, table=table)
            # Large enough that what the lowest layer moves is far above the rounding of weights.
            schedule = keras.optimizers.schedules.CosineDecay(1.0 if rule == "SGD" else 1e-3, 10)
            optimizer = layer_wise(getattr(keras.optimizers, rule)(schedule), rates)
            conformance.compiled(model, "compiled", optimizer)
            before = {conformance.short(v): v.numpy().astype("float64") for v in model.variables}
            model.fit(images, labels, batch_size=8, verbose=0)
            after = {conformance.short(v): v.numpy() for v in model.variables}
            moved.append({name: after[name] - old for name, old in before.items()})
    finally:
        keras.config.set_dtype_policy("float32")
    factors = {"conv1": 0.01, "conv2": 0.1, "conv3": 0.5, "predictions": 1.0}
    for layer, factor in factors.items():
        whole, part = (run[f"{layer}/kernel"] for run in moved)
        size = np.abs(whole).max()
        assert size > 1e-5
        # The gradients of half precision differ by rounding; float32 weights round the steps.
        np.testing.assert_allclose(part, factor * whole, rtol=2e-2, atol=factor * size * 2e-2)
        assert np.linalg.norm(part) / np.linalg.norm(whole) == pytest.approx(factor, rel=5e-3)


def test_a_rate_set_by_a_callback_scales_all_stages():
    model = conformance.tiny_model()
    tl.unfreeze(model, "all")
    optimizer = layer_wise(keras.optimizers.SGD(1.0), stage_rates(model, 0.5))
    conformance.compiled(model, "compiled", optimizer)
    images, labels = conformance.data()
    kernel = model.get_layer("tiny_staged").get_layer("conv1").kernel
    start, moved = model.get_weights(), []
    for rate in (1e-3, 5e-4):
        model.set_weights(start)
        before = kernel.numpy()
        setting = keras.callbacks.LearningRateScheduler(lambda epoch, _, rate=rate: rate)
        model.fit(images, labels, batch_size=8, verbose=0, callbacks=[setting])
        moved.append(np.linalg.norm(kernel.numpy() - before))
    assert moved[1] / moved[0] == pytest.approx(0.5, rel=0.01)


def test_a_model_saved_half_frozen_trains_on_as_if_it_had_not_been(tmp_path):
    """Multipliers, slots and what decay spares are restored with the optimizer."""
    images, labels = conformance.data()

    def made():
        model = conformance.tiny_model()
        tl.unfreeze(model, "all", train_batch_norm=True)
        base = keras.optimizers.AdamW(1e-2, weight_decay=0.5)
        optimizer = layer_wise(base, stage_rates(model, 0.5))
        return conformance.compiled(model, "compiled", spare_from_decay(optimizer, model))

    whole = made()
    whole.fit(images, labels, batch_size=8, epochs=2, shuffle=False, verbose=0)
    whole.save(tmp_path / "half.keras")
    again = keras.models.load_model(tmp_path / "half.keras")
    assert again.optimizer.multipliers == whole.optimizer.multipliers
    for model in (whole, again):
        model.fit(images, labels, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_keras_own_optimizers_forget_what_decay_spares():
    """The fault that layer_wise mends: bias decays after a round of saving."""
    dense = keras.layers.Dense(2)
    dense.build((None, 3))
    for wrap, spared in ((lambda optimizer: optimizer, False), (lambda o: layer_wise(o, []), True)):
        optimizer = wrap(keras.optimizers.AdamW(weight_decay=0.5))
        optimizer.exclude_from_weight_decay(var_list=[dense.bias])
        optimizer.build(dense.weights)
        again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
        again.build(dense.weights)
        assert again._use_weight_decay(dense.kernel)
        assert again._use_weight_decay(dense.bias) is not spared


def test_decay_spares_biases_norms_and_positions_by_layer():
    @keras.saving.register_keras_serializable(package="tests")
    class Positions(keras.layers.Layer):
        def build(self, shape):
            self.table = self.add_weight(shape=shape[1:], name="position_embedding")
            self.token = self.add_weight(shape=(1, 1, shape[-1]), name="class_token")

        def call(self, x):
            return x + self.table + self.token

    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="gamma_conv")(image)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.GroupNormalization(2)(x)
    x = keras.layers.LayerNormalization(axis=[1, 2, 3])(x)
    x = keras.layers.Reshape((16, 4))(x)
    x = Positions()(x)
    x = keras.layers.MultiHeadAttention(2, 2, name="attention")(x, x)
    model = keras.Model(image, keras.layers.Dense(1, name="to_one")(x))
    spared = {id(v) for v in undecayed_variables(model)}
    decayed = {v.path for v in model.trainable_variables if id(v) not in spared}
    assert decayed == {
        "gamma_conv/kernel", "depthwise/kernel", "to_one/kernel",
        *(f"attention/{part}/kernel" for part in ("query", "key", "value", "attention_output")),
    }  # fmt: skip


def test_decay_spares_the_layer_scale_of_convnext():
    model = tl.build_backbone("convnext_tiny", 32, weights=None)
    spared = {id(v) for v in undecayed_variables(model)}
    scales = [x.gamma for x in model._flatten_layers() if type(x).__name__ == "LayerScale"]
    # Which are called variable_42 and the like.
    assert scales and all(id(v) in spared and v.name != "gamma" for v in scales)
    decayed = [v for v in model.trainable_variables if id(v) not in spared]
    assert len(decayed) == 3 * 18 + 4
    assert {v.name for v in decayed} == {"kernel"}


def test_decay_is_chosen_before_the_first_step():
    model = conformance.tiny_model()
    optimizer = keras.optimizers.AdamW()
    optimizer.build(model.trainable_variables)
    with pytest.raises(InputError, match="new one"):
        spare_from_decay(optimizer, model)
