"""Schedules, stops and averages, in anyone's fit and in the stages of a recipe."""

import itertools
import json
import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import pytest
import staged_conformance as conformance

import tl_keras as tl
from tl_keras.errors import InputError
from tl_keras.optimizers.averaging import averaged_weights
from tl_keras.optimizers.schedules import OneCycle
from tl_keras.training.journal import Journal
from tl_keras.training.optimizing import optimizer_for, rates_for
from tl_keras.training.recipes import RECIPES, Recipe, Stage
from tl_keras.training.schedule import SCHEDULES, stage_rate
from tl_keras.training.stage_callbacks import RecipeUnfreezing, StageClock

FINE_TUNE = RECIPES["fine_tune"].stages


def _cosine(low, high, part):
    """From low to high by half a cosine, as fastai writes it."""
    return low + (1 + np.cos(np.pi * (1 - part))) * (high - low) / 2


def test_one_cycle_is_that_of_fastai():
    schedule = OneCycle(0.1, 200)
    for step in range(201):
        if step < 50:
            expected = _cosine(0.1 / 25, 0.1, step / 50)
        else:
            expected = _cosine(0.1, 0.1 / 1e5, (step - 50) / 150)
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-4, abs=1e-8)
    assert float(schedule(500)) == pytest.approx(1e-6, rel=1e-3)


def test_one_cycle_of_a_stage_is_that_of_the_schedule():
    schedule = OneCycle(1.0, 100)
    for step in range(101):
        rate = stage_rate(1.0, step / 100, schedule="one_cycle")
        assert rate == pytest.approx(float(schedule(step)), rel=1e-4, abs=2e-8)


def test_one_cycle_saved_and_restored_in_the_middle(tmp_path):
    def model():
        keras.utils.set_random_seed(0)
        made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        made.compile(keras.optimizers.Adam(OneCycle(0.1, 20)), "mse")
        return made

    x, y = np.ones((4, 4), "float32"), np.arange(12.0).reshape(4, 3)
    whole, half = model(), model()
    whole.fit(x, y, epochs=10, shuffle=False, verbose=0)
    half.fit(x, y, epochs=4, shuffle=False, verbose=0)
    half.save(tmp_path / "half.keras")
    again = keras.models.load_model(tmp_path / "half.keras")
    assert isinstance(again.optimizer._learning_rate, OneCycle)
    assert float(again.optimizer.learning_rate) == pytest.approx(float(OneCycle(0.1, 20)(4)))
    again.fit(x, y, epochs=6, shuffle=False, verbose=0)
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "options",
    [{"max_rate": 0}, {"steps": 0}, {"rise": 0}, {"rise": 1.0}, {"start": 2}, {"end": -1}],
)
def test_one_cycles_that_cannot_be(options):
    with pytest.raises(InputError, match="OneCycle needs"):
        OneCycle(**{"max_rate": 0.1, "steps": 10, **options})


