"""Figures of rankings against scikit-learn, values by hand, and their intervals by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from tl_keras.errors import InputError
from tl_keras.evaluation import evaluate_ranking, evaluate_retrieval
from tl_keras.evaluation.ranking_metrics import _mean


def value(figures, name, k):
    return figures[name][str(k)]["value"]


def test_values_by_hand():
    # Three relevant items each; found at ranks 1 and 3, and at none.
    found = evaluate_ranking([[1, 0, 1, 0], [0, 0, 0, np.nan]], [3, 3], ks=(1, 3, 4))
    assert [value(found, "precision", k) for k in (1, 3, 4)] == [1 / 2, 1 / 3, 1 / 4]
    np.testing.assert_allclose([value(found, "recall", k) for k in (1, 3)], [1 / 6, 1 / 3])
    assert value(found, "hit_rate", 3) == 0.5
    np.testing.assert_allclose(
        found["mean_average_precision"]["value"], (1 + 2 / 3) / 3 / 2, rtol=1e-12
    )
    ideal = 1 + 1 / np.log2(3) + 1 / 2
    np.testing.assert_allclose(value(found, "ndcg", 3), (1 + 1 / 2) / ideal / 2, rtol=1e-12)
    assert found["queries"] == 2
    assert found["depth"] == 4
    assert found["notes"] == []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(2, 25), st.integers(0, 2**32 - 1), st.booleans())
def test_the_whole_catalogue_ranked_is_scikit_learns(queries, items, seed, graded):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4 if graded else 2, (queries, items)).astype(float)
    truth[:, 0] = 1  # every query has a relevant item
    scores = rng.permuted(np.tile(np.arange(items, dtype=float), (queries, 1)), axis=1)
    order = np.argsort(-scores, axis=1)
    gains = np.take_along_axis(truth, order, axis=1)
    k = int(rng.integers(1, items + 1))
    found = evaluate_ranking(gains, list(truth), ks=[k])
    np.testing.assert_allclose(value(found, "ndcg", k), ndcg_score(truth, scores, k=k), rtol=1e-9)
    expected = np.mean(
        [average_precision_score(t > 0, s) for t, s in zip(truth, scores, strict=True)]
    )
    np.testing.assert_allclose(found["mean_average_precision"]["value"], expected, rtol=1e-9)
    top = gains[:, :k] > 0
    np.testing.assert_allclose(value(found, "precision", k), top.mean())
    np.testing.assert_allclose(
        value(found, "recall", k), (top.sum(axis=1) / (truth > 0).sum(axis=1)).mean()
    )
    np.testing.assert_allclose(value(found, "hit_rate", k), top.any(axis=1).mean())
    for figures in (*found["ndcg"].values(), found["mean_average_precision"]):
        assert 0 <= figures["low"] <= figures["value"] <= figures["high"] <= 1


def test_by_category_and_queries_without_relevant_items():
    found = evaluate_ranking(
        [[1, 0], [0, 0], [0, 0], [1, 1]], [1, 1, 0, 2], ks=[1], categories=["b", "b", "c", "a"]
    )
    assert [(one["name"], one["queries"]) for one in found["by_category"]] == [("a", 1), ("b", 2)]
    assert [value(one, "precision", 1) for one in found["by_category"]] == [1.0, 0.5]
    assert found["queries"] == 3
    assert found["notes"] == ["1 of 4 queries have no relevant item in the catalogue: left out."]
    assert found["by_category"][0]["precision"]["1"]["low"] < 0.6  # one query proves little


def test_vectors_find_their_label_and_never_themselves():
    rng = np.random.default_rng(0)
    labels = [*rng.integers(0, 5, 60).tolist(), -1, "alone"]
    vectors = rng.normal(size=(62, 6)).astype("float32")
    vectors[10] = vectors[11] = vectors[12]  # equal ones, of which each leaves out itself alone
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = evaluate_retrieval(vectors, labels, ks=(1, 5))
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    precision, average = [], []
    for row in range(60):
        same = np.array([other == labels[row] for other in labels])
        order = np.argsort(-similarity[row], kind="stable")[:61]
        precision.append(same[order][:5].mean())
        others = np.arange(62) != row
        average.append(average_precision_score(same[others], similarity[row][others]))
    assert found["queries"] == 60
    assert len(found["notes"]) == 1  # "alone"
    np.testing.assert_allclose(value(found, "precision", 5), np.mean(precision), atol=0.01)
    np.testing.assert_allclose(
        found["mean_average_precision"]["value"], np.mean(average), atol=0.01
    )
    other = evaluate_retrieval(
        vectors[:60], labels[:60], queries=vectors[:7], query_labels=labels[:7], ks=(1,), depth=9
    )
    assert value(other, "precision", 1) == 1.0  # these are in the catalogue, and not left out
    assert other["depth"] == 9


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    for draw, truth in (
        (lambda n: (rng.random(n) < 0.9).astype(float), 0.9),
        (lambda n: rng.binomial(5, 0.3, n) / 5, 0.3),
        (lambda n: rng.beta(0.4, 0.2, n), 2 / 3),
    ):
        for size in (20, 200):
            figures = [_mean(draw(size)) for _ in range(600)]
            held = np.mean([one["low"] <= truth <= one["high"] for one in figures])
            assert 0.92 <= held <= 0.995, (truth, size, held)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evaluate_ranking([1, 0], [1, 1]), r"shape \(2,\)"),
        (lambda: evaluate_ranking([[1, 0]], [1, 1], ks=[1]), "ideal for 2 queries"),
        (lambda: evaluate_ranking([[1, 0]], [1], ks=[3]), "ks: 3 .* from 1 to 2"),
        (lambda: evaluate_ranking([[1, 1]], [1], ks=[1]), "2 relevant results, but ideal knows 1"),
        (lambda: evaluate_ranking([[-1, 1]], [1], ks=[1]), "gain is below 0"),
        (lambda: evaluate_ranking([[0, 0]], [0], ks=[1]), "no query has a relevant item"),
        (lambda: evaluate_ranking([[0]], [1], ks=[1], categories=[]), "0 categories for 1"),
        (lambda: evaluate_retrieval(np.eye(2), ["a"]), "2 vectors with 1 labels"),
        (lambda: evaluate_retrieval(np.eye(1), ["a"]), "nothing to search in"),
        (lambda: evaluate_retrieval(np.eye(2), ["a", "b"], ks=[1]), "no query has a relevant"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
