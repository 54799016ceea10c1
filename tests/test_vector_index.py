"""The index in a folder, against a dictionary and a full comparison."""

import importlib.util
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vector_sets import Reference, clustered

from tl_keras.errors import InputError
from tl_keras.evaluation.neighbours import exact_neighbours
from tl_keras.retrieval import PostgresIndex, VectorIndex, array_files, segment
from tl_keras.retrieval.array_files import Ids

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
    assert store.metadata(some) == [reference.metadata[one] for one in some]


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


@NEEDS_FAISS
def test_cells_find_what_a_full_comparison_finds(tmp_path):
    dimension, count, k = 48, 24_000, 10
    vectors, queries = clustered(count, dimension), clustered(150, dimension, part=1)
    # A placeholder picture: thousands of equal vectors, and some queries for them.
    vectors[5000:8000] = vectors[4999]
    queries[:5] = vectors[4999]
    price = np.random.default_rng(0).integers(0, 100, count)
    kind = (vectors[:, 0] > np.quantile(vectors[:, 0], 0.7)).astype(int)  # goes with the vectors
    store = VectorIndex.create(tmp_path / "index", dimension, "model")
    ids = [str(n) for n in range(count)]
    store.add(
        ids[:20_000], vectors[:20_000],
        [{"price": int(p), "kind": "ab"[c]} for p, c in zip(price, kind, strict=True)][:20_000],
    )  # fmt: skip
    store.add(
        ids[20_000:], vectors[20_000:],
        [{"price": int(p), "kind": "ab"[c]} for p, c in zip(price, kind, strict=True)][20_000:],
    )  # fmt: skip
    sizes = [len(one) for one in store._segments if one.cells is not None]
    assert sizes and sum(sizes) >= 20_000
    assert all(one.cells.settings["10"] for one in store._segments if one.cells is not None)

    def recall(mask, **search):
        rows = np.flatnonzero(mask)
        _, best = exact_neighbours(vectors[rows], queries, k)
        found = 0
        for query, scores in zip(queries, best, strict=True):
            hits = store.search(query, k, **search)
            assert len(hits) == k
            assert all(mask[int(hit.id)] for hit in hits)
            own = [float(vectors[int(hit.id)] @ query) for hit in hits]
            np.testing.assert_allclose([hit.score for hit in hits], own, atol=1e-5)
            found += sum(score >= scores[-1] - 1e-5 for score in own)
        return found / k / len(queries)

    everything = np.ones(count, bool)
    assert recall(everything) >= 0.97
    assert recall(price < 50, where={"price": {"<": 50}}) >= 0.97
    assert recall(price == 3, where={"price": 3}) >= 0.97
    assert recall(kind == 1, where={"kind": "b"}) >= 0.97
    store.delete(ids[:6000:3])
    left = ~np.isin(np.arange(count), np.arange(0, 6000, 3))
    assert recall(left) >= 0.97
    assert recall(left & (kind == 1), where={"kind": "b"}) >= 0.97
    hits = store.search(vectors[4999], 5, collapse=0.999)
    assert len(hits) == 5
    assert len(hits[0].duplicates) >= 10
    assert hits[1].score < 0.999


@NEEDS_FAISS
def test_vectors_without_any_order_are_compared_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "EXACT_UP_TO", 1000)
    vectors = np.random.default_rng(0).normal(size=(4000, 400)).astype("float32")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store = VectorIndex.create(tmp_path / "index", 400, "model")
    store.add([str(n) for n in range(4000)], vectors)
    queries = np.random.default_rng(1).normal(size=(20, 400))
    rows, _ = exact_neighbours(vectors, queries, 10)
    found = [{int(hit.id) for hit in store.search(query)} for query in queries]
    shared = np.mean([len(a & set(b.tolist())) / 10 for a, b in zip(found, rows, strict=True)])
    assert shared >= 0.97


def test_a_name_of_every_kind_comes_back(tmp_path):
    names = [f"näme/{n} 😀" for n in range(6000)]  # more than are listed once
    store = VectorIndex.create(tmp_path / "index", 3, "model")
    rng = np.random.default_rng(0)
    rows = [
        {"title": name, "huge": 2**60 + n, "big": [n], "mixed": n if n % 2 else str(n)}
        for n, name in enumerate(names)
    ]
    store.add(names, rng.normal(size=(6000, 3)), rows)
    again = VectorIndex(store.folder, "model")
    for n in (0, 17, 5999):
        (hit,) = again.search(again.vectors([names[n]])[0], 1, where={"title": names[n]})
        assert (hit.id, hit.metadata) == (names[n], rows[n])
    assert again.count({"mixed": 3}) == again.count({"mixed": "4"}) == 1
    assert again.count({"mixed": {">=": "0"}}) == 3000
    assert again.count({"huge": 2**60 + 1}) == 1
    assert again.count({"title": {"<": "o"}}) == 6000
    assert again.count({"big": 3}) == 0


def test_threads_search_while_one_writes(tmp_path):
    store = VectorIndex.create(tmp_path / "index", 8, "model")
    rng = np.random.default_rng(0)
    store.add([str(n) for n in range(50)], rng.normal(size=(50, 8)), [{"a": 1}] * 50)
    wrong = []

    def look():
        for _ in range(150):
            hits = store.search(np.ones(8), 60, where={"a": {">": 0}})
            if len(hits) != 50:
                wrong.append(len(hits))

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(10):
        store.update([str(n) for n in range(20)], metadata=[{"a": number + 1}] * 20)
    for thread in threads:
        thread.join()
    assert not wrong


