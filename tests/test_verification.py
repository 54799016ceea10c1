"""Verification and identification: against scikit-learn and by hand, intervals by simulation."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from tl_keras.errors import InputError
from tl_keras.evaluation.accept_rates import equal_error_rate, rates, roc_points, threshold_for
from tl_keras.evaluation.identification import evaluate_identification, identify
from tl_keras.evaluation.verification import evaluate_verification
from tl_keras.evaluation.verification_pairs import pair_scores, verification_pairs


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def crowd(seed, people=12, pictures=6, spread=0.8, size=16):
    """Pictures around a direction a person, as embedders give them."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(people, size)))
    labels = np.repeat(np.arange(people), pictures)
    noise = rng.normal(size=(len(labels), size)) * spread / np.sqrt(size)
    return unit(centres[labels] + noise).astype("float32"), labels


def scored(seed, pairs=300, ties=False):
    rng = np.random.default_rng(seed)
    same = rng.random(pairs) < 0.3
    scores = rng.normal(same * 1.0, 1)
    return (scores.round(1) if ties else scores), same


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_curve_is_scikit_learns(ties, weighted):
    for seed in range(5):
        scores, same = scored(seed, ties=ties)
        weights = np.random.default_rng(seed).integers(0, 4, len(scores)) if weighted else None
        thresholds, far, tar = roc_points(scores, same, weights)
        expected = roc_curve(same, scores, sample_weight=weights, drop_intermediate=False)
        if not weighted:  # scikit-learn leaves out scores that have no weight
            np.testing.assert_allclose(far, expected[0])
            np.testing.assert_allclose(tar, expected[1])
            np.testing.assert_allclose(thresholds, expected[2])
        area = roc_auc_score(same, scores, sample_weight=weights)
        assert np.trapezoid(tar, far) == pytest.approx(area)


@pytest.mark.parametrize("ties", [False, True])
def test_equal_error_rate_is_where_both_errors_meet_on_the_curve(ties):
    from scipy.optimize import brentq

    for seed in range(8):
        _, far, tar = roc_points(*scored(seed, ties=ties))

        def excess(rate, far=far, tar=tar):
            # Both ends of a vertical step, so that the line between points is what is met.
            return rate - (1 - np.interp(rate, far + np.arange(len(far)) * 1e-12, tar))

        assert equal_error_rate(far, tar) == pytest.approx(brentq(excess, 0, 1), abs=1e-6)


def test_equal_error_rates_by_hand():
    assert equal_error_rate(*roc_points([3, 2, 1], [True, True, False])[1:]) == 0
    assert equal_error_rate(*roc_points([1, 2, 3], [True, True, False])[1:]) == 1
    assert equal_error_rate(*roc_points([1, 1], [True, False])[1:]) == 0.5
    # One of four impostors above one of four pairs: a quarter of each is wrong.
    scores, same = [8, 7, 6, 5, 4, 3, 2, 1], [1, 1, 1, 0, 1, 0, 0, 0]
    assert equal_error_rate(*roc_points(scores, np.array(same, bool))[1:]) == 0.25


@pytest.mark.parametrize("ties", [False, True])
def test_a_threshold_keeps_its_rate_and_is_the_lowest_that_does(ties):
    for seed in range(10):
        scores, same = scored(seed, ties=ties)
        for rate in (0.01, 0.05, 0.1, 0.5, 0.99):
            cut = threshold_for(scores, same, rate)
            assert (scores[~same] >= cut).mean() <= rate
            assert cut not in scores
            lower = scores[scores < cut].max()
            assert (scores[~same] >= lower).mean() > rate or not (~same)[scores == lower].any()
            below = scores[(scores < cut) & ~same].max()
            assert (scores[~same] >= below).mean() > rate


def test_thresholds_by_hand():
    scores, same = [0.9, 0.7, 0.6, 0.5, 0.4, 0.3], np.array([1, 0, 1, 0, 0, 0], bool)
    assert threshold_for(scores, same, 0.25) == pytest.approx(0.55)
    assert threshold_for(scores, same, 0.5) == pytest.approx(0.45)
    assert threshold_for([0.9, 0.9, 0.1], [False, False, True], 0.5) > 0.9
    with pytest.raises(InputError, match=r"4 pairs of two people cannot show .* of 0\.1; give 10"):
        threshold_for(scores, same, 0.1)


def test_pairs_are_all_pairs():
    labels = np.random.default_rng(0).integers(0, 6, 40)
    first, second, same = verification_pairs(labels)
    assert len(first) == 40 * 39 // 2
    assert {(a, b) for a, b in zip(first.tolist(), second.tolist(), strict=True)} == {
        (a, b) for a in range(40) for b in range(a + 1, 40)
    }
    np.testing.assert_array_equal(same, labels[first] == labels[second])


