"""fit: recipes, cached features, staged unfreezing in one fit, best weights, interrupts."""

import itertools

import keras
import numpy as np
import pytest

import tl_keras as tl
from tl_keras.backbones.calibration import calibrate_batch_norm
from tl_keras.backbones.registry import find_backbone
from tl_keras.builders.classifier import features_model
from tl_keras.errors import InputError
from tl_keras.training.inputs import ArrayBatches, batches_of
from tl_keras.training.journal import Journal
from tl_keras.training.optimizing import optimizer_for
from tl_keras.training.recipes import RECIPES, Recipe, Stage, augmented, get_recipe
from tl_keras.training.schedule import stage_rate
from tl_keras.training.stage_callbacks import StageClock

BASE = "mobilenet_v3_small"


@pytest.fixture(scope="module")
def parts(photos):
    return tl.data.from_folder(photos, progress=False).split(0.3, seed=0)


def _model(weights="bundled", size=64, backbone=BASE, **options):
    keras.utils.set_random_seed(0)
    return tl.build_classifier(backbone, 2, image_size=size, weights=weights, **options)


def _values(variables):
    return [v.numpy().copy() for v in variables]


def test_recipes_by_name_list_and_spelling():
    assert get_recipe("fine_tune").stages[0].frozen
    assert get_recipe([Stage("x", 1)]).name == "custom"
    with pytest.raises(InputError, match="did you mean 'progressive'"):
        get_recipe("progresive")
    with pytest.raises(InputError, match="one or more"):
        get_recipe([])
    with pytest.raises(InputError, match="epochs"):
        Stage("x", 0)


def test_rate_warms_up_then_falls_to_a_hundredth():
    rates = [stage_rate(1.0, p, 0.1) for p in np.linspace(0, 1, 101)]
    assert np.argmax(rates) == 10 and max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01)
    assert all(b <= a for a, b in itertools.pairwise(rates[10:]))


def test_array_order_is_a_function_of_seed_and_epoch():
    def orders(seed):
        batches = ArrayBatches(np.arange(40)[:, None], np.arange(40), 16, True, seed)
        out = []
        for _ in range(2):
            out.append(np.concatenate([batches[i][1] for i in range(len(batches))]))
            batches.on_epoch_end()
        return out

    first, again, other = orders(3), orders(3), orders(4)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])
    assert sorted(first[0]) == list(range(40))


