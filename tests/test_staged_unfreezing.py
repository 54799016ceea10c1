"""StagedUnfreezing: what stands still, what carries over, what starts like fresh, on every path."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
import staged_conformance as conformance

import tl_keras as tl
from tl_keras.callbacks.staged_unfreezing import every_trainable_variable
from tl_keras.errors import InputError
from tl_keras.optimizers.late_start import LateStart

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
HEAD = {"predictions/bias", "predictions/kernel"}
TRAINS = {0: HEAD, 6: HEAD | {"conv3/kernel"}, 8: HEAD | {f"conv{i}/kernel" for i in (1, 2, 3)}}


def _case(device, policy, mode, slow=False, **options):
    marks = [pytest.mark.slow] if slow else []
    name = "-".join([device, policy, mode, *options])
    return pytest.param(device, policy, mode, options, id=name, marks=marks)


CASES = [
    *(_case("one", p, "compiled") for p in POLICIES),
    *(_case("one", p, "eager", slow=p == "mixed_bfloat16") for p in POLICIES),
    *(_case("one", p, "jit", slow=p != "mixed_float16") for p in POLICIES),
    _case("one", "float32", "compiled", work=True),
    _case("one", "float32", "compiled", train_batch_norm=True),
    _case("one", "mixed_float16", "compiled", slow=True, ema=True),
    _case("mirrored", "float32", "compiled"),
    _case("mirrored", "mixed_float16", "compiled", slow=True),
    _case("mirrored", "float32", "compiled", slow=True, ema=True),
    _case("mirrored", "mixed_bfloat16", "compiled", slow=True),
    _case("mirrored", "float32", "eager", slow=True),
    _case("jax", "float32", "jit", work=True),
    _case("jax", "mixed_float16", "jit", slow=True, ema=True),
    _case("jax", "mixed_float16", "jit", slow=True),
    _case("jax", "float32", "jit", slow=True, ema=True),
    _case("jax", "mixed_bfloat16", "jit", slow=True),
    *(_case("jax", p, "eager", slow=True) for p in POLICIES),
]


@pytest.fixture(scope="module")
def elsewhere(request):
    """Facts of the cases that need a process of their own, one process for each kind."""
    wanted = {}
    for item in request.session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if params.get("device") in ("mirrored", "jax"):
            case = [params["policy"], params["mode"], params["options"]]
            wanted.setdefault(params["device"], []).append(case)
    seen = {}

    def get(device, policy, mode, options):
        if device not in seen:
            seen[device] = _in_a_process(device, wanted[device])
        return seen[device][json.dumps([policy, mode, options])]

    return get


def _in_a_process(device, cases):
    environment = {**os.environ, "KERAS_BACKEND": "jax" if device == "jax" else "tensorflow"}
    script = Path(conformance.__file__)
    environment["PYTHONPATH"] = str(script.parents[1])
    done = subprocess.run(
        [sys.executable, script, "2" if device == "mirrored" else "1", json.dumps(cases)],
        env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("FACTS")]
    assert lines, done.stderr[-3000:]
    return dict(zip(map(json.dumps, cases), json.loads(lines[0][5:]), strict=True))


@pytest.mark.parametrize(("device", "policy", "mode", "options"), CASES)
def test_conformance(device, policy, mode, options, elsewhere):
    if device == "jax" and find_spec("jax") is None:
        pytest.skip("needs JAX: pip install 'jax[cpu]'")
    if device == "one":
        facts = conformance.facts(policy, mode, **options)
    else:
        facts = elsewhere(device, policy, mode, options)
    assert "error" not in facts, facts["error"]
    # What is frozen stands still bit for bit, BatchNorm's statistics with it; the rest moves.
    for epoch, moved in enumerate(facts["moved"]):
        expected = TRAINS[max(start for start in TRAINS if start <= epoch)]
        if options.get("train_batch_norm"):
            blocks = {name.split("/")[0].replace("conv", "bn") for name in expected - HEAD}
            own = {name for name in facts["backbone"] if name.split("/")[0] in blocks}
            expected = expected | own
        assert set(moved) == expected, epoch
    # One optimizer, counting on; its slots are the same on both sides of a boundary.
    assert facts["iterations"] == list(range(1, conformance.EPOCHS + 1))
    assert facts["slots_kept"] and facts["rate_follows"] and facts["released"]
    # Adam's first step is the learning rate, for a fresh layer: not half of it, not four times.
    late = {name: step for name, step in facts["first_steps"].items() if name not in HEAD}
    assert {"conv1/kernel", "conv2/kernel", "conv3/kernel"} <= set(late)
    assert all(0.98 < step < 1.01 for step in late.values()), late
    assert facts["decayed"] == pytest.approx([0.995, 0.975, 0.95], abs=1e-6)
    assert facts["losses"][-1] < facts["losses"][0]
    # What the last epoch's evaluation said, of the averages where there are, the model keeps.
    assert facts["said"] == pytest.approx([facts["said"][0]] * len(facts["said"]), rel=1e-5)
    # The model ends with the average of what each variable was since it trains.
    assert (facts["average_error"] < 1e-6) is options.get("ema", False)
    if options.get("work"):
        # Of a frozen convolution no gradient; of the lowest, one by its kernel; of others, two.
        assert facts["work"] == [0] * 6 + [1] * 2 + [5] * 2


def test_conformance_catches_a_late_start_that_does_not_count(monkeypatch):
    """The checks above fail where births are not counted or nothing is traced anew."""
    monkeypatch.setattr(LateStart, "join", lambda self, variables: list(variables))
    late = conformance.facts()["first_steps"]["conv3/kernel"]
    assert not 0.98 < late < 1.01


def test_conformance_catches_a_step_that_is_not_traced_anew(monkeypatch):
    monkeypatch.setattr(keras.Model, "make_train_function", _made_once)
    moved = conformance.facts()["moved"]
    assert set(moved[8]) != TRAINS[8]


_make = keras.Model.make_train_function


def _made_once(self, force=False):
    _make(self, force=force and self.train_function is None)


def _fit(callbacks, epochs, model=None, values=None, **options):
    """Train the tiny model; ``values`` are what "val_loss" is made to be, epoch by epoch."""
    model = model or conformance.compiled(conformance.tiny_model(), "compiled", "sgd")
    images, labels = conformance.data()
    if values is not None:
        callbacks = [_Say(values), *callbacks]
    history = model.fit(
        images, labels, batch_size=8, epochs=epochs, verbose=0, callbacks=callbacks, **options
    )
    return model, history


class _Say(keras.callbacks.Callback):
    """Stands first, and puts a value of its own into the logs."""

    def __init__(self, values, name="val_loss"):
        super().__init__()
        self.values, self.name = values, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]


class _Stages(keras.callbacks.Callback):
    """Stands after the callback that unfreezes, and notes what trains."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(len(tl.backbones.trainable_stages(self.model)))


