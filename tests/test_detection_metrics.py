"""Figures of detection and localisation against hand-computed values and pycocotools."""

import sys

import numpy as np
import pytest

from tl_keras.data.instances import Instances
from tl_keras.errors import InputError
from tl_keras.evaluation.box_metrics import box_iou, evaluate_localization
from tl_keras.evaluation.detection_errors import KINDS, detection_errors, judge_image
from tl_keras.evaluation.detection_matching import match_detections
from tl_keras.evaluation.detection_metrics import _precisions, best_threshold, evaluate_detection
from tl_keras.evaluation.instance_metrics import evaluate_instances

BOX = [0, 0, 10, 10]


def random_detections(seed, images=30, boxes=6, found=20, classes=3):
    """Detections that are some right, some moved, some of another class, some of nothing."""
    rng = np.random.default_rng(seed)
    targets, detections = np.zeros((images, boxes, 6)), np.zeros((images, found, 6))
    for i in range(images):
        n = rng.integers(0, boxes + 1)
        low = rng.uniform(0, 80, (n, 2))
        sides = rng.uniform(10, 40, (n, 2))
        flags = np.where(rng.random(n) < 0.1, -1, 1)
        targets[i, :n] = np.column_stack([low, low + sides, rng.integers(0, classes, n), flags])
        for k in range(found):
            if n and rng.random() < 0.6:
                row = targets[i, rng.integers(n)].copy()
                row[:4] += rng.normal(0, 3, 4)
                row[4] = row[4] if rng.random() < 0.8 else rng.integers(classes)
            else:
                low = rng.uniform(0, 80, 2)
                row = np.r_[low, low + rng.uniform(10, 40, 2), rng.integers(classes), 0]
            row[5] = rng.random()
            detections[i, k] = row
    return targets, detections