def test_pairs_are_chosen_at_random_where_there_are_too_many():
    labels = np.repeat(np.arange(4), [100, 50, 2, 1])
    first, second, same = verification_pairs(labels, limit=500, seed=1)
    np.testing.assert_array_equal(same, labels[first] == labels[second])
    assert (first != second).all()
    assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(first)
    assert 450 <= same.sum() <= 500
    assert 450 <= (~same).sum() <= 500
    again = verification_pairs(labels, limit=500, seed=1)
    np.testing.assert_array_equal(first, again[0])
    # In proportion: 4950 pairs of the first person, 1225 of the second.
    assert 0.7 < (labels[first[same]] == 0).mean() < 0.9


def test_scores_are_cosines():
    vectors, labels = crowd(0)
    first, second, _ = verification_pairs(labels)
    found = pair_scores(vectors, first, second)
    np.testing.assert_allclose(found, (vectors @ vectors.T)[first, second], atol=1e-6)


def test_verification_is_measured_by_hand():
    vectors, labels = crowd(0)
    found = evaluate_verification(vectors, labels, threshold=0.5, false_accept_rates=(0.1, 1e-4))
    cosines = (vectors @ vectors.T)[np.triu_indices(72, 1)]
    same = (labels[:, None] == labels)[np.triu_indices(72, 1)]
    assert (found["images"], found["people"]) == (72, 12)
    assert (found["genuine_pairs"], found["impostor_pairs"]) == (same.sum(), (~same).sum())
    _, far, tar = roc_points(cosines, same)
    assert found["equal_error_rate"]["value"] == pytest.approx(equal_error_rate(far, tar))
    assert found["area_under_roc"]["value"] == pytest.approx(roc_auc_score(same, cosines))
    at, beyond = found["at_rates"]
    assert at["threshold"]["value"] == pytest.approx(threshold_for(cosines, same, 0.1))
    accepted = cosines >= at["threshold"]["value"]
    assert at["true_accept_rate"]["value"] == pytest.approx(accepted[same].mean())
    assert beyond["threshold"]["value"] is None
    assert beyond["true_accept_rate"] == {"value": None, "low": None, "high": None}
    told = found["at_threshold"]
    assert told["false_accept_rate"]["value"] == pytest.approx((cosines >= 0.5)[~same].mean())
    assert told["true_accept_rate"]["value"] == pytest.approx((cosines >= 0.5)[same].mean())
    for shown in (found["equal_error_rate"], at["threshold"], *list(told.values())[1:]):
        assert shown["low"] < shown["value"] < shown["high"]
    json.dumps(found)
    assert evaluate_verification(vectors, labels)["at_threshold"] is None


def test_vectors_that_know_all_or_nothing():
    labels = np.repeat(np.arange(8), 5)
    told = evaluate_verification(np.eye(8)[labels], labels)
    assert told["equal_error_rate"]["value"] == 0
    # Eight people are no proof of a rate of 0.
    assert 0.2 < told["equal_error_rate"]["high"] < 0.5
    same = evaluate_verification(np.ones((40, 1)), labels)
    assert same["equal_error_rate"]["value"] == 0.5
    assert same["at_rates"][0]["true_accept_rate"]["value"] == 0


def test_intervals_hold_what_a_large_crowd_shows():
    """Of 95 % intervals from 20 people each, nearly all hold the truth; those of pairs would not.

    People differ in how much their pictures scatter, so pairs of one person are alike.
    """

    def uneven(seed, people):
        rng = np.random.default_rng(seed)
        centres, labels = unit(rng.normal(size=(people, 8))), np.repeat(np.arange(people), 5)
        spread = rng.choice([0.3, 1.5], people)[labels, None]
        noise = rng.normal(size=(len(labels), 8)) * spread / np.sqrt(8)
        return unit(centres[labels] + noise), labels

    vectors, labels = uneven(0, 1000)
    first, second, same = verification_pairs(labels)
    scores = pair_scores(vectors, first, second)
    truth = equal_error_rate(*roc_points(scores, same)[1:])
    accepted = (scores >= 0.6)[same].mean()
    held = np.zeros(3)
    for seed in range(1, 25):
        found = evaluate_verification(*uneven(seed, 20), threshold=0.6, false_accept_rates=())
        error, told = found["equal_error_rate"], found["at_threshold"]["true_accept_rate"]
        pairs = found["genuine_pairs"]
        naive = 1.96 * np.sqrt(told["value"] * (1 - told["value"]) / pairs)
        held += [
            error["low"] <= truth <= error["high"],
            told["low"] <= accepted <= told["high"],
            abs(told["value"] - accepted) <= naive,
        ]
    assert held[0] >= 21
    assert held[1] >= 21
    assert held[2] < 17


