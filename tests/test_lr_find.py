"""lr_find: a range test on a copy; the given model stays as it is, bit for bit."""

import json
import random

import keras
import numpy as np
import pytest

import tl_keras as tl
from tl_keras.cli.main import main
from tl_keras.errors import InputError
from tl_keras.training.lr_find import lr_find
from tl_keras.training.lr_result import LRFind, smooth
from tl_keras.training.recipes import Recipe, Stage

BASE = "mobilenet_v3_small"
QUICK = {"steps": 30, "batch_size": 14, "verbose": False}


@pytest.fixture(scope="module")
def train(photos):
    return tl.data.from_folder(photos, progress=False).split(0.3, seed=0)[0]


def _model(backbone=BASE, weights="bundled", size=64, **options):
    keras.utils.set_random_seed(0)
    return tl.build_classifier(backbone, 2, image_size=size, weights=weights, **options)


def _state(model):
    """All that must not change: values and random states, flags, optimizer, compile state."""
    optimizer = model.optimizer
    return {
        "values": [v.numpy().tobytes() for v in model.variables],
        "flags": [layer.trainable for layer in model._flatten_layers()],
        "trainable": [v.path for v in model.trainable_variables],
        "optimizer": optimizer and [v.numpy().tobytes() for v in optimizer.variables],
        "compiled": (model.compiled, id(optimizer), id(model.loss), id(model.train_function)),
        "python": random.getstate(),
        "numpy": [str(part) for part in np.random.get_state()],
    }


def _compiled_by_hand():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1),
        ],
        name="mine",
    )
    schedule = keras.optimizers.schedules.CosineDecay(1e-2, 100)
    model.compile(keras.optimizers.SGD(schedule, momentum=0.9), "mse", metrics=["mae"])
    return model


def _regression():
    x = np.random.default_rng(0).normal(size=(200, 4)).astype("float32")
    return x, (x @ np.array([[1.0], [-2.0], [0.5], [3.0]])).astype("float32")


def test_a_frozen_backbone_is_tested_on_features_and_suggests_rates(train):
    found = lr_find(_model(), train, min_rate=1e-5, max_rate=10, **(QUICK | {"steps": 60}))
    assert found.rates.shape == found.losses.shape == found.smoothed.shape
    assert np.all(np.diff(found.rates) > 0) and np.isfinite(found.losses).all()
    assert found.smoothed.min() < 0.8 * found.smoothed[0]
    for rate in found.suggestion:
        assert 1e-4 < rate < 1


@pytest.mark.slow
def test_the_suggested_rate_trains_better_than_a_hundredth_of_it(train):
    rate = lr_find(_model(), train, **(QUICK | {"steps": 100})).suggestion.valley

    def loss(factor):
        stage = Stage("head", 8, learning_rate=rate * factor, schedule="constant")
        return tl.fit(_model(), train, recipe=[stage], verbose=False).history[-1]["loss"]

    assert loss(1) < 0.7 * loss(0.01)


@pytest.mark.parametrize("unfreeze", [0, 0.5])
def test_the_model_is_left_untouched_bit_for_bit(train, unfreeze):
    model = _model("mobilenet_025", None, 32)
    tl.unfreeze(model, 2)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    model.train_on_batch(*next(iter(train.dataset(8, 32))))  # Slots and dropout states that differ.
    before = _state(model)
    lr_find(model, train, unfreeze=unfreeze, max_rate=100, **QUICK)
    assert _state(model) == before


def test_anyones_compiled_model_is_tested_with_its_own_optimizer_and_loss():
    model, data = _compiled_by_hand(), _regression()
    model.fit(*data, epochs=1, verbose=0)
    before = _state(model)
    found = lr_find(model, data, max_rate=10, **QUICK)
    assert _state(model) == before
    assert found.suggestion.valley and isinstance(
        model.optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule
    )
    batches = [(data[0][i : i + 20], data[1][i : i + 20]) for i in range(0, 200, 20)]
    assert lr_find(model, batches, max_rate=10, **QUICK).suggestion.valley


def test_layer_wise_rates_of_a_compiled_model_hold_on_the_copy():
    data = _regression()
    curves = []
    for factor in (0.0, 1.0):
        model = _compiled_by_hand()
        rates = [(model.variables, factor)]
        model.compile(tl.optimizers.layer_wise(keras.optimizers.SGD(0.1), rates), "mse")
        curves.append(lr_find(model, data, max_rate=0.3, **QUICK))
    still, moving = curves
    # The same batches and dropout: without rates the losses would go on as they began.
    assert still.losses[0] == moving.losses[0]
    assert moving.losses[-8:].mean() < 0.8 * still.losses[-8:].mean()


def test_it_is_a_function_of_the_seed():
    first, again, other = (
        lr_find(_compiled_by_hand(), _regression(), seed=seed, **QUICK) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.losses, again.losses)
    assert not np.array_equal(first.losses, other.losses)


