"""Calibration and prediction sets on worlds whose truth is known."""

import json

import numpy as np
import pytest

from tl_keras.errors import InputError
from tl_keras.evaluation.calibration import calibration_error, fit_temperature, tempered
from tl_keras.evaluation.conformal import conformal_threshold, evaluate_sets, prediction_sets


def world(seed, images, classes=5, temperature=1.0):
    """Labels drawn from probabilities, and these as a model of another temperature says them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(images, classes)) * 2
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (rng.random((images, 1)) > shares.cumsum(1)).sum(1)
    return labels, tempered(shares, 1 / temperature)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 1.7, 3.0])
def test_the_temperature_is_found_and_mends_the_error(temperature):
    labels, said = world(0, 20_000, temperature=temperature)
    found = fit_temperature(labels, said)
    assert found == pytest.approx(temperature, rel=0.04)
    before = calibration_error(labels, said)["expected_calibration_error"]["value"]
    after = calibration_error(labels, tempered(said, found))["expected_calibration_error"]["value"]
    assert after < 0.012
    assert before < 0.012 if temperature == 1.0 else before > 0.03
    assert (tempered(said, found).argmax(1) == said.argmax(1)).all()


def test_the_temperature_is_where_the_log_loss_is_least():
    optimize = pytest.importorskip("scipy.optimize")
    labels, said = world(1, 80, temperature=2.0)

    def loss(temperature):
        return -np.log(tempered(said, temperature)[np.arange(len(labels)), labels]).mean()

    least = optimize.minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
    assert fit_temperature(labels, said) == pytest.approx(least, abs=1e-3)


def test_what_has_no_end_stops():
    assert fit_temperature([0, 1], [[1.0, 0.0], [0.0, 1.0]]) == pytest.approx(0.05)
    assert fit_temperature([1, 0], [[1.0, 0.0], [0.0, 1.0]]) == pytest.approx(20.0)


def test_the_error_by_hand_and_its_interval():
    labels = np.array([0] * 30 + [1] * 10)
    said = np.array([[0.9, 0.1]] * 20 + [[0.6, 0.4]] * 20)
    found = calibration_error(labels, said)
    # Sure of 0.6: ten of twenty are right; sure of 0.9: all are.
    assert [b["accuracy"] for b in found["bins"]] == [0.5, 1.0]
    assert found["expected_calibration_error"]["value"] == pytest.approx((0.1 + 0.1) / 2)
    low, high = (found["expected_calibration_error"][key] for key in ("low", "high"))
    assert 0 <= low < 0.1 < high < 0.3
    json.dumps(found, allow_nan=False)


def test_intervals_hold_the_error_of_the_world():
    """A model that is too sure by a known amount; its error on many images is the truth."""
    labels, said = world(5, 50_000, temperature=2.0)
    truth = calibration_error(labels, said)["expected_calibration_error"]["value"]
    held = 0
    for seed in range(30):
        labels, said = world(100 + seed, 300, temperature=2.0)
        found = calibration_error(labels, said, seed=seed)["expected_calibration_error"]
        held += found["low"] <= truth <= found["high"]
    assert held >= 25


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_the_truth_as_often_as_promised(coverage):
    """Over many draws of few images, and of a model that says the wrong temperature."""
    held = []
    for seed in range(200):
        labels, said = world(seed, 60 + 40, temperature=0.5)
        limit = conformal_threshold(labels[:60], said[:60], coverage)
        held.append(evaluate_sets(labels[60:], said[60:], limit)["coverage"]["value"])
    assert coverage - 0.01 <= np.mean(held) <= coverage + 1 / 61 + 0.01


def test_too_few_images_promise_nothing():
    labels, said = world(0, 8)
    assert conformal_threshold(labels, said, 0.9) is None
    labels, said = world(0, 9)
    assert conformal_threshold(labels, said, 0.9) == said[np.arange(9), labels].min()


def test_sets_by_hand():
    said = [[0.7, 0.2, 0.1], [0.4, 0.35, 0.25], [0.34, 0.33, 0.33]]
    assert prediction_sets(said, 0.35).sum(1).tolist() == [1, 2, 0]
    found = evaluate_sets([0, 2, 1], said, 0.35)
    assert found["coverage"]["value"] == pytest.approx(1 / 3)
    assert (found["mean_size"], found["empty"]["value"]) == (1.0, pytest.approx(1 / 3))


@pytest.mark.parametrize(
    ("labels", "said", "message"),
    [
        ([0], [[0.5, 0.5], [0.5, 0.5]], r"shape \(1,\) for probabilities of shape \(2, 2\)"),
        ([2], [[0.5, 0.5]], "labels run from 2 to 2"),
        ([], np.zeros((0, 2)), "one image or more"),
        ([0.5], [[0.5, 0.5]], "labels float64"),
    ],
)
def test_what_does_not_fit(labels, said, message):
    for ask in (calibration_error, fit_temperature, conformal_threshold):
        with pytest.raises(InputError, match=message):
            ask(labels, said)
    with pytest.raises(InputError, match=r"coverage=1\.5"):
        conformal_threshold([0], [[0.5, 0.5]], 1.5)
