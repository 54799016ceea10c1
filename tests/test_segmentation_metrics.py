"""Figures of segmentation: against hand-made counts, scikit-learn, distances pixel by pixel, and
simulated truth."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.errors import InputError
from tl_keras.evaluation.boundaries import boundary_f1
from tl_keras.evaluation.resampled import (
    mean_over_images,
    ratio_over_images,
    resample_weights,
)
from tl_keras.evaluation.segmentation_metrics import evaluate_segmentation
from tl_keras.tasks.registry import get_task


def fields(count, classes, seed=0):
    """Truth of a few big patches, predictions wrong in some of them and along their edges."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        height, width = rng.integers(20, 40, 2)
        truth = rng.integers(0, classes, (4, 4)).repeat(10, 0).repeat(10, 1)[:height, :width]
        predicted = np.roll(truth, rng.integers(-2, 3, 2), axis=(0, 1))
        if rng.random() < 0.5:
            predicted[:8, :8] = rng.integers(classes)
        truth = truth.astype("uint8")
        truth[-3:] = 255
        pairs.append((truth, predicted))
    return pairs


def test_counts_agree_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    pairs = fields(9, 4)
    found = evaluate_segmentation(iter(pairs), "abcd")
    true = np.concatenate([t[t < 255] for t, _ in pairs])
    given_ = np.concatenate([p[t < 255] for t, p in pairs])
    labels = range(4)
    wanted = metrics.jaccard_score(true, given_, average=None, labels=labels)
    assert [row["iou"]["value"] for row in found["per_class"]] == pytest.approx(list(wanted))
    assert found["mean_iou"]["value"] == pytest.approx(wanted.mean())
    assert found["pixel_accuracy"]["value"] == pytest.approx((true == given_).mean())
    assert found["confusion"] == metrics.confusion_matrix(true, given_, labels=labels).tolist()
    assert [row["pixels"] for row in found["per_class"]] == np.bincount(true).tolist()
    for (t, p), one in zip(pairs, found["per_image"], strict=True):
        seen = np.union1d(t[t < 255], p[t < 255])
        alone = metrics.jaccard_score(t[t < 255], p[t < 255], average=None, labels=seen)
        assert one == pytest.approx(alone.mean())
    for name in ("mean_iou", "pixel_accuracy", "boundary_f1"):
        limits = found[name]
        assert 0 <= limits["low"] < limits["value"] < limits["high"] <= 1
    json.dumps(found)


def test_classes_that_nobody_has_and_images_that_say_nothing():
    truth = np.array([[0, 0, 1, 255]])
    void = np.full((1, 4), 255)
    found = evaluate_segmentation(
        [(truth, [[0, 2, 1, 3]]), (void, [[0, 1, 2, 3]])], ["a", "b", "c", "d"]
    )
    # a: 1 of 2, b: 1 of 1, c: predicted, never true; d: only where nothing is known.
    assert found["mean_iou"]["value"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["per_class"][3]["iou"] == {"value": None, "low": None, "high": None}
    assert found["per_image"][0] == pytest.approx(0.5) and found["per_image"][1] is None
    assert found["notes"] == [
        "Neither truth nor prediction has d: left out of the mean IoU.",
        "No image has c, yet it was predicted: IoU 0.",
        "1 images without a pixel of a known class say nothing.",
    ]
    assert found["mean_iou"]["low"] is None  # two images are no sample


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(np.zeros((4, 4), int), np.zeros((4, 5), int))], "image 0: .* bring predictions to"),
        ([(np.zeros((4, 4, 1), int), np.zeros((4, 4, 1), int))], r"expected \(H, W\)"),
        ([(np.zeros((4, 4), int), np.full((4, 4), 2))], "predicted classes 2 to 2 do not fit 2"),
        ([(np.zeros((4, 4), int), np.full((4, 4), -1))], "give classes 0 to 1"),
        ([(np.full((4, 4), 255), np.zeros((4, 4), int))], "nothing can be measured"),
        ([], "nothing can be measured"),
    ],
)
def test_what_cannot_be_measured(pairs, message):
    with pytest.raises(InputError, match=message):
        evaluate_segmentation(pairs, ["a", "b"])


