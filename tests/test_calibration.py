"""Calibration and prediction sets on worlds whose truth is known."""

import json

import numpy as np
import pytest

from tl_keras.errors import InputError
from tl_keras.evaluation.abstaining import abstention_threshold, evaluate_abstention
from tl_keras.evaluation.calibration import calibration_error, fit_temperature, tempered
from tl_keras.evaluation.conformal import conformal_threshold, evaluate_sets, prediction_sets
from tl_keras.evaluation.intervals import proportion
from tl_keras.evaluation.promises import measured_promises, tuned_promises, with_coverage


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


def test_the_temperature_is_where_the_log_loss_and_its_prior_are_least():
    optimize = pytest.importorskip("scipy.optimize")
    labels, said = world(1, 80, temperature=2.0)

    def loss(temperature):
        of_truth = tempered(said, temperature)[np.arange(len(labels)), labels]
        inverse = 1 / temperature
        return -np.log(of_truth).sum() + 16 * (inverse - 1 - np.log(inverse))

    least = optimize.minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
    assert fit_temperature(labels, said) == pytest.approx(least, abs=1e-3)
    assert 1.2 < least < 2.2


@pytest.mark.parametrize("sure", [0.7, 0.99, 1 - 1e-7])
@pytest.mark.parametrize("images", [1, 10, 60])
def test_few_images_without_a_mistake_do_not_make_a_model_sure_of_everything(images, sure):
    said = np.tile([sure, 1 - sure], (images, 1))
    found = fit_temperature([0] * images, said)
    assert 0.4 < found <= 1.0 + 1e-6
    if images == 1:
        assert found > 0.97


def test_few_images_do_not_make_probabilities_worse_than_they_were():
    """Of a model that is calibrated: what is lost by a temperature that is fitted to 30 images."""
    lost = []
    for seed in range(60):
        labels, said = world(seed, 30 + 400, classes=3)
        after = tempered(said[30:], fit_temperature(labels[:30], said[:30]))
        rows = np.arange(400)
        lost.append(np.log(said[30:][rows, labels[30:]] / after[rows, labels[30:]]).mean())
    assert np.mean(lost) < 0.006 and max(lost) < 0.05


def test_what_has_no_end_stops():
    some = [[0.7, 0.3], [0.3, 0.7]] * 10_000
    assert fit_temperature([1, 0] * 10_000, some) == pytest.approx(20.0)
    assert fit_temperature([0, 1] * 900, [[0.51, 0.49], [0.49, 0.51]] * 900) == pytest.approx(0.05)