def test_lengths_do_not_matter(tmp_path):
    store = VectorIndex.create(tmp_path / "index", 3, "model")
    store.add(["large", "small", "plain"], [[3e38, 3e38, 0], [1e-44, 0, 1e-44], [0, -0.5, -0.5]])
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        store.vectors(["large", "small", "plain"]),
        [[half, half, 0], [half, 0, half], [0, -half, -half]], atol=1e-6,
    )  # fmt: skip
    assert store.search([1e-42, 0, 1e-42], 1)[0].id == "small"


def filled(tmp_path):
    store = VectorIndex.create(tmp_path / "index", 3, "model A")
    store.add(["a", "b"], np.eye(3)[:2], [{"price": 2}, {"price": 3}])
    return store


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.add([], np.zeros((0, 3))), "the catalogue is empty"),
        (lambda s: s.add(["c"], np.ones((1, 4))), r"shape \(1, 4\), expected \(N, 3\)"),
        (lambda s: s.add(["c"], [[1, np.nan, 0]]), "number 0 .* NaN or infinity"),
        (lambda s: s.add(["c", "d"], [[1, 0, 0], [0, 0, 0]]), "number 1 .* zeros alone"),
        (lambda s: s.add(["c"], np.ones((2, 3))), "2 vectors for 1 ids"),
        (lambda s: s.add(["c"], [["x", "y", "z"]]), "not a table of numbers"),
        (lambda s: s.add(["c", "c"], np.ones((2, 3))), "'c' is given twice"),
        (lambda s: s.add(["c", "b"], np.ones((2, 3))), "holds 'b' already; update it"),
        (lambda s: s.add("cd", np.ones((2, 3))), "a list of strings"),
        (lambda s: s.add([7], np.ones((1, 3))), "id 7: expected a string"),
        (lambda s: s.add([""], np.ones((1, 3))), "not empty"),
        (lambda s: s.add(["\ud800"], np.ones((1, 3))), "no valid Unicode"),
        (lambda s: s.add(["c"], np.ones((1, 3)), [{"p": float("nan")}]), "'p': nan is no JSON"),
        (lambda s: s.add(["c"], np.ones((1, 3)), [{"p": {1}}]), "no JSON value"),
        (lambda s: s.add(["c"], np.ones((1, 3)), []), "metadata for 0 items"),
        (lambda s: s.add(["c"], np.ones((1, 3)), [3]), "expected a dictionary"),
        (lambda s: s.update(["a", "z"], np.ones((2, 3))), "holds no 'z'; add it first"),
        (lambda s: s.delete(["z", "y"]), "no 'z' nor 1 more"),
        (lambda s: s.search(np.ones(2)), r"query of shape \(1, 2\)"),
        (lambda s: s.search(np.zeros(3)), "zeros alone"),
        (lambda s: s.search(np.ones(3), 0), "k: 0"),
        (lambda s: s.search(np.ones(3), collapse=7), "collapse: 7"),
        (lambda s: s.search(np.ones(3), exclude="a"), "exclude: a list"),
        (lambda s: s.search(np.ones(3), where={"prise": 2}), "no item .* there are: price"),
        (lambda s: s.search(np.ones(3), where={"price": {"=": 2}}), "known are <"),
        (lambda s: s.search(np.ones(3), where={"price": None}), "cannot compare with None"),
        (lambda s: s.search(np.ones(3), where=["price"]), "a dictionary of columns"),
        (lambda s: s.similar("z"), "holds no 'z'"),
        (lambda s: VectorIndex.create(s.folder, 3, "x"), "holds an index already"),
        (lambda s: VectorIndex.create(s.folder / "n", 0, "x"), "dimension: 0"),
        (lambda s: VectorIndex.create(s.folder / "n", 3, ""), "fingerprint"),
        (lambda s: VectorIndex.create(s.folder / "index.json", 3, "x"), "cannot hold an index"),
        (lambda s: VectorIndex(s.folder.parent), "holds no index"),
        (lambda s: VectorIndex(s.folder, "model B"), "another model .*model A.*model B"),
        (lambda s: VectorIndex(s.folder).search(np.ones(3)), "without the fingerprint"),
        (lambda s: VectorIndex(s.folder).add(["c"], np.ones((1, 3))), "without the fingerprint"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(tmp_path, call, message):
    store = filled(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        call(store)
    assert "\n" not in str(caught.value)
    assert sorted(store.ids()) == ["a", "b"]
    assert store.count({"price": {"<": 5}}) == 2


def test_without_a_fingerprint_what_needs_none_works(tmp_path):
    filled(tmp_path)
    store = VectorIndex(tmp_path / "index")
    assert [hit.id for hit in store.similar("a")] == ["b"]
    store.delete(["b"])
    assert store.count() == 1


def test_a_damaged_index_says_so(tmp_path):
    store = filled(tmp_path)
    (file,) = store.folder.glob("segment-*/vectors.npy")
    file.unlink()
    with pytest.raises(InputError, match=r"damaged: .*vectors\.npy is missing"):
        VectorIndex(store.folder)
    (store.folder / "index.json").write_text("{}")
    with pytest.raises(InputError, match="no index of this version"):
        VectorIndex(store.folder)


def test_ids_of_equal_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(
        array_files, "hash_texts", lambda texts: np.array([len(t) for t in texts], np.uint64)
    )
    Ids.write(tmp_path, ["aa", "b", "cc", "dd"])
    assert Ids(tmp_path).rows(["dd", "cc", "aa", "b", "ee", "fff"]).tolist() == [3, 2, 0, 1, -1, -1]


def test_what_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(segment, "EXACT_UP_TO", 2)
    store = filled(tmp_path)
    for module in ("faiss", "psycopg"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'tl-keras\[search\]'"):
        store.add(["c"], np.ones((1, 3)))
    assert store.count() == 2
    with pytest.raises(InputError, match=r"pip install 'tl-keras\[postgres\]'"):
        PostgresIndex("postgresql:///shop", "shoes")