def test_people_are_named_or_not_by_hand():
    at = np.deg2rad([0, 10, 90])
    gallery = np.stack([np.cos(at), np.sin(at)], -1)
    seen = np.deg2rad([8, 80, 45, 180])
    probes = np.stack([np.cos(seen), np.sin(seen)], -1)
    who, scores = identify(gallery, [4, 5, 9], probes, 0.9)
    assert who.tolist() == [5, 9, -1, -1]
    np.testing.assert_allclose(scores, np.cos(np.deg2rad([2, 10, 35, 90])), atol=1e-6)
    assert identify(gallery, [4, 5, 9], probes)[0].tolist() == [5, 9, 5, 9]
    # 80 degrees shows person 5 and is taken for 9; the last two are nobody known.
    found = evaluate_identification(
        gallery, [4, 5, 9], probes, [5, 5, 77, 78], threshold=0.9, false_alarm_rates=(0.5, 0.1)
    )
    assert found["rank_1"]["value"] == 0.5
    assert (found["known_probes"], found["unknown_probes"]) == (2, 2)
    told = found["at_threshold"]
    assert told["false_alarm_rate"]["value"] == 0
    assert told["detection_and_identification_rate"]["value"] == 0.5
    assert told["misidentification_rate"]["value"] == 0.5
    at_half, at_tenth = found["at_rates"]
    # One of the two unknown may pass: between the cosines of 35 and of 90 degrees.
    assert at_half["threshold"] == pytest.approx(np.cos(np.deg2rad(35)) / 2, abs=1e-6)
    assert at_half["detection_and_identification_rate"]["value"] == 0.5
    assert at_tenth["threshold"] is None
    assert at_tenth["detection_and_identification_rate"]["value"] is None
    json.dumps(found)


def test_identification_of_a_crowd():
    vectors, labels = crowd(3, people=20, pictures=8)
    enrolled = (labels < 12) & (np.arange(len(labels)) % 8 < 3)
    probes = ~enrolled & (np.arange(len(labels)) % 8 >= 3)
    found = evaluate_identification(
        vectors[enrolled],
        labels[enrolled],
        vectors[probes],
        labels[probes],
        false_alarm_rates=(0.1, 0.05),
    )
    assert (found["gallery_people"], found["gallery_images"]) == (12, 36)
    cosines = vectors[probes] @ vectors[enrolled].T
    named, known = labels[enrolled][cosines.argmax(1)], labels[probes] < 12
    assert found["rank_1"]["value"] == pytest.approx((named == labels[probes])[known].mean())
    for at in found["at_rates"]:
        accepted = cosines.max(1) >= at["threshold"]
        assert accepted[~known].mean() <= at["false_alarm_rate"]
        right = (accepted & (named == labels[probes]))[known].mean()
        assert at["detection_and_identification_rate"]["value"] == pytest.approx(right)
    closed = evaluate_identification(
        vectors[enrolled], labels[enrolled], vectors[probes][known], labels[probes][known],
        threshold=0.5,
    )  # fmt: skip
    assert closed["at_threshold"]["false_alarm_rate"]["value"] is None
    assert closed["at_rates"][0]["threshold"] is None


def test_rates_without_weight_are_none():
    far, tar = rates(np.array([True, False]), np.array([1.0, 0.0]), np.array([0, 1]))
    assert np.isnan(far).all()
    assert tar[-1] == 1


EYE = np.eye(3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: verification_pairs([1, 2, 3]), "3 pictures of 3 people make no pairs"),
        (lambda: verification_pairs([1, 1]), "2 pictures of 1 people make no pairs"),
        (lambda: verification_pairs(["a", "a", "b"]), "return_inverse"),
        (lambda: verification_pairs([]), "give a whole number for each|make no pairs"),
        (lambda: roc_points([1.0, 2.0], [True, True]), "of one kind"),
        (lambda: roc_points([1.0, np.nan], [True, False]), "NaN among them"),
        (lambda: roc_points([1.0], [True, False]), "a number for each pair"),
        (lambda: threshold_for([1.0, 2.0], [True, False], 1), "0 < rate < 1"),
        (lambda: evaluate_verification(EYE, [0, 0]), "2 labels"),
        (lambda: evaluate_verification(2 * EYE, [0, 0, 1]), "vector 0 has length 2, not 1"),
        (lambda: evaluate_verification(EYE * np.nan, [0, 0, 1]), "vector 0 has length nan"),
        (lambda: identify(EYE, [0, 1, 2], np.eye(2)), "vectors of the same embedder"),
        (lambda: identify(EYE, [0, 1, -1], EYE), "labels of 0 or more"),
        (lambda: identify(EYE[:0], np.zeros(0, int), EYE), "one picture or more"),
        (lambda: evaluate_identification(EYE, [0, 1, 2], EYE, [3, 4, 5]), "no probe shows"),
        (lambda: evaluate_identification(EYE, [0, 1, 2], EYE, [0]), "1 labels"),
    ],
)
def test_what_cannot_be_measured(call, said):
    with pytest.raises(InputError, match=said):
        call()