def test_it_stops_where_the_loss_blows_up():
    found = lr_find(_compiled_by_hand(), _regression(), max_rate=1e6, **(QUICK | {"steps": 60}))
    assert found.diverged and len(found.rates) < 60


def test_arrays_logits_and_the_recipes_own_loss(train):
    images = np.random.default_rng(0).integers(0, 255, (24, 32, 32, 3), "uint8")
    labels = np.arange(24) % 2
    images[labels == 1, ::4] = 0
    model = _model("mobilenet_025", None, 32, logits=True, augmentation=keras.layers.RandomFlip())
    plain = lr_find(model, (images, labels), **QUICK)
    recipe = Recipe("mine", (Stage("head", 1),), loss="focal", ema=0.9, clip_norm=1.0)
    focal = lr_find(model, (images, labels), recipe=recipe, **QUICK)
    assert focal.losses[0] < plain.losses[0]


def test_a_curve_that_never_falls_suggests_nothing():
    rates = np.geomspace(1e-6, 1, 100)
    flat = 1 + 1e-3 * np.random.default_rng(0).normal(size=100)
    assert LRFind(rates, flat, smooth(flat), False).suggestion == (None, None)
    rising = np.linspace(1, 5, 100)
    assert LRFind(rates, rising, rising, True).suggestion == (None, None)
    assert LRFind(rates[:2], flat[:2], flat[:2], True).suggestion == (None, None)


def test_both_readings_of_a_known_curve():
    """A fall by a sigmoid of log rate round 1e-3, then a rise from 1e-1 on."""
    rates = np.geomspace(1e-6, 1, 120)
    place = np.log10(rates)
    losses = 1 - 0.8 / (1 + np.exp(-4 * (place + 3))) + np.maximum(0, place + 1) * 3
    suggestion = LRFind(rates, losses, losses, True).suggestion
    assert suggestion.steepest == pytest.approx(1e-3, rel=0.3)
    assert 1e-4 < suggestion.valley < 1e-2


def test_smoothing_is_corrected_for_its_start():
    np.testing.assert_allclose(smooth(np.full(9, 3.0)), 3.0)
    assert smooth(np.array([1.0, 0.0]), 0.5)[1] == pytest.approx(1 / 3)


@pytest.mark.parametrize("fallen", [True, False])
def test_the_plot_is_a_picture(tmp_path, fallen):
    rates = np.geomspace(1e-6, 1, 40)
    losses = 1 / (1 + 100 * rates) if fallen else np.ones(40)
    found = LRFind(rates, losses, losses, False)
    assert found.plot(tmp_path / "a.png").read_bytes()[1:4] == b"PNG"
    assert found.plot()._repr_png_()[1:4] == b"PNG"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_rate": 0.0}, "min_rate"),
        ({"min_rate": 1.0, "max_rate": 0.1}, "min_rate"),
        ({"steps": 5}, "steps=20"),
        ({"batch_size": 0}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"unfreeze": 99}, "stages"),
        ({"recipe": "no such"}, "no recipe"),
        ({"recipe": "auto"}, "when training begins"),
    ],
)
def test_bad_arguments_are_named(train, options, said):
    with pytest.raises(InputError, match=said):
        lr_find(_model("mobilenet_025", None, 32), train, verbose=False, **options)


def test_models_and_data_that_cannot_be_tested():
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    with pytest.raises(InputError, match="nor compiled"):
        lr_find(plain, _regression(), verbose=False)
    model = _compiled_by_hand()
    with pytest.raises(InputError, match="unfreeze"):
        lr_find(model, _regression(), unfreeze="all", verbose=False)
    for data, said in [
        (([1], []), "no batches"),
        (iter([]), "again and again"),
        ([], "no batch"),
        (([[1.0] * 4] * 3, [[np.nan]] * 3), "finite"),
    ]:
        with pytest.raises(InputError, match=said):
            lr_find(model, data, verbose=False)


CLI = ["--backbone", "mobilenet_025", "--weights", "none", "--image-size", "32"]


def test_the_command_prints_rates_and_draws(photos, tmp_path, capfd):
    plot = tmp_path / "rates.png"
    command = ["lr-find", str(photos), *CLI, "--plot", str(plot), "--json", "--max-rate", "10"]
    assert main(command) == 0
    said = json.loads(capfd.readouterr().out)
    assert plot.read_bytes()[1:4] == b"PNG" and said["plot"] == str(plot)
    assert {"valley", "steepest"} == set(said["suggestion"])
    assert len(said["rates"]) == len(said["losses"]) > 10
    assert main(["lr-find", str(photos), *CLI, "--steps", "30"]) == 0
    assert "learning rate" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--unfreeze", "nothing"], "--unfreeze"),
        (["--plot", "/proc/nothing/x.png"], "--plot"),
        (["--steps", "3"], "steps"),
    ],
)
def test_the_command_refuses_in_one_line(photos, capsys, options, said):
    assert main(["lr-find", str(photos), *CLI, *options]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("tl-keras: ") and said in line
