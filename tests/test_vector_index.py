"""The index in a folder, against a dictionary and a full comparison."""

import importlib.util

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vector_sets import Reference

from tl_keras.errors import InputError
from tl_keras.retrieval import VectorIndex, segment

NEEDS_FAISS = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None,
    reason="needs faiss (pip install 'tl-keras[search]')",
)
FILTERS = [
    (None, lambda values: True),
    ({"kind": "shoe"}, lambda values: values.get("kind") == "shoe"),
    ({"kind": ["shoe", "bag"]}, lambda values: values.get("kind") in ("shoe", "bag")),
    ({"price": {">=": 3, "<": 7}}, lambda values: 3 <= values.get("price", -1) < 7),
    ({"new": True}, lambda values: values.get("new") is True),
    (
        {"new": False, "price": {">": 2}},
        lambda values: values.get("new") is False and values.get("price", 0) > 2,
    ),
    ({"note": {"<": "b"}}, lambda values: values.get("note", "z") < "b"),
    ({"price": 4}, lambda values: values.get("price") == 4),
    ({"kind": []}, lambda values: False),
]
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["shoe", "bag", "hat", None]),
        "price": st.one_of(st.integers(0, 9), st.floats(0, 9), st.none()),
        "new": st.booleans(),
        "note": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
        "sizes": st.lists(st.integers(0, 3), max_size=2),
    },
)
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "update", "update metadata", "delete"]),
        st.integers(0, 2**32 - 1),
        st.lists(VALUES, min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=8,
)
DIMENSION = 6


def act(store, reference, action):
    """One change of both: what, a seed, and the metadata that sets how many."""
    verb, seed, values = action
    rng = np.random.default_rng(seed)
    known = sorted(reference.vectors)
    if verb == "add":
        numbers = rng.choice(10**6, len(values), replace=False)
        ids = [one for one in (f"näme {n}" for n in numbers) if one not in reference.vectors]
    else:
        ids = list(rng.permutation(known)[: len(values)])
        ids = [str(one) for one in ids]
    if not ids:
        return
    vectors, values = rng.normal(size=(len(ids), DIMENSION)) * 3, values[: len(ids)]
    if verb == "add":
        # Some repeat others, to the letter.
        vectors[1:][rng.random(len(vectors) - 1) < 0.2] = vectors[0]
        store.add(ids, vectors, values)
        reference.add(ids, vectors, values)
    elif verb == "delete":
        store.delete(ids)
        reference.delete(ids)
    else:
        vectors = vectors if verb == "update" else None
        store.update(ids, vectors, values)
        reference.update(ids, vectors, values)


def compare(store, reference, seed):
    """Every answer of the store against the reference's."""
    rng = np.random.default_rng(seed)
    assert store.count() == len(reference.vectors)
    assert sorted(store.ids()) == sorted(reference.vectors)
    used = {name for values in reference.metadata.values() for name in values}
    for where, satisfied in FILTERS:
        if where is not None and not set(where) <= used:
            if reference.vectors:
                with pytest.raises(InputError, match="no item has such a column"):
                    store.search(np.ones(DIMENSION), 3, where=where)
            continue
        assert store.count(where) == len(reference.matching(satisfied))
        query = rng.normal(size=DIMENSION)
        left_out = sorted(reference.vectors)[:1]
        for k, exclude, collapse in ((1, [], None), (5, left_out, None), (4, [], 0.9)):
            hits = store.search(query, k, where=where, exclude=exclude, collapse=collapse)
            expected = reference.search(query, k, satisfied, exclude, collapse)
            # Equal vectors may come in any order.
            np.testing.assert_allclose(
                [hit.score for hit in hits], [score for _, score in expected], atol=1e-5
            )
            assert not {hit.id for hit in hits} & set(exclude)
            for hit in hits:
                assert hit.metadata == reference.metadata[hit.id]
                assert satisfied(hit.metadata)
                for twin in hit.duplicates:
                    assert reference.vectors[twin] @ reference.vectors[hit.id] > 0.9 - 1e-5
    for item in sorted(reference.vectors)[:2]:
        hits = store.similar(item, 3)
        expected = reference.search(reference.vectors[item], 3, lambda values: True, [item])
        assert item not in {hit.id for hit in hits}
        np.testing.assert_allclose(
            [hit.score for hit in hits], [score for _, score in expected], atol=1e-5
        )
    some = sorted(reference.vectors)[:3]
    np.testing.assert_allclose(
        store.vectors(some), np.array([reference.vectors[one] for one in some]).reshape(-1, 6),
        atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize("with_cells", [False, pytest.param(True, marks=NEEDS_FAISS)])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS)
def test_any_sequence_of_changes_equals_a_dictionary(tmp_path_factory, with_cells, actions):
    folder = tmp_path_factory.mktemp("index") / "deep" / "er"
    with pytest.MonkeyPatch.context() as patch:
        # Segments of 6 have cells; so few that search goes through all of them.
        patch.setattr(segment, "EXACT_UP_TO", 5 if with_cells else 10_000)
        store = VectorIndex.create(folder, DIMENSION, "model")
        reader = VectorIndex(folder, "model")
        reference = Reference(DIMENSION)
        for number, action in enumerate(actions):
            act(store, reference, action)
            if number % 3 == 2:
                compare(reader, reference, number)
        compare(store, reference, 0)
        compare(reader, reference, 0)
        compare(VectorIndex(folder, "model"), reference, 0)
