"""Hit rate, nDCG and coverage of suggestions, counted by hand."""

import math

import pytest

from tl_keras.errors import InputError
from tl_keras.evaluation.recommendation_metrics import evaluate_suggestions


def test_counted_by_hand():
    suggested = [["a", "b", "c"], ["a"], ["d", "a", "b"]]
    wanted = [{"c", "x"}, {"a"}, {"e"}]
    found = evaluate_suggestions(suggested, wanted, 8, ks=(1, 3), categories=["p", "q", "q"])
    assert found["hit_rate"]["1"]["value"] == pytest.approx(1 / 3)
    assert found["hit_rate"]["3"]["value"] == pytest.approx(2 / 3)
    first = (1 / math.log2(4)) / (1 + 1 / math.log2(3))
    assert found["ndcg"]["3"]["value"] == pytest.approx((first + 1) / 3)
    assert found["recall"]["3"]["value"] == pytest.approx((0.5 + 1) / 3)
    assert found["coverage"] == {"1": 2 / 8, "3": 4 / 8}
    assert [(one["name"], one["queries"]) for one in found["by_category"]] == [("p", 1), ("q", 2)]


def test_what_does_not_fit():
    with pytest.raises(InputError, match="0 customers"):
        evaluate_suggestions([], [], 8)
    with pytest.raises(InputError, match="suggested twice"):
        evaluate_suggestions([["a", "a"]], [{"a"}], 8)
    with pytest.raises(InputError, match="no query has a relevant item"):
        evaluate_suggestions([["a"]], [set()], 8)