def test_cached_features_train_as_end_to_end_does(parts):
    """The head learns the same from cached features as from the images themselves."""
    # Unbalanced, and on learned features: gradients well above rounding, which Adam would enlarge.
    train = parts[0].subset(range(20))
    stage = Stage("head", epochs=3, learning_rate=1e-2)
    cached, whole = (_model(dropout=0) for _ in range(2))
    for variable, other in zip(whole.variables, cached.variables, strict=True):
        variable.assign(other)
    tl.fit(cached, train, recipe=Recipe("head", (stage,)), seed=5, verbose=False)
    images, labels = (
        np.concatenate([np.asarray(x) for x in column])
        for column in zip(*batches_of(train, batch_size=8, image_size=64), strict=True)
    )
    batches = ArrayBatches(images, labels, 32, shuffle=True, seed=5)
    whole.compile(
        optimizer_for(RECIPES["feature_extraction"], whole),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    clock = StageClock([stage], len(batches), Journal(whole, verbose=False))
    whole.fit(batches, epochs=3, shuffle=False, verbose=0, callbacks=[clock])
    for one, other in zip(cached.variables, whole.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=1e-4)
    kernel = whole.get_layer("predictions").kernel.numpy()
    keras.utils.set_random_seed(0)
    moved = np.abs(kernel - _model(dropout=0).get_layer("predictions").kernel.numpy()).max()
    assert moved > 0.01


@pytest.mark.parametrize(
    "recipe", ["feature_extraction", pytest.param("progressive", marks=pytest.mark.slow)]
)
def test_recipes_learn_and_restore_the_best(parts, recipe):
    train, val = parts
    short = [
        Stage(s.name, min(s.epochs, 2 if not s.frozen else 40), s.unfreeze, 2e-3, patience=5)
        for s in RECIPES[recipe].stages
    ]
    run = tl.fit(_model(), train, val, recipe=short, batch_size=14, verbose=False)
    assert run.metrics["accuracy"]["value"] >= 0.75
    best = max(run.history, key=lambda row: (row["val_accuracy"], -row["val_loss"]))
    assert run.best == best
    assert run.metrics["accuracy"]["value"] == pytest.approx(best["val_accuracy"])
    assert run.metrics["calibration"]["before"]["log_loss"]["value"] == pytest.approx(
        best["val_loss"], rel=2e-2, abs=1e-3
    )


def test_feature_extraction_leaves_the_backbone_bit_identical(parts):
    model = _model(backbone="mobilenet_025", weights=None)
    base = find_backbone(model)
    before = _values(base.variables)
    tl.fit(model, *parts, recipe=[Stage("head", 3)], verbose=False)
    for old, variable in zip(before, base.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


def test_staged_unfreezing_in_a_plain_fit(parts):
    """In the user's own compile and fit: what is frozen stands still, what is unfrozen moves."""
    train, _ = parts
    model = _model(backbone="mobilenet_025", weights=None)
    # Signals, and gradients with them, vanish in a random base without statistics of its own.
    calibrate_batch_norm(model, next(iter(train.dataset(28, 64)))[0])
    base = find_backbone(model)
    stages = tl.stage_map(base).stages
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.before = {v.path: v.numpy().copy() for v in base.variables}

        def on_epoch_end(self, epoch, logs=None):
            moved = {
                v.path for v in base.variables if not np.array_equal(self.before[v.path], v.numpy())
            }
            seen.append((moved, int(self.model.optimizer.iterations)))

    model.compile("adam", "sparse_categorical_crossentropy")
    staged = tl.callbacks.StagedUnfreezing({0: 0, 1: 1, 2: "all"})
    data = train.dataset(batch_size=14, image_size=64, shuffle=True)
    model.fit(data, epochs=3, verbose=0, callbacks=[Watch(), staged])
    top = {v.path for layer in stages[-1].layers for v in layer.trainable_variables}
    everything = {
        v.path
        for stage in stages
        for layer in stage.layers
        if not isinstance(layer, keras.layers.BatchNormalization)
        for v in layer.trainable_variables
    }
    assert seen[0][0] == set()
    assert seen[1][0] == top and top
    assert seen[2][0] == everything > top
    assert [steps for _, steps in seen] == [2, 4, 6]  # one optimizer, counting on


def test_interrupt_keeps_the_best_so_far(parts, capsys):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    recipe = [Stage("head", 5, learning_rate=1e-2), Stage("all", 3, unfreeze="all")]
    model = _model(backbone="mobilenet_025", weights=None)
    run = tl.fit(model, *parts, recipe=recipe, callbacks=[Stop()], batch_size=14)
    assert run.interrupted
    assert {row["stage"] for row in run.history} == {"head", "all"}
    assert run.metrics["calibration"]["before"]["log_loss"]["value"] == pytest.approx(
        run.best["val_loss"], rel=2e-2, abs=1e-3
    )
    assert "best weights so far" in capsys.readouterr().err


def test_arrays_in_place_of_examples():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (24, 64, 64, 3), "uint8")
    labels = np.arange(24) % 2
    images[labels == 1, ::4] = 0
    run = tl.fit(_model(), (images, labels), (images, labels), recipe=[Stage("head", 2)])
    assert run.names == ("0", "1")
    with pytest.raises(InputError, match="64, 64, 3"):
        tl.fit(_model(), (images[:, :32], labels))


def test_wrong_number_of_classes_is_said(parts):
    model = tl.build_classifier(BASE, 3, image_size=64, weights=None)
    with pytest.raises(InputError, match="num_classes=2"):
        tl.fit(model, *parts)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros((8, 1), "int32"), "labels.ravel"),
        (np.zeros(8), "whole numbers"),
        (np.arange(8) - 1, "0 to 1"),
        (np.arange(8), "0 to 1"),
    ],
)
def test_labels_that_cannot_be_used(labels, said):
    model = _model(backbone="mobilenet_025", weights=None, size=32)
    with pytest.raises(InputError, match=said):
        tl.fit(model, (np.zeros((8, 32, 32, 3), "uint8"), labels))