def boundary_by_distance(truth, predicted, classes, radius):
    """The same measure from all distances between all boundary pixels."""

    def edge(labels):
        found = []
        for y, x in np.ndindex(labels.shape):
            if truth[y, x] >= classes:
                continue
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                b, a = y + dy, x + dx
                inside = 0 <= b < labels.shape[0] and 0 <= a < labels.shape[1]
                if inside and truth[b, a] < classes and labels[b, a] != labels[y, x]:
                    found.append((y, x, labels[y, x]))
                    break
        return np.array(found, float).reshape(-1, 3)

    true, answer = edge(truth.astype(int)), edge(predicted.astype(int))
    scores = []
    for c in range(classes):
        t, p = true[true[:, 2] == c][:, :2], answer[answer[:, 2] == c][:, :2]
        if not len(t):
            scores.append(np.nan)
            continue
        if not len(p):
            scores.append(0.0)
            continue
        near = ((t[:, None] - p) ** 2).sum(-1) <= radius**2
        precision, recall = near.any(0).mean(), near.any(1).mean()
        total = precision + recall
        scores.append(2 * precision * recall / total if total else 0.0)
    return scores


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 2, 4]))
def test_boundary_f1_is_what_all_distances_say(seed, radius):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(5, 22, 2))
    truth = rng.integers(0, 3, (4, 4)).repeat(6, 0).repeat(6, 1)[: shape[0], : shape[1]]
    predicted = np.where(rng.random(shape) < 0.1, rng.integers(0, 3, shape), np.roll(truth, 2, 1))
    truth = np.where(rng.random(shape) < 0.05, 255, truth)
    found = boundary_f1(truth, predicted, 3, radius / np.hypot(*shape))
    np.testing.assert_allclose(found, boundary_by_distance(truth, predicted, 3, radius))


def test_borders_that_are_ignored_make_no_figure():
    """A trimap: a thing, its ground, and an ignored band between the two, with one gap."""
    truth = np.zeros((60, 60), int)
    truth[18:42, 18:42] = 255
    truth[20:40, 20:40] = 1
    truth[18:20, 30] = 1
    found = evaluate_segmentation([(truth, truth % 255)] * 6, ["ground", "pet"])
    nothing = {"value": None, "low": None, "high": None}
    assert found["boundary_f1"] == nothing == found["per_class"][1]["boundary_f1"]
    (note,) = found["notes"]
    assert "% of the pixels along borders lie beside ignored ones" in note
    assert list(get_task("segment").headline(found)) == ["mean IoU", "pixel accuracy"]
    assert found["mean_iou"]["value"] == 1.0
    # A band along a tenth of the border, or a patch of void elsewhere, does not hide it.
    open_ = np.where((truth == 255) & (np.arange(60) > 24), 0, truth)
    open_[:8, :8] = 255
    found = evaluate_segmentation([(open_, open_ % 255)] * 6, ["ground", "pet"])
    assert found["boundary_f1"]["value"] == 1.0 and not found["notes"]
    assert list(get_task("segment").headline(found))[-1] == "boundary F1"


def test_boundary_f1_of_shifts():
    truth = np.zeros((100, 100), int)
    truth[30:70, 30:70] = 1
    assert boundary_f1(truth, truth, 2).tolist() == [1.0, 1.0]
    # 0.75 % of the diagonal is one pixel here; three pixels off, most of the outline is lost.
    assert boundary_f1(truth, np.roll(truth, 3, axis=(0, 1)), 2).max() < 0.2
    assert boundary_f1(truth, np.zeros_like(truth), 2).tolist() == [0.0, 0.0]
    # A class all over the image has no outline, nor has one beside unknown pixels alone.
    assert np.isnan(boundary_f1(np.zeros((9, 9), int), truth[:9, :9], 2)).all()
    half = np.where(np.arange(9) < 5, 0, 255) * np.ones((9, 1), int)
    assert np.isnan(boundary_f1(half, np.zeros((9, 9), int), 2)).all()


def test_limits_hold_the_truth_about_as_often_as_they_say():
    """Images whose pixels are alike, as in real sets; the truth is known by construction."""
    rng = np.random.default_rng(0)
    held, trials = 0, 200
    for trial in range(trials):
        share = rng.beta(6, 2, (40, 3))  # of each image and class what is right; mean 0.75
        wholes = rng.integers(500, 1500, (40, 3))
        limits = ratio_over_images(share * wholes, wholes, resample_weights(40, trial))
        held += limits["low"] <= 0.75 <= limits["high"]
    # 95 % of so many are 190.
    assert 0.90 * trials <= held < trials


def test_means_leave_out_what_is_not_there():
    values = np.array([0.2, np.nan, 0.4, 0.6, 0.8, 1.0])
    found = mean_over_images(values, resample_weights(6))
    assert found["value"] == pytest.approx(0.6) and found["low"] < 0.5 < 0.7 < found["high"]
    nothing = mean_over_images(np.full(6, np.nan), resample_weights(6))
    assert nothing == {"value": None, "low": None, "high": None}
