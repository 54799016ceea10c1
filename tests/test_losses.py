"""Losses of integer labels against the formulas written out; class weights from counts."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import tl_keras as tl
from tl_keras.errors import InputError
from tl_keras.losses import (
    SparseCrossentropy,
    SparseFocalCrossentropy,
    SparseLogitAdjustedCrossentropy,
    class_weights,
)
from tl_keras.tasks.class_objective import loss_for
from tl_keras.training.recipes import RECIPES, Recipe

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4)).astype("float32")
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
LABELS = np.array([0, 1, 2, 3, 1, 0])
WEIGHTS = [1.0, 2.0, 0.5, 4.0]


def _expected(gamma=0.0, smoothing=0.0, weights=None):
    targets = np.eye(4)[LABELS] * (1 - smoothing) + smoothing / 4
    losses = (-targets * (1 - PROBABILITIES) ** gamma * np.log(PROBABILITIES)).sum(-1)
    return np.mean(losses * (1 if weights is None else np.array(weights)[LABELS]))


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("gamma", [None, 0.0, 2.0])
def test_losses_are_the_formulas(gamma, smoothing, weights, logits):
    options = {"label_smoothing": smoothing, "class_weights": weights, "from_logits": logits}
    if gamma is None:
        loss = SparseCrossentropy(**options)
    else:
        loss = SparseFocalCrossentropy(gamma, **options)
    outputs = LOGITS if logits else PROBABILITIES
    expected = _expected(gamma or 0.0, smoothing, weights)
    for labels in (LABELS, LABELS[:, None], LABELS.astype("float32")):
        assert float(loss(labels, outputs)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("tau", [0.0, 1.0, 1.5])
def test_logit_adjustment_is_the_formula(tau, smoothing, weights, logits):
    counts = np.array([70, 20, 9, 1])
    loss = SparseLogitAdjustedCrossentropy(
        counts, tau, label_smoothing=smoothing, class_weights=weights, from_logits=logits
    )
    # Equation 10 of Menon et al.: -log(e^(f_y + tau log pi_y) / sum_y' e^(f_y' + tau log pi_y')).
    raised = np.exp(LOGITS.astype("float64")) * (counts / 100) ** tau
    chances = raised / raised.sum(-1, keepdims=True)
    targets = np.eye(4)[LABELS] * (1 - smoothing) + smoothing / 4
    losses = -(targets * np.log(chances)).sum(-1)
    expected = np.mean(losses * (1 if weights is None else np.array(weights)[LABELS]))
    outputs = LOGITS if logits else PROBABILITIES
    for labels in (LABELS, LABELS[:, None]):
        assert float(loss(labels, outputs)) == pytest.approx(expected, rel=1e-4)


def test_logit_adjustment_moves_the_border_to_the_balanced_one():
    """Two normal distributions, 9 to 1: the best border for equal shares lies half way."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, 9000), rng.normal(2, 1, 1000)]).astype("float32")[:, None]
    y = np.repeat([0, 1], [9000, 1000])

    def border(loss):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
        model.compile(keras.optimizers.Adam(0.1), loss)
        model.fit(x, y, batch_size=1000, epochs=30, verbose=0)
        weight, bias = (value[..., 1] - value[..., 0] for value in model.get_weights())
        return float(-bias / weight[0])

    # Bayes: x = 1 + log(odds of the shares) / 2.
    plain = border(keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert plain == pytest.approx(1 + np.log(9) / 2, abs=0.1)
    adjusted = border(SparseLogitAdjustedCrossentropy([9000, 1000], from_logits=True))
    assert adjusted == pytest.approx(1, abs=0.1)


def test_plain_losses_are_those_of_keras():
    assert float(SparseCrossentropy()(LABELS, PROBABILITIES)) == pytest.approx(
        float(keras.losses.SparseCategoricalCrossentropy()(LABELS, PROBABILITIES)), rel=1e-5
    )
    own = keras.losses.CategoricalFocalCrossentropy(alpha=1.0)(np.eye(4)[LABELS], PROBABILITIES)
    assert float(SparseFocalCrossentropy()(LABELS, PROBABILITIES)) == pytest.approx(
        float(own), rel=1e-5
    )


def test_class_weights_are_those_of_fit():
    """Weighing in the loss trains as ``fit(class_weight=...)`` does, bit for bit or nearly."""

    def trained(loss, **options):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation="softmax")])
        model.compile(keras.optimizers.SGD(0.5), loss)
        model.fit(LOGITS, LABELS, epochs=3, shuffle=False, verbose=0, **options)
        return model.get_weights()

    ours = trained(SparseCrossentropy(class_weights=WEIGHTS))
    keras_own = trained("sparse_categorical_crossentropy", class_weight=dict(enumerate(WEIGHTS)))
    plain = trained("sparse_categorical_crossentropy")
    for one, other in zip(ours, keras_own, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert np.abs(ours[0] - plain[0]).max() > 1e-2


def test_pixels_are_examples_too():
    labels, outputs = LABELS.reshape(1, 2, 3), PROBABILITIES.reshape(1, 2, 3, 4)
    loss = SparseFocalCrossentropy(class_weights=WEIGHTS)
    assert float(loss(labels, outputs)) == pytest.approx(_expected(2, 0, WEIGHTS), rel=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        SparseCrossentropy(label_smoothing=0.1, class_weights=WEIGHTS, from_logits=True),
        SparseFocalCrossentropy(1.5, label_smoothing=0.1, class_weights=WEIGHTS),
        SparseLogitAdjustedCrossentropy([4, 3, 2, 1], 0.5, label_smoothing=0.1),
    ],
)
def test_saved_and_loaded_in_a_model(loss, tmp_path):
    activation = None if loss.from_logits else "softmax"
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation=activation)])
    model.compile("sgd", loss)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == loss.get_config()
    assert again.evaluate(LOGITS, LABELS, verbose=0) == pytest.approx(
        model.evaluate(LOGITS, LABELS, verbose=0), rel=1e-6
    )


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SparseCrossentropy(label_smoothing=1), "label_smoothing"),
        (lambda: SparseFocalCrossentropy(-1), "gamma"),
        (lambda: SparseCrossentropy(class_weights=[-1]), "0 or more"),
        (lambda: SparseLogitAdjustedCrossentropy([1, 0]), "above 0"),
        (lambda: SparseLogitAdjustedCrossentropy([]), "above 0"),
        (lambda: SparseLogitAdjustedCrossentropy([1, 2], -1), "tau"),
        (lambda: SparseLogitAdjustedCrossentropy([1, 2])(LABELS, LOGITS), "2 priors for 4"),
        (lambda: SparseCrossentropy(class_weights=[1])(LABELS, LOGITS), "1 class weights for 4"),
    ],
)
def test_losses_that_cannot_be(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_balanced_weights_let_each_class_weigh_the_same():
    counts = np.array([90, 9, 1])
    weights = np.array(class_weights("balanced", counts))
    np.testing.assert_allclose(weights * counts, 100 / 3)


def test_effective_weights_are_those_of_the_paper():
    counts = [5000, 500, 50]
    effective = [(1 - 0.999**n) / (1 - 0.999) for n in counts]
    weights = class_weights("effective", counts)
    assert sum(weights) == pytest.approx(3)
    np.testing.assert_allclose(np.array(weights) * effective, weights[0] * effective[0])
    # Between no weights and inverse frequency.
    assert 1 < weights[1] / weights[0] < 10


def test_absent_classes_do_not_change_the_others():
    for how in ("balanced", "effective"):
        assert class_weights(how, [30, 0, 10])[::2] == pytest.approx(class_weights(how, [30, 10]))
        assert class_weights(how, [30, 0, 10])[1] == 1


@pytest.mark.parametrize("key", ["bees", 1, np.int64(1)])
def test_weights_by_name_or_number(key):
    assert class_weights({key: 3}, [5, 5], ["ants", "bees"]) == [1.0, 3.0]


@pytest.mark.parametrize(
    "how", ["fair", {"wasps": 2}, {7: 2}, {True: 2}, {"bees": -1}, {"bees": "x"}]
)
def test_weights_that_cannot_be(how):
    with pytest.raises(InputError, match="class"):
        class_weights(how, [5, 5], ["ants", "bees"])


@pytest.mark.parametrize("logits", [False, True])
def test_the_loss_of_a_recipe(logits):
    model = tl.build_classifier("mobilenet_025", 4, image_size=32, weights=None, logits=logits)
    outputs = LOGITS if logits else PROBABILITIES
    plain = loss_for(model, RECIPES["fine_tune"], [1, 1, 1, 1])
    assert type(plain) is keras.losses.SparseCategoricalCrossentropy
    assert float(plain(LABELS, outputs)) == pytest.approx(_expected(), rel=1e-4)
    recipe = replace(
        RECIPES["fine_tune"], loss="focal", label_smoothing=0.1, class_weights={"b": 2, 3: 4}
    )
    loss = loss_for(model, recipe, [1, 1, 1, 1], ["a", "b", "c", "d"])
    expected = _expected(2, 0.1, [1, 2, 1, 4])
    assert float(loss(LABELS, outputs)) == pytest.approx(expected, rel=1e-4)
    adjusted = replace(RECIPES["fine_tune"], loss="logit_adjusted")
    loss = loss_for(model, adjusted, [6, 3, 1, 0])
    assert loss.priors == [6, 3, 1, 1]
    assert loss.from_logits == logits
    balanced = replace(RECIPES["fine_tune"], class_weights="balanced")
    loss = loss_for(model, balanced, [3, 1, 1, 1])
    weights = class_weights("balanced", [3, 1, 1, 1])
    assert float(loss(LABELS, outputs)) == pytest.approx(_expected(weights=weights), rel=1e-4)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loss", "hinge"), ("label_smoothing", 1.0), ("class_weights", "fair"), ("ema", 1.0),
        ("clip_norm", 0.0), ("weight_decay", -0.1), ("bottom_rate", 0.0),
    ],
)  # fmt: skip
def test_recipes_that_cannot_be(field, value):
    with pytest.raises(InputError, match=field):
        Recipe("mine", RECIPES["fine_tune"].stages, **{field: value})
