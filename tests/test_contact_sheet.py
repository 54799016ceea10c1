"""Contact sheets: which queries are shown, what is said of them, and what is drawn."""

import re

import numpy as np
import pytest

from tl_keras.errors import InputError
from tl_keras.evaluation import contact_picture, contact_rows, contact_section, evaluate_retrieval

# A class of three around each axis of the plane, and one "b" that lies among the "a".
_ANGLES = [0, 4, 8, 90, 94, 2]
LABELS = ["a", "a", "a", "b", "b", "b"]
VECTORS = np.stack([np.cos(np.radians(_ANGLES)), np.sin(np.radians(_ANGLES))], 1).astype("float32")


def plain(item):
    return np.full((20, 30, 3), 40 * item, np.uint8)


def clusters(seed, classes=5, each=8, spread=0.8):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, 16))
    vectors = np.repeat(centres, each, 0) + spread * rng.normal(size=(classes * each, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype("float32"), np.repeat([f"class {k}" for k in range(classes)], each)


def test_values_by_hand():
    rows = contact_rows(VECTORS, LABELS, hits=2, rows=6)
    worst = {row.query: row for row in rows.worst}
    # The stray "b" (item 5) finds "a" at 0 and 4 degrees; its own come behind the "a" at 8.
    assert [hit.item for hit in worst[5].hits] in ([0, 1], [1, 0])
    assert [hit.right for hit in worst[5].hits] == [False, False]
    assert worst[5].missed.item == 3
    assert worst[5].missed.rank == 4
    assert worst[5].relevant == 2
    np.testing.assert_allclose(worst[5].missed.score, np.cos(np.radians(88)), atol=1e-6)
    # It is the worst: nothing found. Item 0 found one of two; 3 and 4 each other and then an "a".
    assert rows.worst[0].query == 5
    assert 0 in worst
    assert [hit.right for hit in worst[0].hits] == [False, True]
    assert {row.query for row in rows.drawn} == set(range(6))


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_all_results_sorted(seed):
    vectors, labels = clusters(seed)
    for row in contact_rows(vectors, labels, hits=4, rows=40, seed=seed).drawn:
        scores = vectors @ vectors[row.query]
        order = [n for n in np.argsort(-scores, kind="stable") if n != row.query]
        assert [hit.item for hit in row.hits] == order[:4]
        for hit in (*row.hits, *([row.missed] if row.missed else [])):
            assert order[hit.rank - 1] == hit.item
            assert hit.right == (labels[hit.item] == labels[row.query])
        rest = [n for n in order[4:] if labels[n] == labels[row.query]]
        if all(hit.right for hit in row.hits):
            rest = []  # no miss to show
        assert (row.missed.item if row.missed else None) == (rest[0] if rest else None)


def test_worst_are_those_that_found_least_and_no_class_fills_the_sheet():
    vectors, labels = clusters(1, spread=1.2)
    rows = contact_rows(vectors, labels, hits=7, rows=5)
    assert len({labels[row.query] for row in rows.worst}) == 5
    assert len({labels[row.query] for row in rows.drawn}) == 5
    shares = [sum(hit.right for hit in row.hits) for row in rows.worst]
    assert shares == sorted(shares)
    precision = evaluate_retrieval(vectors, labels, ks=[7])["precision"]["7"]["value"]
    drawn = contact_rows(vectors, labels, hits=7, rows=100).drawn
    assert np.mean([hit.right for row in drawn for hit in row.hits]) == pytest.approx(precision)
    for row in rows.worst:  # none of its class is worse
        same = [one for one in drawn if labels[one.query] == labels[row.query]]
        assert min(sum(h.right for h in one.hits) for one in same) == sum(h.right for h in row.hits)


def test_queries_of_their_own_and_a_sample_of_them():
    queries = VECTORS[[0, 3]]
    rows = contact_rows(
        VECTORS, LABELS, queries=queries, query_labels=["a", "b"], sample=[1], hits=2
    )
    (row,) = rows.drawn
    assert row.query == 1
    assert row.hits[0].item == 3  # not left out: the query is none of the catalogue
    assert row.relevant == 3
    sheet = contact_picture(
        rows, plain, LABELS, read_query=lambda query: plain(query + 4), query_labels=["a", "b"]
    )
    assert (sheet == 200).all(axis=2).sum() > 200  # the query's own grey, 40 * 5


def test_labels_that_nothing_else_has_are_no_queries():
    rows = contact_rows(VECTORS, ["a", "a", None, -1, "c", "b"], hits=1)
    assert {row.query for row in rows.drawn} == {0, 1}
    with pytest.raises(InputError, match="nothing can be shown"):
        contact_rows(VECTORS, list("abcdef"))
    with pytest.raises(InputError, match="6 vectors with 2 labels"):
        contact_rows(VECTORS, ["a", "b"])


def test_section_frames_right_and_wrong_and_escapes_names():
    labels = [f"<b>{name}" for name in LABELS]
    rows = contact_rows(VECTORS, labels, hits=2, rows=6)
    page = contact_section(rows, plain, labels)
    shown = [hit for row in (*rows.drawn, *rows.worst) for hit in row.hits]
    assert page.count('<figure class="right">') == sum(hit.right for hit in shown)
    assert page.count('<figure class="wrong">') == sum(not hit.right for hit in shown)
    assert "<b>a" not in page
    assert "&lt;b&gt;a" in page
    assert "✗ 1.00, &lt;b&gt;b" in page
    assert "place 4, 0.03" in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_sheet_has_a_frame_for_every_hit_and_grows_with_its_rows():
    few = contact_picture(contact_rows(VECTORS, LABELS, hits=2, rows=1), plain, LABELS)
    many = contact_picture(contact_rows(VECTORS, LABELS, hits=2, rows=6), plain, LABELS)
    assert few.shape[1] == many.shape[1]
    assert many.shape[0] > few.shape[0]
    rows = contact_rows(VECTORS, LABELS, hits=2, rows=1)
    green = (few == (0, 158, 115)).all(axis=2).any(axis=0)
    red = (few == (213, 94, 0)).all(axis=2).any(axis=0)
    hits = [hit for row in (*rows.drawn, *rows.worst) for hit in row.hits]
    assert green.any() == any(hit.right for hit in hits)
    assert red.any() == any(not hit.right for hit in hits)