def test_images_in_twos_and_threes_have_the_error_of_the_plain_loop():
    """The resampling in blocks against one resample after the other, as it is defined."""
    labels, said = world(3, 130, temperature=1.5)
    sure, right = said.max(1), said.argmax(1) == labels
    order, rng, drawn = np.argsort(sure, kind="stable"), np.random.default_rng(4), []
    for _ in range(1000):
        rows = order[np.sort(rng.integers(130, size=130))]
        parts = np.array_split(rows, 130 // 20)
        drawn.append(sum(abs(right[p].sum() - sure[p].sum()) for p in parts) / 130)
    # Bins of a resample are as large as those of the images.
    found = calibration_error(labels, said, seed=4)["expected_calibration_error"]
    low, high = np.percentile(drawn, (2.5, 97.5)) + found["value"] - np.mean(drawn)
    assert (found["low"], found["high"]) == pytest.approx((max(low, 0), high))


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
    assert prediction_sets(said, 0.35).sum(1).tolist() == [1, 2, 1]  # never empty
    assert prediction_sets(said, [0.8, 0.36, 0.2]).sum(1).tolist() == [1, 1, 3]
    found = evaluate_sets([0, 2, 1], said, 0.35)
    assert found["coverage"]["value"] == pytest.approx(1 / 3)
    assert (found["mean_size"], found["single"]["value"]) == pytest.approx((4 / 3, 2 / 3))


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


@pytest.mark.parametrize("wrong", [0.05, 0.1, 0.3])
def test_no_more_images_get_a_wrong_answer_than_promised(wrong):
    """Over many draws of few images; and not far fewer, so that no answer is held back in vain."""
    found = []
    for seed in range(400):
        labels, said = world(seed, 60 + 40, temperature=0.5)
        limit = abstention_threshold(labels[:60], said[:60], wrong)
        found.append(evaluate_abstention(labels[60:], said[60:], limit)["wrong"]["value"])
    assert wrong - 1 / 61 - 0.012 <= np.mean(found) <= wrong + 0.007


def test_abstention_by_hand():
    labels = np.array([0] * 17 + [1] * 3)
    said = np.array([[0.9, 0.1]] * 10 + [[0.7, 0.3]] * 7 + [[0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    # One in 21 may be wrong, and that is the new image: nothing at or below the surest mistake.
    assert abstention_threshold(labels, said, 0.05) == pytest.approx(0.8)
    assert evaluate_abstention(labels, said, abstention_threshold(labels, said, 0.05)) == {
        "answered": proportion(10, 20), "accuracy": proportion(10, 10), "wrong": proportion(0, 20)
    }  # fmt: skip
    # Two in 21: the mistake at 0.8 is taken.
    assert 0.7 < abstention_threshold(labels, said, 0.1) < 0.7001
    assert abstention_threshold(labels, said, 0.2) == 0.0
    assert abstention_threshold(labels, said, 0.04) is None
    with pytest.raises(InputError, match=r"wrong=1\.5"):
        abstention_threshold(labels, said, 1.5)


def test_promises_are_tuned_at_their_temperature_and_chosen_by_name():
    labels, said = world(7, 60, temperature=0.5)
    settings = json.loads(json.dumps(tuned_promises(labels, said)))
    assert settings["temperature"] == fit_temperature(labels, said)
    scaled = tempered(said, settings["temperature"])
    for coverage in (0.8, 0.9, 0.95):
        chosen = with_coverage(settings, coverage)
        assert chosen["coverage"] == coverage
        assert chosen["set_threshold"] == conformal_threshold(labels, scaled, coverage)
        assert chosen["abstain_below"] == abstention_threshold(labels, scaled, 1 - coverage)
    assert with_coverage(settings, 0.9) == settings
    for asked in (0.99, 0.85):  # 60 images are too few; nobody tuned it
        with pytest.raises(InputError, match=f"coverage {asked:g} was not measured.* 0.8, 0.9, 0"):
            with_coverage(settings, asked)
    with pytest.raises(InputError, match="promises nothing"):
        with_coverage({}, 0.9)


def test_what_is_tuned_and_measured_on_the_same_images_is_as_good_as_on_new_ones():
    """Each fifth by the others: the figures have the mean of those on images never seen."""
    own, new = [], []
    for seed in range(60):
        labels, said = world(seed, 50 + 200, classes=3, temperature=0.4)
        _, here = measured_promises(labels[:50], said[:50], None)
        settings = tuned_promises(labels[:50], said[:50])
        _, there = measured_promises(labels[50:], said[50:], settings)
        for found, kept in ((here, own), (there, new)):
            kept.append(
                [
                    found["sets"]["coverage"]["value"],
                    found["abstention"]["wrong"]["value"],
                    found["sets"]["mean_size"],
                    found["abstention"]["answered"]["value"],
                ]
            )
    np.testing.assert_allclose(np.mean(own, 0)[:2], np.mean(new, 0)[:2], atol=0.02)
    np.testing.assert_allclose(np.mean(own, 0)[2:], np.mean(new, 0)[2:], atol=0.05)


def test_what_an_image_is_given_does_not_depend_on_itself():
    labels, said = world(11, 40)
    scaled, found = measured_promises(labels, said, None)
    changed = labels.copy()
    changed[5] = (labels[5] + 1) % 5
    again, other = measured_promises(changed, said, None)
    assert (again[5] == scaled[5]).all()
    assert (again != scaled).any()
    assert found["calibration"]["temperature"] != other["calibration"]["temperature"]


@pytest.mark.parametrize("images", [1, 2, 8, 11, 12])
def test_few_images_are_measured_as_far_as_they_go(images):
    labels, said = world(2, images)
    settings = tuned_promises(labels, said)
    assert (settings["set_threshold"] is None) == (images < 9)
    _, found = measured_promises(labels, said, None)
    # Four fifths of them have to be nine.
    assert ("sets" in found) == ("abstention" in found) == (images >= 12)
    json.dumps([settings, found], allow_nan=False)
    _, without = measured_promises(labels, said, {})
    assert list(without["calibration"]) == ["before"]
