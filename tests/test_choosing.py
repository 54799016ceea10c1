"""Recipes made for the data: "auto" with its reasons, BiT's rule, and the probe behind them."""

import math

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

import tl_keras as tl
from tl_keras.errors import InputError
from tl_keras.training.choosing import bit_hyperrule, choose_recipe, training_minutes
from tl_keras.training.probing import linear_probe
from tl_keras.training.recipes import RECIPES, Recipe, Stage
from tl_keras.training.timing import forward_seconds


def _features(count, apart, width=20, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    x = rng.normal(size=(count, width))
    x[np.arange(count), labels] += apart
    return x.astype("float32"), labels


@pytest.mark.parametrize(("count", "width"), [(40, 12), (30, 60)])
def test_the_probe_is_leave_one_out_as_scikit_learn_does_it(count, width):
    """Both ways of the algebra, with fewer rows than columns and with more."""
    x, labels = _features(count, 2.0, width, classes=3)
    centred = x.astype("float64") - x.mean(axis=0, dtype="float64")
    values = np.linalg.svd(centred, compute_uv=False) ** 2
    values = values[values > values[0] * 1e-10]
    y = np.eye(3)[labels]
    scores = []
    for penalty in values.mean() * np.logspace(-4, 1, 6):
        # With each penalty, as many fits as there are rows.
        left_out = cross_val_predict(Ridge(penalty), x.astype("float64"), y, cv=LeaveOneOut())
        scores.append((np.square(left_out - y).sum(), (left_out.argmax(1) == labels).mean()))
    assert linear_probe(x, labels).accuracy == pytest.approx(min(scores)[1])


def test_the_probe_sees_what_there_is_and_no_more():
    assert linear_probe(*_features(200, 9.0)).accuracy > 0.99
    rng = np.random.default_rng(0)
    noise = linear_probe(rng.normal(size=(200, 500)), np.arange(200) % 2)
    assert 0.3 < noise.accuracy < 0.7 and noise.majority == 0.5
    assert linear_probe(np.ones((10, 3)), np.arange(10) % 2).accuracy <= 0.5
    assert linear_probe(*_features(9_000, 9.0)).images == 4_000


@pytest.mark.parametrize(
    ("x", "labels"),
    [
        (np.ones(5), np.arange(5)),
        (np.ones((5, 2)), np.arange(4)),
        (np.full((4, 2), np.nan), np.arange(4)),
        (np.ones((4, 2)), np.zeros(4, int)),
    ],
)
def test_features_that_cannot_be_probed(x, labels):
    with pytest.raises(InputError, match="probe"):
        linear_probe(x, labels)


@pytest.mark.parametrize(
    ("counts", "pretrained", "accelerated", "expected"),
    [
        ([10, 500], True, False, "feature_extraction"),
        ([200, 200], True, False, "progressive"),
        ([5000, 5000], True, False, "feature_extraction"),
        ([5000, 5000], True, True, "progressive"),
        ([50_000, 50_000], True, True, "fine_tune"),
        ([10, 10], False, False, "fine_tune"),
    ],
)
def test_by_size_and_hardware_alone(counts, pretrained, accelerated, expected):
    recipe = choose_recipe(counts, pretrained, accelerated)
    assert recipe.name == expected
    assert recipe.stages == RECIPES[expected].stages
    assert len(recipe.reason) > 20


@pytest.mark.parametrize(
    ("apart", "seconds", "expected", "said"),
    [
        (9.0, None, "feature_extraction", "mend little"),
        (9.0, 0.01, "feature_extraction", "mend little of that, and take up to 2 min"),
        (0.5, None, "progressive", "Head first"),
        (0.5, 0.01, "progressive", "up to 2 min"),
        (0.5, 0.0001, "progressive", "up to 1 min"),
        (0.5, 1.0, "feature_extraction", "--recipe progressive"),
    ],
)
def test_by_probe_and_time(apart, seconds, expected, said):
    x, labels = _features(200, apart)
    recipe = choose_recipe([100, 100], True, features=x, labels=labels, seconds_per_image=seconds)
    assert recipe.name == expected and said in recipe.reason
    share = f"{100 * linear_probe(x, labels).accuracy:.0f} % of"
    assert "200 training images, 100 or more of each class; a linear probe" in recipe.reason
    assert share in recipe.reason
    assert recipe.reason.count(". ") <= 1 and not recipe.reason.endswith(".")


def test_few_images_are_not_fine_tuned_on_however_far_they_are():
    x, labels = _features(30, 0.0)
    assert choose_recipe([15, 15], True, features=x, labels=labels).name == "feature_extraction"


def test_a_timed_slow_accelerator_is_slow():
    assert choose_recipe([900, 900], True, True, seconds_per_image=1.0).name != "progressive"
    assert choose_recipe([9000, 9000], True, seconds_per_image=1e-4).name == "progressive"


def test_no_images_are_said():
    for counts in ([], [3, 0]):
        with pytest.raises(InputError, match="counts of 1 or more"):
            choose_recipe(counts, True)


def test_minutes_count_what_is_unfrozen():
    stages = (Stage("head", 99), Stage("top", 6, 0.5), Stage("all", 2, "all"))
    recipe = Recipe("r", stages)
    assert training_minutes(recipe, 100, 0.6) == pytest.approx((6 * 2.5 + 2 * 4) * 100 * 0.6 / 60)
    assert training_minutes(RECIPES["feature_extraction"], 100, 0.6) == 0


@pytest.mark.parametrize(
    ("images", "steps", "warmup"),
    [(245, 500, 100), (19_999, 500, 100), (20_000, 10_000, 500), (600_000, 20_000, 500)],
)
def test_bits_rule_gives_its_steps(images, steps, warmup):
    recipe = bit_hyperrule(images, batch_size=32)
    head, everything = recipe.stages
    in_epoch = math.ceil(images / 32)
    assert head.frozen and everything.unfreeze == "all"
    assert 0 <= everything.epochs * in_epoch - steps < in_epoch
    assert everything.warmup == pytest.approx(warmup / steps)
    assert everything.patience == everything.epochs and recipe.weight_decay == 0
    assert ("MixUp" in recipe.reason) == (images >= 20_000)
    assert f"{steps:,} steps" in recipe.reason


def test_bits_rule_needs_images():
    with pytest.raises(InputError, match="1 or more"):
        bit_hyperrule(0)
    with pytest.raises(InputError, match="1 or more"):
        bit_hyperrule(10, batch_size=0)


def test_a_forward_pass_is_timed():
    model = tl.build_classifier("mobilenet_025", 2, image_size=32, weights=None)
    assert 0 < forward_seconds(model, batch_size=2) < 5