def test_iou_by_hand():
    boxes = [[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [4, 4, 4, 9], [9, 9, 2, 2]]
    assert box_iou(BOX, boxes).round(4).tolist() == [1.0, 0.3333, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_bootstraps_own_average_precision_is_cocos(seed):
    """The intervals come from another code than the figure; with all weights 1 both must agree."""
    targets, detections = random_detections(seed)
    for match in match_detections(targets, detections, 3):
        ours = _precisions(match, np.ones((1, len(targets))))[:, 0]
        np.testing.assert_allclose(ours, match.precision.mean(axis=1), atol=1e-12)


def test_average_precision_by_hand():
    targets = [[[*BOX, 0, 1], [50, 50, 60, 60, 0, 1]], [[*BOX, 1, 1], [0] * 6]]
    found = [
        [[*BOX, 0, 0.9], [80, 80, 90, 90, 0, 0.8], [50, 50, 60, 56, 0, 0.7]],
        [[0, 0, 10, 8, 1, 0.6], [0] * 6, [0] * 6],
    ]
    figures = evaluate_detection(targets, found, ["a", "b"])
    a, b = figures["per_class"]
    # Class a at 0.5: right, wrong, right; precision 1 up to half the boxes, then 2/3.
    assert a["ap50"]["value"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    # At 0.75 the second box (IoU 0.6) is none.
    assert a["ap75"]["value"] == pytest.approx(51 / 101)
    assert b["ap"]["value"] == pytest.approx(0.7)  # IoU 0.8: right at seven of ten thresholds
    assert figures["ap50"]["value"] == pytest.approx((a["ap50"]["value"] + 1) / 2)
    assert a["curve"][0] == 1.0
    assert a["curve"][100] == pytest.approx(2 / 3, abs=1e-4)
    for name in ("ap", "ap50", "ap75"):
        assert figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"]


def test_ignored_boxes_are_neither_misses_nor_false_alarms():
    targets = [[[*BOX, 0, 1], [40, 40, 60, 60, 0, -1]]]
    found = [[[40, 40, 60, 60, 0, 0.9], [*BOX, 0, 0.8]]]
    figures = evaluate_detection(targets, found, ["a"])
    assert figures["ap"]["value"] == 1.0
    assert figures["boxes"] == 1
    assert figures["errors"]["total"] == dict.fromkeys(KINDS, 0) | {"right": 1}
    assert "1 boxes are marked" in figures["notes"][0]


def test_nothing_found_is_zero_and_a_class_without_boxes_is_left_out():
    figures = evaluate_detection([[[*BOX, 0, 1]]], np.zeros((1, 3, 6)), ["a", "b"])
    assert figures["ap50"]["value"] == 0.0
    assert figures["per_class"][1]["ap50"]["value"] is None
    assert figures["per_class"][1]["curve"] is None
    assert figures["recall"]["value"] == 0.0
    assert figures["precision"]["value"] is None
    assert "b: left out" in figures["notes"][0]


def test_the_best_threshold_is_where_f1_is_highest():
    targets, detections = random_detections(3)
    matches = match_detections(targets, detections, 3)
    scores = np.concatenate([m.scores[m.counted[0]] for m in matches])
    hits = np.concatenate([m.hits[0][m.counted[0]] for m in matches])
    positives = sum(m.positives.sum() for m in matches)

    def f1(threshold):
        answers = scores >= threshold
        return 2 * (hits & answers).sum() / (answers.sum() + positives)

    assert f1(best_threshold(matches)) == max(f1(score) for score in scores)


def test_every_kind_of_error():
    boxes = np.array(
        [[*BOX, 0, 1], [20, 0, 30, 10, 0, 1], [40, 0, 50, 10, 1, 1], [60, 0, 70, 10, 0, 1],
         [80, 0, 90, 10, 0, 1]], "float64",
    )  # fmt: skip
    found = np.array(
        [
            [*BOX, 0, 0.9],  # right
            [0, 0, 10, 9, 0, 0.8],  # found already
            [20, 6, 30, 16, 0, 0.7],  # IoU 0.25
            [40, 0, 50, 10, 0, 0.6],  # another class
            [60, 6, 70, 16, 1, 0.5],  # another class, IoU 0.25
            [20, 60, 30, 70, 0, 0.4],  # nothing there
        ]
    )
    kinds, missed, judged = judge_image(boxes, found)
    assert kinds == [
        "right", "double", "bad_box", "wrong_class", "wrong_class_and_box", "background"
    ]  # fmt: skip
    assert missed == [False, False, False, True, True]
    assert judged.tolist() == [0, 0, 1, 2, 3, -1]
    told = detection_errors(boxes[None], found[None], ["a", "b"], 0.45)
    assert told["total"] == dict.fromkeys(KINDS, 1) | {"background": 0, "missed": 2}
    assert told["per_class"]["b"]["wrong_class_and_box"] == 1
    assert told["confusion"] == [[1, 0, 3], [1, 0, 0], [2, 1, 0]]


@pytest.mark.parametrize("seed", [0, 1])
def test_errors_agree_with_coco_on_what_is_right(seed):
    targets, detections = random_detections(seed)
    targets[..., 5] = np.abs(targets[..., 5])
    figures = evaluate_detection(targets, detections, ["a", "b", "c"], score_threshold=0.3)
    total = figures["errors"]["total"]
    answers = (detections[..., 5] >= 0.3).sum()
    assert sum(total.values()) - total["missed"] == answers
    assert figures["recall"]["value"] * figures["boxes"] == pytest.approx(total["right"])
    assert figures["precision"]["value"] * answers == pytest.approx(total["right"])


def test_localisation_by_hand():
    targets = [[*BOX, 0, 1], [*BOX, 1, 1], [0, 0, 0, 0, 1, 0], [*BOX, -1, 1]]
    said = [
        [0, 0, 10, 8, 0.9, 0.1],  # right, IoU 0.8
        [0, 0, 10, 4, 0.1, 0.9],  # class right, IoU 0.4
        [0, 0, 5, 5, 0.7, 0.3],  # class wrong, no box to find
        [0, 0, 10, 6, 0.5, 0.5],  # IoU 0.6, no class known
    ]
    figures = evaluate_localization(targets, said, ["a", "b"])
    assert figures["accuracy"]["value"] == pytest.approx(2 / 3)
    assert figures["mean_iou"]["value"] == pytest.approx(0.6)
    assert figures["box_accuracy"]["value"] == pytest.approx(2 / 3)
    assert figures["accuracy_at_iou50"]["value"] == 0.5
    assert figures["boxes"] == 3
    assert figures["guessed_iou"] == 1.0
    assert [row["boxes"] for row in figures["per_class"]] == [1, 1]
    assert len(figures["notes"]) == 2


@pytest.mark.parametrize(
    ("targets", "found", "message"),
    [
        (np.zeros((2, 3, 5)), np.zeros((2, 3, 6)), "do not fit each other"),
        (np.zeros((2, 3, 6)), np.zeros((1, 3, 6)), "do not fit each other"),
        ([[[*BOX, 0, 1]]], [[[*BOX, 0, np.nan]]], "NaN"),
        ([[[*BOX, 2, 1]]], [[[*BOX, 0, 1]]], "targets hold class 2"),
        ([[[*BOX, 0, 1]]], [[[*BOX, 5, 1]]], "detections hold class 5"),
        ([[[*BOX, 0, 0]]], [[[*BOX, 0, 1]]], "no image has a box"),
    ],
)
def test_detections_that_cannot_be_measured(targets, found, message):
    with pytest.raises(InputError, match=message):
        evaluate_detection(targets, found, ["a", "b"])


def test_localisations_that_cannot_be_measured():
    with pytest.raises(InputError, match="do not fit 2 class names"):
        evaluate_localization(np.zeros((2, 6)), np.zeros((2, 5)), ["a", "b"])
    with pytest.raises(InputError, match="NaN"):
        evaluate_localization([[*BOX, 0, 1]], [[np.nan] * 6], ["a", "b"])


def test_without_pycocotools_the_remedy_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    one = Instances(np.ones((4, 4), int), np.array([0]), np.ones(1))
    boxes = np.array([[[0.0, 0, 4, 4, 0, 1]]])
    for measured in (
        lambda: evaluate_detection(boxes, boxes, ["cell"]),
        lambda: evaluate_instances([(one, one)], ["cell"]),
    ):
        with pytest.raises(InputError, match=r"not installed; pip install 'tl-keras\[detection\]'"):
            measured()