def test_cosine_with_warm_up_is_keras_own():
    """What the docstring of ``schedules`` names does what it says."""
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, 90, warmup_target=1.0, warmup_steps=10, alpha=0.01
    )
    for step in range(1, 101):
        assert float(schedule(step)) == pytest.approx(stage_rate(1.0, step / 100, 0.1), abs=1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_of_a_stage(schedule):
    rates = [stage_rate(2.0, step / 200, schedule=schedule) for step in range(201)]
    top = 50 if schedule == "one_cycle" else 20
    assert rates[top] == max(rates) == pytest.approx(2.0)
    assert all(a < b for a, b in itertools.pairwise(rates[1 : top + 1]))
    if schedule in ("constant", "plateau"):
        assert set(rates[top:]) == {2.0}
    else:
        assert all(a > b for a, b in itertools.pairwise(rates[top:]))


class _Say(keras.callbacks.Callback):
    """Stands first, and makes losses and accuracies what they are told to be."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses

    def on_epoch_end(self, epoch, logs=None):
        logs.update(val_loss=self.losses[epoch], val_accuracy=0.5)


class _Rates(keras.callbacks.Callback):
    """The rate of each step, read after the callbacks that set it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def _fit(callbacks, epochs, losses=None, optimizer="sgd", count=8, model=None):
    model = model or conformance.compiled(conformance.tiny_model(), "compiled", optimizer)
    images, labels = conformance.data(count)
    first = [] if losses is None else [_Say(losses)]
    model.fit(
        images, labels, batch_size=8, epochs=epochs, verbose=0, callbacks=[*first, *callbacks]
    )
    return model


def _clock(stages, model, steps=1):
    return StageClock(stages, steps, Journal(model, verbose=False))


def test_the_clock_follows_the_schedule_of_each_stage():
    model = conformance.compiled(conformance.tiny_model(), "compiled", keras.optimizers.SGD(1.0))
    stages = [
        Stage("one", 2, learning_rate=0.1, schedule="one_cycle", warmup=0.5),
        Stage("two", 2, learning_rate=0.2, schedule="constant", warmup=0.0),
        Stage("three", 2, learning_rate=0.4),
    ]
    rates = _Rates()
    _fit([_clock(stages, model, 2), rates], 6, [1.0] * 6, count=16, model=model)
    expected = [
        *(stage_rate(0.1, i / 4, 0.5, "one_cycle") for i in range(4)),
        *[0.2] * 4,
        *(stage_rate(0.4, i / 4) for i in range(4)),
    ]
    np.testing.assert_allclose(rates.seen, expected, rtol=1e-5)


def test_a_plateau_cuts_the_rate_and_the_next_stage_has_its_own():
    model = conformance.compiled(conformance.tiny_model(), "compiled", keras.optimizers.SGD(1.0))
    stages = [
        Stage("a", 20, learning_rate=0.1, schedule="plateau", warmup=0.0, patience=4),
        Stage("b", 3, learning_rate=0.3, schedule="plateau", warmup=0.0, patience=4),
    ]
    rates = _Rates()
    # Better in epoch 2; then four epochs of nothing: a cut after two, the end after four.
    losses = [1.0, 0.9, *[0.95] * 4, 2.0, 1.9, 1.8]
    _fit([_clock(stages, model), rates], 30, losses, model=model)
    expected = [0.1] * 4 + [0.01] * 2 + [0.3] * 3
    np.testing.assert_allclose(rates.seen, expected, rtol=1e-5)


def test_the_clock_goes_on_from_its_state():
    stages = [Stage("a", 3, schedule="plateau", patience=2), Stage("b", 4)]
    losses = [1.0, 1.0, 1.0, 0.9, 0.8, 0.7, 0.6]

    def rates(epochs, state=None):
        model = conformance.compiled(
            conformance.tiny_model(), "compiled", keras.optimizers.SGD(1.0)
        )
        clock, seen = _clock(stages, model), _Rates()
        if state is not None:
            clock.load_resume_state(json.loads(json.dumps(state)))
        _fit([clock, seen], epochs, losses[-epochs:] if state else losses, model=model)
        return seen.seen, clock.resume_state()

    whole, _ = rates(6)
    first, state = rates(2)
    rest, _ = rates(4, state)
    assert first + rest == whole


def test_stops_only_in_the_last_stage_and_restores_the_best_of_the_run():
    staged = tl.callbacks.StagedUnfreezing([0, 1, "all"], patience=1)
    stop = tl.callbacks.StageEarlyStopping(staged, patience=2)
    kept = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append(self.model.get_weights())

    # The best is in the first stage; the last begins above it and still counts its own gains.
    losses = [0.5, 0.6, 0.9, 0.9, 0.8, 0.7, 0.75, 0.71, 0.1]
    # Heard before the one that unfreezes: the order makes no difference.
    model = _fit([stop, Watch(), staged], 9, losses, keras.optimizers.SGD(0.1))
    assert len(kept) == 8
    assert (stop.best, stop.best_epoch) == (0.5, 0)
    for one, other in zip(model.get_weights(), kept[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_fixed_epochs_are_waited_for():
    staged = tl.callbacks.StagedUnfreezing({0: 0, 5: "all"})
    stop = tl.callbacks.StageEarlyStopping(staged, patience=2)
    seen = _Rates()
    _fit([staged, stop, seen], 12, [1.0] * 12)
    # Patience begins anew at epoch 5: its first value is an improvement on nothing.
    assert len(seen.seen) == 8


def test_stopping_goes_on_from_its_state():
    staged = tl.callbacks.StagedUnfreezing({0: "all"})
    first = tl.callbacks.StageEarlyStopping(staged, patience=3)
    _fit([staged, first], 3, [1.0, 2.0, 2.0])
    second = tl.callbacks.StageEarlyStopping(staged, patience=3)
    second.load_resume_state(first.resume_state())
    assert second.resume_state() == first.resume_state()
    second.set_model(first.model)
    first.model.stop_training = False
    second.on_epoch_end(3, {"val_loss": 2.0})
    assert first.model.stop_training


def test_rates_fall_at_plateaus_and_return_at_an_unfreezing():
    staged = tl.callbacks.StagedUnfreezing({0: 0, 4: 1, 8: "all"})
    for rates, second, third in ((None, 0.1, 0.1), ([0.1, 0.05, 0.02], 0.05, 0.02)):
        reduce = tl.callbacks.StageReduceLROnPlateau(staged, rates, patience=2, factor=0.5)
        seen = _Rates()
        # Also where it is heard before the one that unfreezes.
        for callbacks in ([staged, reduce, seen], [reduce, staged, seen]):
            seen.seen.clear()
            _fit(callbacks, 10, [1.0] * 10, keras.optimizers.SGD(0.1))
            expected = [0.1] * 3 + [0.05] + [second] * 3 + [second / 2] + [third] * 2
            np.testing.assert_allclose(seen.seen, expected, rtol=1e-5)


def test_keras_own_reduction_would_not_return():
    """The fault that StageReduceLROnPlateau mends."""
    staged = tl.callbacks.StagedUnfreezing({0: 0, 4: "all"})
    reduce, seen = keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.5), _Rates()
    _fit([staged, reduce, seen], 5, [1.0] * 5, keras.optimizers.SGD(0.1))
    assert seen.seen[4] == pytest.approx(0.05)


def test_rates_that_cannot_be_reduced():
    staged = tl.callbacks.StagedUnfreezing({0: 0})
    with pytest.raises(InputError, match="each of the 1 entries"):
        tl.callbacks.StageReduceLROnPlateau(staged, [0.1, 0.2])
    reduce = tl.callbacks.StageReduceLROnPlateau(staged)
    with pytest.raises(InputError, match="schedule"):
        _fit([staged, reduce], 1, [1.0], keras.optimizers.SGD(OneCycle(0.1, 3)))


def test_evaluation_and_best_weights_are_the_averaged_ones():
    images, labels = conformance.data()
    optimizer = keras.optimizers.Adam(3e-2, use_ema=True, ema_momentum=0.8)
    model = conformance.compiled(conformance.tiny_model(), "compiled", optimizer)
    plain = conformance.compiled(conformance.tiny_model(), "compiled", keras.optimizers.Adam(3e-2))
    staged = tl.callbacks.StagedUnfreezing({0: 0, 2: 1})
    stop = tl.callbacks.StageEarlyStopping(staged, patience=9)
    raw = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raw.append(self.model.get_weights())

    options = {
        "batch_size": 8, "epochs": 5, "verbose": 0, "shuffle": False,
        "validation_data": (images, labels),
    }  # fmt: skip
    history = model.fit(
        images, labels, **options,
        callbacks=[tl.callbacks.AveragedEvaluation(), staged, stop, Watch()],
    )  # fmt: skip
    plain.fit(
        images, labels, **options, callbacks=[tl.callbacks.StagedUnfreezing({0: 0, 2: 1}), Watch()]
    )
    # Looking at averages does not touch what trains.
    for with_averages, without in zip(raw[:5], raw[5:], strict=True):
        for one, other in zip(with_averages, without, strict=True):
            np.testing.assert_array_equal(one, other)
    # The validation loss is that of the averages, and the best of them is what is left.
    expected = None
    for epoch, weights in enumerate(raw[:5]):
        before = expected
        expected = [
            w if before is None or np.array_equal(w, start) else 0.8 * b + 0.2 * w
            for w, b, start in zip(weights, before or weights, raw[0], strict=True)
        ]
        if epoch == 2:
            # What joins begins its average with its value after the first step.
            expected = [
                w if np.array_equal(old, raw[1][i]) and not np.array_equal(w, old) and i == kernel
                else e
                for kernel in [_conv3(model)]
                for i, (e, w, old) in enumerate(zip(expected, weights, raw[1], strict=True))
            ]  # fmt: skip
        plain.set_weights(expected)
        loss = plain.evaluate(images, labels, verbose=0)[0]
        assert history.history["val_loss"][epoch] == pytest.approx(loss, rel=1e-4)
    assert stop.best_epoch == int(np.argmin(history.history["val_loss"]))
    assert model.evaluate(images, labels, verbose=0)[0] == pytest.approx(stop.best, rel=1e-6)


def _conv3(model):
    return [conformance.short(v) for v in model.weights].index("conv3/kernel")


def test_averages_are_left_alone_where_there_are_none():
    model = conformance.compiled(conformance.tiny_model(), "compiled", "adam")
    before = model.get_weights()
    with averaged_weights(model):
        for one, other in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_optimizer_of_a_recipe():
    model = conformance.tiny_model()
    recipe = Recipe("mine", FINE_TUNE, weight_decay=0.3, clip_norm=2.0, ema=0.9, bottom_rate=0.125)
    optimizer = optimizer_for(recipe, model, rates_for(recipe, model))
    assert (optimizer.weight_decay, optimizer.global_clipnorm) == (0.3, 2.0)
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.9)
    assert [factor for _, factor in rates_for(recipe, model)] == pytest.approx([0.125, 0.25, 0.5])
    plain = optimizer_for(RECIPES["fine_tune"], model)
    assert (plain.weight_decay, plain.global_clipnorm, plain.use_ema) == (0.01, None, False)


def test_clipped_gradients_move_no_further():
    """Under SGD a step is the rate times the gradient, whose norm over all variables is bounded."""
    model = conformance.compiled(
        conformance.tiny_model(), "compiled", keras.optimizers.SGD(1.0, global_clipnorm=1e-3)
    )
    before = model.get_weights()
    _fit([tl.callbacks.StagedUnfreezing({0: "all"})], 1, model=model)
    moved = [np.square(a - b).sum() for a, b in zip(before, model.get_weights(), strict=True)]
    assert np.sqrt(sum(moved)) == pytest.approx(1e-3, rel=1e-3)


def test_a_recipe_runs_with_everything_asked_for():
    """Averages in evaluation and in the best weights, through the clock and its journal."""
    model = conformance.tiny_model()
    stages = [Stage("a", 2, 0, 1e-2), Stage("b", 2, "all", 1e-2, schedule="one_cycle")]
    recipe = Recipe("mine", tuple(stages), ema=0.5, clip_norm=1.0)
    conformance.compiled(model, "compiled", optimizer_for(recipe, model, rates_for(recipe, model)))
    journal = Journal(model, verbose=False)
    clock = StageClock(stages, 1, journal)
    images, labels = conformance.data()
    model.fit(
        images, labels, epochs=4, verbose=0, validation_data=(images, labels),
        callbacks=[tl.callbacks.AveragedEvaluation(), RecipeUnfreezing(clock), clock],
    )  # fmt: skip
    journal.restore_best()
    assert model.evaluate(images, labels, verbose=0)[0] == pytest.approx(
        journal.best["val_loss"], rel=1e-6
    )


_JAX = """
import json, keras, numpy as np, staged_conformance as conformance
from tl_keras.training.journal import Journal
from tl_keras.training.recipes import Stage
from tl_keras.training.stage_callbacks import StageClock
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
model.layers[0].kernel.assign([[0.0]])
model.compile(keras.optimizers.SGD(1.0), lambda y, p: -p, metrics=["accuracy"])
stage = Stage("a", 2, learning_rate=0.1, warmup=0.5)
clock = StageClock([stage], 4, Journal(model, verbose=False))
model.fit(np.ones((4, 1)), np.ones((4, 1)), batch_size=1, epochs=2, verbose=0, callbacks=[clock])
print(float(model.layers[0].kernel.numpy()[0, 0]))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_rate_set_per_step_is_the_rate_of_the_step(backend, tmp_path):
    """Gradient -1 at every step: the weight ends as the sum of the rates."""
    if find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    from pathlib import Path

    tests = Path(__file__).resolve().parent
    path = os.pathsep.join(map(str, (tests, tests.parent)))
    done = subprocess.run(
        [sys.executable, "-c", _JAX], capture_output=True, text=True, timeout=600,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    expected = sum(stage_rate(0.1, step / 8, 0.5) for step in range(8))
    assert float(done.stdout.split()[-1]) == pytest.approx(expected, rel=1e-4)