def test_a_recipe_that_cannot_run_is_refused_before_training(parts, capsys):
    model = _model(backbone="mobilenet_025", weights=None, size=32)
    for stage in (Stage("x", 1, unfreeze=99), Stage("x", 1, unfreeze="all", augment="no such")):
        with pytest.raises(InputError):
            tl.fit(model, *parts, recipe=[Stage("head", 1), stage])
    assert "epoch" not in capsys.readouterr().err
    assert not find_backbone(model).trainable


def test_a_second_fit_after_an_interrupted_one_stays_finite(parts):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = _model(backbone="mobilenet_025", weights=None, size=32)
    model.compile("adam", "sparse_categorical_crossentropy")
    data = parts[0].dataset(batch_size=14, image_size=32)
    staged = tl.callbacks.StagedUnfreezing({0: 0, 1: "all"})
    with pytest.raises(KeyboardInterrupt):
        model.fit(data, epochs=3, verbose=0, callbacks=[staged, Stop()])
    again = tl.callbacks.StagedUnfreezing({0: 0, 1: "all"})
    model.fit(data, epochs=2, verbose=0, callbacks=[again])
    assert all(np.isfinite(v.numpy()).all() for v in model.variables)


def test_features_model_shares_the_backbone(parts):
    model = _model()
    assert find_backbone(features_model(model)) is find_backbone(model)


def test_calibrated_random_base_has_features_of_unit_scale_and_unchanged_weights():
    model = _model(weights=None)
    base = find_backbone(model)
    images = np.random.default_rng(0).integers(0, 255, (32, 64, 64, 3)).astype("float32")
    trained = [v for v in base.variables if "moving" not in v.path]
    before, flat = _values(trained), np.std(features_model(model).predict(images, verbose=0))
    calibrate_batch_norm(model, images)
    for old, variable in zip(before, trained, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())
    assert np.std(features_model(model).predict(images, verbose=0)) > 10 * flat
    assert not base.trainable_variables


@pytest.mark.parametrize("weights", [None, {"rings": 3.0}])
def test_mixed_images_train_on_mixed_labels(photos, weights):
    """A step too small to move anything shows the loss: that of the mixtures and their shares."""
    train = tl.data.from_folder(photos, progress=False)
    keras.utils.set_random_seed(0)
    model = tl.build_classifier(
        "mobilenet_v3_small", 2, image_size=64, weights="bundled", dropout=0
    )
    stage = Stage("head", epochs=1, learning_rate=1e-12, augment="light+mixup")
    recipe = Recipe("custom", (stage,), class_weights=weights, label_smoothing=0.1)
    mixed = train.dataset(8, 64, shuffle=True, seed=4, augment="light+mixup", target="one_hot")
    losses = []
    for images, shares in mixed:
        shares = np.asarray(shares, "float64")
        smooth = 0.9 * shares + 0.1 / 2
        rows = -(smooth * np.log(model.predict_on_batch(images).astype("float64"))).sum(-1)
        losses.append(rows * (shares @ (3.0, 1.0) if weights else 1.0))
    assert 0.05 < np.concatenate([s for _, s in mixed]).min(-1).max() <= 0.5
    run = tl.fit(model, train, recipe=recipe, batch_size=8, seed=4, verbose=False)
    assert run.history[0]["loss"] == pytest.approx(np.concatenate(losses).mean(), rel=1e-3)


def test_a_preset_replaces_that_of_the_stages_that_augment():
    stages = [stage.augment for stage in augmented(RECIPES["fine_tune"], "strong+mixup").stages]
    assert stages == ["none", "strong+mixup"]
    assert augmented(RECIPES["fine_tune"], None) is RECIPES["fine_tune"]
    with pytest.raises(InputError, match="texture"):
        augmented(RECIPES["fine_tune"], "textures")