def test_plateaus_unfreeze_the_next_entry():
    staged = tl.callbacks.StagedUnfreezing([0, 1, "all"], patience=2, min_delta=0.01)
    stages = _Stages()
    # A stage may begin above the best before it (epoch 4) without that counting as waiting; a gain
    # below min_delta (epoch 6) is none; nothing comes after the last entry.
    losses = [1.0, 0.9, 0.95, 0.9, 1.5, 1.4, 1.395, 1.45, 1.0, 1.0, 1.0, 1.0]
    _fit([staged, stages], 12, values=losses)
    assert stages.seen == [0] * 4 + [1] * 4 + [3] * 4
    assert staged.stage == 2 and staged.at_last


def test_plateaus_of_a_value_that_should_rise():
    staged = tl.callbacks.StagedUnfreezing([0, "all"], monitor="accuracy", patience=1)
    stages = _Stages()
    _fit([_Say([0.1, 0.2, 0.3, 0.3, 0.4], "accuracy"), staged, stages], 5)
    assert stages.seen == [0, 0, 0, 0, 3]
    up = tl.callbacks.StagedUnfreezing([0, "all"], monitor="mine", patience=1, mode="max")
    stages = _Stages()
    _fit([_Say([0.1, 0.2, 0.1], "mine"), up, stages], 3)
    assert stages.seen == [0, 0, 0]
    _fit([_Say([0.1, 0.2, 0.1, 0.1], "mine"), up, stages := _Stages()], 4)
    assert stages.seen == [0, 0, 0, 3]


def test_monitored_name_that_is_not_there():
    with pytest.raises(InputError, match=r"'val_loss' is not in the logs \(.*loss\); give fit"):
        _fit([tl.callbacks.StagedUnfreezing([0, 1])], 1)
    vague = tl.callbacks.StagedUnfreezing([0, 1], monitor="mine")
    with pytest.raises(InputError, match="mode='min'"):
        _fit([_Say([1.0], "mine"), vague], 1)


