"""Wrong labels: the head's closed forms against what they stand for, and flips that are found."""

import numpy as np
import pytest

from tl_keras.data.checking import head
from tl_keras.data.checking.head import held_out_predictions
from tl_keras.data.checking.label_errors import judge_labels, label_errors


def clusters(rng, counts, spread=1.0, width=16):
    """Features of classes that overlap a little, and their labels."""
    centres = rng.normal(0, 3, (len(counts), width))
    labels = np.repeat(np.arange(len(counts)), counts)
    return centres[labels] + rng.normal(0, spread, (len(labels), width)), labels


@pytest.mark.parametrize("landmarks", [1024, 10])
def test_leaving_out_in_closed_form_is_leaving_out(monkeypatch, landmarks):
    """Each group's prediction is that of a ridge regression refitted without the group."""
    monkeypatch.setattr(head, "_LANDMARKS", landmarks)
    monkeypatch.setattr(head, "_PENALTIES", (0.01,))
    rng = np.random.default_rng(0)
    features, labels = clusters(rng, (14, 9, 8), spread=3)
    groups = np.arange(31)
    groups[[3, 15, 20]] = 3
    groups[[5, 6]] = 5
    found = held_out_predictions(features, labels, 3, groups)
    lifted = head._lifted(features)
    lifted = np.column_stack([lifted - lifted.mean(axis=0), np.ones(31)])
    wanted = np.eye(3)[labels]
    penalty = np.diag([0.01 * 31] * (lifted.shape[1] - 1) + [0])
    refitted = np.zeros((31, 3))
    for group in np.unique(groups):
        out = groups == group
        left = lifted[~out]
        weights = np.linalg.solve(left.T @ left + penalty, left.T @ wanted[~out])
        refitted[out] = lifted[out] @ weights
    refitted = np.clip(refitted, 1e-3, 1)
    np.testing.assert_allclose(found, refitted / refitted.sum(axis=1, keepdims=True), atol=1e-6)


def test_copies_do_not_confirm_each_other():
    rng = np.random.default_rng(1)
    features, labels = clusters(rng, (40, 40))
    features[[1, 2]] = features[0]
    labels[:3] = 1  # three copies of one picture, all wrong
    groups = np.arange(80)
    groups[:3] = 0
    assert judge_labels(features, labels, 2, groups).suspects[:3].all()
    alone = judge_labels(features, labels, 2)
    together = judge_labels(features, labels, 2, groups)
    assert (together.scores[:3] > alone.scores[:3] + 0.1).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("counts", [(60, 60), (120, 40, 15)])
def test_turned_labels_come_first(seed, counts):
    rng = np.random.default_rng(seed)
    features, labels = clusters(rng, counts, spread=1.5)
    given = labels.copy()
    wrong = np.concatenate(
        [rng.choice(np.flatnonzero(labels == k), 3, replace=False) for k in range(len(counts))]
    )
    given[wrong] = (given[wrong] + 1) % len(counts)
    judged = judge_labels(features, given, len(counts))
    first = np.argsort(-judged.scores)[: len(wrong)]
    assert len(set(first) & set(wrong)) >= len(wrong) - 2
    assert judged.suspects[wrong].mean() > 0.6
    assert judged.suspects.sum() <= len(wrong) + 3
    assert (judged.others[wrong] == labels[wrong]).mean() > 0.8


@pytest.mark.parametrize("seed", range(10))
def test_right_labels_are_left_alone(seed):
    features, labels = clusters(np.random.default_rng(seed), (50, 30, 12))
    assert not judge_labels(features, labels, 3).suspects.any()


@pytest.mark.parametrize("seed", range(10))
def test_labels_that_nothing_explains_are_not_judged(seed):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(200, 12)), rng.integers(0, 2, 200)
    assert judge_labels(features, labels, 2).suspects.sum() == 0


def test_a_class_of_two_is_not_accused():
    rng = np.random.default_rng(0)
    features, labels = clusters(rng, (40, 40, 2))
    features[-2:] = features[[0, 50]]  # as unlike each other as can be
    assert not judge_labels(features, labels, 3).suspects[-2:].any()


def test_features_that_say_nothing():
    judged = judge_labels(np.ones((30, 4)), np.arange(30) % 2, 2)
    assert np.isfinite(judged.scores).all() and not judged.suspects.any()
    assert np.isfinite(judge_labels(np.zeros((30, 4)), np.arange(30) % 2, 2).scores).all()


def test_findings_name_both_classes_and_rank():
    rng = np.random.default_rng(3)
    features, labels = clusters(rng, (40, 40))
    given = labels.copy()
    given[[4, 60]] ^= 1
    judged = judge_labels(features, given, 2)
    paths = tuple(f"{row}.jpg" for row in range(80))
    found = label_errors(paths, ("cat", "dog"), given, judged)
    assert ("4.jpg",) in {one.paths for one in found} <= {("4.jpg",), ("60.jpg",)}
    four = next(one for one in found if one.paths == ("4.jpg",))
    assert "labelled 'dog'" in four.why and "looks like 'cat'" in four.why and four.score > 0
