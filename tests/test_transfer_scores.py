"""Scores of features without training, each against a direct, slow way or scikit-learn."""

import numpy as np
import pytest
from scipy.linalg import qr
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from tl_keras.errors import InputError
from tl_keras.selection import h_score, log_me, nearest_vote
from tl_keras.selection.neighbour_vote import NEIGHBOURS

SHAPES = [(40, 6, 2), (60, 15, 5), (18, 40, 3)]  # the last has fewer images than features
SCORES = [log_me, h_score, nearest_vote]


def _data(count, width, classes, apart=1.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % classes)
    x = rng.normal(size=(count, width)) * rng.uniform(0.3, 2, width)
    return x + apart * rng.normal(size=(classes, width))[labels], labels


def _evidence(logs, x, y):
    """Density of a target with the weights integrated out, as the covariance says it."""
    alpha, beta = np.exp(logs)
    covariance = np.eye(len(y)) / beta + x @ x.T / alpha
    return multivariate_normal(cov=covariance).logpdf(y)


def _fixed_point(x, y, rounds=500):
    """MacKay's iteration, as in algorithm 3 of You et al. 2021."""
    alpha = beta = 1.0
    count = len(x)
    values, vectors = np.linalg.eigh(x.T @ x)
    values = values.clip(0)
    for _ in range(rounds):
        mean = beta * vectors @ ((vectors.T @ (x.T @ y)) / (alpha + beta * values))
        gamma = (beta * values / (alpha + beta * values)).sum()
        alpha = gamma / (mean @ mean)
        beta = (count - gamma) / np.square(x @ mean - y).sum()
    return np.log([alpha, beta])


@pytest.mark.parametrize("shape", [(14, 5, 2), (8, 12, 3)])
@pytest.mark.parametrize("apart", [0.0, 1.0])
def test_log_me_is_the_largest_evidence_of_each_class(shape, apart):
    x, labels = _data(*shape, apart)
    expected = []
    for label in range(shape[2]):
        y = (labels == label).astype(float)
        found = [
            minimize(lambda logs, y=y: -_evidence(logs, x, y), start, bounds=[(-15, 15)] * 2)
            for start in [(-1, 1), (4, 1)]
        ]
        expected.append(-min(result.fun for result in found) / len(y))
    assert log_me(x, labels) == pytest.approx(np.mean(expected), abs=1e-4)


def test_log_me_is_what_the_papers_iteration_ends_in():
    x, labels = _data(80, 10, 4, 1.0)
    expected = [
        _evidence(_fixed_point(x, (labels == label).astype(float)), x, labels == label) / 80
        for label in range(4)
    ]
    assert log_me(x, labels) == pytest.approx(np.mean(expected), abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_h_score_is_its_definition(shape):
    x, labels = _data(*shape)
    means = np.array([x[labels == label].mean(0) for label in labels])
    between = np.cov(means, rowvar=False, bias=True)
    plain = np.trace(np.linalg.pinv(np.cov(x, rowvar=False, bias=True), rcond=1e-9) @ between)
    assert h_score(x, labels, shrink=False) == pytest.approx(plain)
    ledoit = LedoitWolf().fit(x)
    shrunk = np.trace(np.linalg.inv(ledoit.covariance_) @ between) * (1 - ledoit.shrinkage_)
    assert h_score(x, labels) == pytest.approx(shrunk)


def test_shrinking_sees_that_labels_mean_nothing_where_the_plain_h_score_does_not():
    (noise, labels), (apart, _) = _data(30, 200, 3, 0.0), _data(30, 200, 3, 2.0)
    for x in (noise, apart):
        assert h_score(x, labels, shrink=False) == pytest.approx(2.0)
    assert h_score(noise, labels) < 0.75 * h_score(apart, labels)


@pytest.mark.parametrize("k", [1, 3, NEIGHBOURS])
def test_the_vote_is_scikit_learns_leave_one_out_without_ties(k):
    """Of two classes and an odd k there are no ties."""
    x, labels = _data(61, 8, 2, 0.6)
    model = KNeighborsClassifier(k, metric="cosine", algorithm="brute")
    expected = cross_val_predict(model, x, labels, cv=LeaveOneOut())
    assert nearest_vote(x, labels, k) == pytest.approx((expected == labels).mean())


def test_of_as_many_votes_the_nearest_decides():
    x, labels = _data(80, 6, 5, 0.8)
    units = x / np.linalg.norm(x, axis=1, keepdims=True)
    right = 0
    for image, label in enumerate(labels):
        order = np.argsort(-units @ units[image])
        near = labels[order[order != image][:4]].tolist()
        most = max(near.count(one) for one in near)
        right += next(one for one in near if near.count(one) == most) == label
    assert nearest_vote(x, labels, 4) == pytest.approx(right / 80)


def test_no_image_votes_for_itself_where_more_copies_than_neighbours_are():
    copies, labels = np.ones((12, 3)), (np.arange(12) == 0).astype(int)
    assert nearest_vote(copies, labels, 5) == pytest.approx(11 / 12)
    assert nearest_vote(np.zeros((4, 2)), np.array([0, 0, 0, 1]), 9) == pytest.approx(0.75)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("score", SCORES)
def test_scores_know_no_scale_rotation_order_or_names_of_classes(score, seed):
    x, labels = _data(50, 12, 3, 0.7, seed)
    rng = np.random.default_rng(seed)
    expected = score(x, labels)
    rotation = qr(rng.normal(size=(12, 12)))[0]
    order = rng.permutation(50)
    for other in (x * 1e3, x * 1e-3, x @ rotation, np.pad(x, ((0, 0), (0, 9)))):
        # The Ledoit-Wolf mean variance is over all features, so columns of zeros do count there.
        if score is not h_score or other.shape == x.shape:
            assert score(other, labels) == pytest.approx(expected, abs=2e-5)
    assert score(x[order], labels[order]) == pytest.approx(expected, abs=1e-6)
    assert score(x, np.array([70, 3, 41])[labels]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_scores_rise_with_the_distance_of_the_classes(score):
    values = [score(*_data(120, 10, 3, apart)) for apart in (0.0, 0.5, 1.0, 3.0)]
    assert values == sorted(values) and values[-1] > values[0]
    x, labels = _data(120, 10, 3, 1.0)
    shuffled = np.random.default_rng(1).permutation(labels)
    assert score(x, shuffled) < score(x, labels)


@pytest.mark.parametrize("score", SCORES)
def test_scores_are_finite_whatever_the_features_are(score):
    labels = np.arange(12) % 3
    x = _data(12, 4, 3)[0]
    perfect = np.eye(3)[labels]  # an exact function of the features, with copies
    for features in (np.zeros((12, 4)), np.ones((12, 4)), perfect, x[:, :1], np.repeat(x, 30, 1)):
        assert np.isfinite(score(features, labels))
    assert np.isfinite(score(x[:2], np.array([0, 1])))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (np.ones(5), np.arange(5), "finite features"),
        (np.ones((5, 2)), np.arange(4), "finite features"),
        (np.full((4, 2), np.nan), np.arange(4), "finite features"),
        (np.ones((0, 2)), np.zeros(0, int), "finite features"),
        (np.ones((4, 2)), np.zeros(4, int), "two classes"),
    ],
)
def test_features_that_have_no_score(score, x, labels, message):
    with pytest.raises(InputError, match=message):
        score(x, labels)