@pytest.mark.parametrize("schedule", [{}, [], "all", 3, {-1: 0}, {0.5: 1}, {True: 1}])
def test_schedules_that_cannot_be_used(schedule):
    with pytest.raises(InputError, match="mapping from epoch"):
        tl.callbacks.StagedUnfreezing(schedule)


@pytest.mark.parametrize("options", [{"patience": 0}, {"patience": 1.5}, {"mode": "up"}])
def test_plateaus_that_cannot_be_noticed(options):
    with pytest.raises(InputError):
        tl.callbacks.StagedUnfreezing([0, 1], **options)


def test_entries_are_checked_before_training():
    model = conformance.compiled(conformance.tiny_model(), "compiled", "sgd")
    before = model.get_weights()
    with pytest.raises(InputError, match="3 stages, not 7"):
        _fit([tl.callbacks.StagedUnfreezing([0, 7])], 1, model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_backbone_that_was_partly_unfrozen_before():
    model = conformance.compiled(conformance.tiny_model(), "compiled", "adam")
    count = len(every_trainable_variable(model))
    tl.unfreeze(model, 1)
    assert len(every_trainable_variable(model)) == count == 2 + 3 * 3
    assert tl.backbones.trainable_stages(model) == ["stage3"]
    stages = _Stages()
    _fit([tl.callbacks.StagedUnfreezing({0: 1, 1: "all"}, train_batch_norm=True), stages], 2, model)
    assert stages.seen == [1, 3]


def test_retracing_changes_nothing_by_itself():
    """A schedule that unfreezes nothing ends bit for bit where plain fit ends."""
    plain, _ = _fit([], 4, conformance.compiled(conformance.tiny_model(), "compiled"))
    staged, _ = _fit(
        [tl.callbacks.StagedUnfreezing({0: 0, 2: []})],
        4,
        conformance.compiled(conformance.tiny_model(), "compiled"),
    )
    for one, other in zip(plain.get_weights(), staged.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_callbacks_and_metrics_go_on_across_the_boundary():
    stop = keras.callbacks.EarlyStopping(patience=4)
    reduce = keras.callbacks.ReduceLROnPlateau(patience=3, factor=0.5, min_delta=0)
    staged = tl.callbacks.StagedUnfreezing({0: 0, 2: "all"})
    model = conformance.compiled(conformance.tiny_model(), "compiled", keras.optimizers.SGD(0.5))
    _, history = _fit([staged, stop, reduce], 9, model, values=[1.0] * 9)
    # Waited through epochs 1, 2 | 3, 4: neither count began anew at the boundary.
    assert len(history.history["loss"]) == 5
    assert history.history["learning_rate"] == [0.5, 0.5, 0.5, 0.5, 0.25]
    assert "accuracy" in history.history


def test_refrozen_layers_go_on_at_their_age():
    """Old moments divided by the correction of a fresh variable would be ten times too large."""
    sizes = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.before = model.get_layer("tiny_staged").get_layer("conv3").kernel.numpy()

        def on_epoch_end(self, epoch, logs=None):
            after = model.get_layer("tiny_staged").get_layer("conv3").kernel.numpy()
            sizes.append(np.abs(after - self.before).max())

    model = conformance.compiled(conformance.tiny_model(), "compiled", keras.optimizers.Adam(1e-3))
    schedule = {0: 0, 10: 1, 14: 0, 16: 1}
    _fit([tl.callbacks.StagedUnfreezing(schedule), Watch()], 18, model)
    assert sizes[10] == pytest.approx(1e-3, rel=0.02)
    assert sizes[14:16] == [0, 0]
    assert 0 < sizes[16] < 2e-3
    _fit([tl.callbacks.StagedUnfreezing({0: 0, 1: "all"}), Watch()], 2, model)
    assert 0 < sizes[19] < 2e-3


def test_late_start_under_accumulated_gradients():
    """The birth is counted in steps, of which an update takes several."""
    early, late, fresh = (keras.Variable(np.ones(4, "float32")) for _ in range(3))

    def steps(optimizer, variable, count):
        before = variable.numpy()
        for _ in range(count):
            optimizer.apply([keras.ops.ones(4)], [variable])
        return variable.numpy() - before

    optimizer = keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2)
    late_start = LateStart(optimizer, [early, late])
    late_start.activate([early])
    steps(optimizer, early, 20)
    late_start.join([late])
    late_start.activate([late])
    reference = keras.optimizers.Adam(1e-2, gradient_accumulation_steps=2)
    reference.build([fresh])
    np.testing.assert_allclose(
        steps(optimizer, late, 6), steps(reference, fresh, 6), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_averages_follow_what_trains(policy):
    """With use_ema: what is frozen stays bit-identical in model and average, through fit's end."""
    keras.config.set_dtype_policy(policy)
    try:
        optimizer = keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5)
        model = conformance.compiled(conformance.tiny_model(), "compiled", optimizer)
        start = {conformance.short(v): v.numpy() for v in model.variables}
        kept = []

        class Watch(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                optimizer = conformance.inner(self.model.optimizer)
                averages = optimizer._model_variables_moving_average
                known = zip(optimizer._trainable_variables, averages, strict=True)
                kept.append(
                    {conformance.short(v): (v.numpy(), average.numpy()) for v, average in known}
                )

        # It ends with the lower stages still frozen, where Keras' own would mix variables up.
        _fit([tl.callbacks.StagedUnfreezing({0: 0, 3: 1}), Watch()], 6, model)
    finally:
        keras.config.set_dtype_policy("float32")
    for epoch, pairs in enumerate(kept):
        for name, (value, average) in pairs.items():
            trains = name in TRAINS[0] or (epoch >= 3 and name == "conv3/kernel")
            assert np.array_equal(value, start[name]) is not trains
            # An average begins with the variable's value after its first step.
            begins = epoch == (3 if name == "conv3/kernel" else 0)
            assert np.array_equal(value, average) is (not trains or begins), (epoch, name)


def test_a_state_goes_on_as_the_run_would_have():
    """What an exact resume takes and gives back: stage, births and plateau."""

    def staged():
        return tl.callbacks.StagedUnfreezing([0, 1, "all"], patience=1)

    losses = [1.0, 1.0, 0.5, 0.5, 0.4, 0.3]
    whole = conformance.compiled(conformance.tiny_model(), "compiled", keras.optimizers.Adam(1e-2))
    _fit([staged()], 6, whole, values=losses, shuffle=False)

    class Carry(keras.callbacks.Callback):
        def __init__(self, staged, state=None):
            super().__init__()
            self.staged, self.state = staged, state

        def on_train_begin(self, logs=None):
            if self.state is None:
                return
            stage, weights, values = self.state
            self.staged.load_resume_state(stage)
            self.model.set_weights(weights)
            for variable, value in zip(self.model.optimizer.variables, values, strict=True):
                variable.assign(value)

        def on_epoch_end(self, epoch, logs=None):
            values = [v.numpy() for v in self.model.optimizer.variables]
            stage = json.loads(json.dumps(self.staged.resume_state()))
            self.state = stage, self.model.get_weights(), values

    first = staged()
    carry = Carry(first)
    half = conformance.compiled(conformance.tiny_model(), "compiled", keras.optimizers.Adam(1e-2))
    _fit([first, carry], 3, half, values=losses, shuffle=False)
    again = conformance.compiled(conformance.tiny_model(), "compiled", keras.optimizers.Adam(1e-2))
    second = staged()
    callbacks = [second, Carry(second, carry.state)]
    _fit(callbacks, 6, again, values=losses, shuffle=False, initial_epoch=3)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_layer_rates_and_spared_decay_survive_the_rebuilding_of_the_optimizer():
    model = conformance.tiny_model()
    rates = tl.optimizers.stage_rates(model, 0.5)
    optimizer = tl.optimizers.layer_wise(keras.optimizers.AdamW(1e-2, weight_decay=0.5), rates)
    conformance.compiled(model, "compiled", tl.optimizers.spare_from_decay(optimizer, model))
    # fit() builds it on the head alone before any callback is heard.
    _fit([tl.callbacks.StagedUnfreezing({0: 0, 1: "all"})], 2, model)
    variables = every_trainable_variable(model)
    factors = dict(zip(map(conformance.short, variables), model.optimizer.multipliers, strict=True))
    assert {name: factors[name] for name in TRAINS[8]} == {
        "conv1/kernel": 0.125, "conv2/kernel": 0.25, "conv3/kernel": 0.5,
        "predictions/kernel": 1.0, "predictions/bias": 1.0,
    }  # fmt: skip
    decayed = {conformance.short(v) for v in variables if model.optimizer._use_weight_decay(v)}
    assert decayed == TRAINS[8] - {"predictions/bias"}
