"""Recommendation: logs of events, profiles of several interests, ranking, diversity and reasons."""

import itertools
import json

import numpy as np
import pytest

from tl_keras.cli.main import main
from tl_keras.errors import InputError
from tl_keras.retrieval import VectorIndex
from tl_keras.retrieval.diversity import diversified, places
from tl_keras.retrieval.events import Event, last_session, read_events, with_ids
from tl_keras.retrieval.profiles import HALF_LIFE, Cause, group, popularity, weigh
from tl_keras.retrieval.recommendation import Recommender
from tl_keras.retrieval.replaying import replay, trials

DAY = 86_400.0
KINDS = ("shirt", "watch", "shoe", "bag", "hat")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """200 items of 5 kinds in 16 dimensions; the last two repeat items 0 and 1."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 16))
    kinds = np.arange(200) % 5
    # All share a direction, as features of an untrained base do.
    vectors = 1 + centres[kinds] + 0.6 * rng.normal(size=(200, 16))
    vectors[198:] = vectors[:2]
    index = VectorIndex.create(tmp_path_factory.mktemp("shop") / "index", 16, "model")
    rows = [{"label": KINDS[k], "price": int(n)} for n, k in enumerate(kinds)]
    rows[198] |= {"label": "shirt"}
    index.add([f"i{n}" for n in range(200)], vectors, rows)
    return index


@pytest.fixture(scope="module")
def recommender(shop):
    return Recommender(shop)


def kind_of(suggestion):
    return KINDS[int(suggestion.id[1:]) % 5]


def test_a_log_is_read_whatever_its_order(tmp_path):
    table = tmp_path / "events.csv"
    table.write_text(
        "time;Item;customer;KIND;device\n"
        "2024-05-02;b;anna;Purchase;phone\n"
        "2024-05-01T12:00:00+00:00;a;anna;view;desk\n"
        "2024-05-01;b;ben;dislike;phone\n"
    )
    events = read_events(table)
    assert list(events) == ["anna", "ben"]
    assert [(event.item, event.kind) for event in events["anna"]] == [
        ("a", "view"), ("b", "purchase"),
    ]  # fmt: skip
    assert events["anna"][1].time - events["anna"][0].time == DAY / 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("customer,item,kind\na,b,view\n", "no column 'time'"),
        ("customer,item,kind,time\na,b,bought,1\n", "row 2: kind 'bought'; expected one of view"),
        ("customer,item,kind,time\na,b,view,2024-05-01\na,b,view,soon\n", "row 3: time 'soon'"),
        ("customer,item,kind,time\n,b,view,1\n", "row 2: no customer"),
        ("customer,item,kind,time\na,,view,1\n", "row 2: no item"),
        ("customer,item,kind,time\na,b,view,1,2\n", "5 cells, the header has 4"),
        ("customer,item,kind,time\n", "no rows"),
        ("", "is empty"),
    ],
)
def test_a_log_that_cannot_be_understood_says_where(tmp_path, text, message):
    table = tmp_path / "events.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=message):
        read_events(table)


def test_sessions_end_where_half_an_hour_is_still():
    events = [Event("a", "view", 0), Event("b", "view", 1799), Event("c", "view", 3599)]
    before, last = last_session(events)
    assert [len(before), len(last)] == [2, 1]
    assert last_session(events[:2]) == ([], events[:2])
    assert last_session([]) == ([], [])


def test_weights_are_of_kinds_halved_with_age():
    events = [
        Event("old", "purchase", 0),
        Event("new", "view", 2 * HALF_LIFE),
        Event("new", "like", 2 * HALF_LIFE),
        Event("half", "view", HALF_LIFE),
    ]
    for order in itertools.permutations(events):
        liked, disliked = weigh(order)
        assert liked == [
            Cause("new", "like", 4.0), Cause("old", "purchase", 1.25), Cause("half", "view", 0.5),
        ]  # fmt: skip
        assert not disliked
    later = [event._replace(time=event.time + 5e9) for event in events]
    assert weigh(later) == weigh(events)


def test_the_last_verdict_counts():
    before = [Event("a", "purchase", 0), Event("a", "dislike", 1), Event("a", "view", 2)]
    liked, disliked = weigh(before)
    assert not liked
    assert [cause.item for cause in disliked] == ["a"]
    liked, disliked = weigh([*before, Event("a", "like", 3)])
    assert [cause.item for cause in liked] == ["a"]
    assert not disliked


def test_ages_of_centuries_do_not_vanish():
    liked, _ = weigh([Event("a", "view", 0), Event("b", "dislike", 1e13)])
    assert liked[0].weight > 0
    assert group(liked, np.float32([[1, 0]]), 0.5)[0].share == 1


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_those_of_average_linkage(seed):
    """Against scipy's; it measures distances, of which 1 - cosine is one."""
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(int(rng.integers(2, 30)), 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    causes = [Cause(str(n), "view", float(rng.uniform(0.1, 5))) for n in range(len(vectors))]
    tree = hierarchy.linkage((1 - vectors @ vectors.T)[np.triu_indices(len(vectors), 1)], "average")
    for alike in (-0.3, 0.2, 0.7, 0.999):
        found = group(causes, vectors, alike)
        numbers = hierarchy.fcluster(tree, 1 - alike, "distance")
        expected = {frozenset(np.flatnonzero(numbers == one).tolist()) for one in set(numbers)}
        assert {frozenset(int(cause.item) for cause in one.causes) for one in found} == expected
        assert sum(one.share for one in found) == pytest.approx(1)
        assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)
        for one in found:
            weights = [cause.weight for cause in one.causes]
            assert weights == sorted(weights, reverse=True)
            mean = np.array(weights) @ vectors[[int(cause.item) for cause in one.causes]]
            np.testing.assert_allclose(one.centre, mean / np.linalg.norm(mean), atol=1e-6)


@pytest.mark.parametrize("seed", range(10))
def test_diversity_is_the_published_rule(seed):
    rng = np.random.default_rng(seed)
    relevance, likeness = rng.random(8), rng.random((8, 8))
    likeness = np.triu(likeness, 1) + np.triu(likeness, 1).T + np.eye(8)
    for diversity in (0.0, 0.3, 1.0):
        chosen = [int(relevance.argmax())]
        while len(chosen) < 5:
            left = [n for n in range(8) if n not in chosen]
            chosen.append(max(left, key=lambda n: (1 - diversity) * relevance[n]
                              - diversity * max(likeness[n, c] for c in chosen)))  # fmt: skip
        found = diversified(relevance[None], likeness, [0] * 5, diversity)
        assert found == [(0, n) for n in chosen]
    found = diversified(relevance[None], likeness, [0] * 20, 0.0)
    assert [n for _, n in found] == np.argsort(-relevance).tolist()


def test_what_must_not_be_shown_together_is_not():
    likeness = np.array([[np.nan, np.nan, 0.2], [np.nan, np.nan, 0.1], [0.2, 0.1, np.nan]])
    found = diversified(np.array([[1.0, 0.9, 0.1]]), likeness, [0, 0, 0], 0.2)
    assert found == [(0, 0), (0, 2)]


def test_each_interest_has_its_turn_unless_nothing_is_left_for_it():
    relevance = np.array([[1.0, 0.8, 0.6, -1, -1], [-1, -1, -0.5, 1.0, -0.2]])
    found = diversified(relevance, np.zeros((5, 5)), [1, 0, 1, 1, 0], 0.0)
    assert found == [(1, 3), (0, 0), (0, 1), (0, 2), (1, 4)]


def test_places_are_dealt_as_seats_are():
    """The example of Wikipedia's page on the method; and no share is far off."""
    assert np.bincount(places([53, 24, 23], 7)).tolist() == [3, 2, 2]
    rng = np.random.default_rng(0)
    for _ in range(50):
        shares = rng.dirichlet(np.ones(4))
        dealt = places(shares, 100)
        for k in (10, 30, 100):
            assert np.abs(np.bincount(dealt[:k], minlength=4) - k * shares).max() < 1.5


def test_several_interests_are_all_served_each_with_its_reason(recommender, shop):
    near = shop.similar("i0", 1, exclude=["i198"])[0].id
    events = [Event("i0", "purchase", 0), Event(near, "view", 60), Event("i1", "like", DAY)]
    profile = recommender.profile(events)
    assert [[cause.item for cause in one.causes] for one in profile.interests] == [
        ["i0", near], ["i1"],
    ]  # fmt: skip
    assert [one.share for one in profile.interests] == pytest.approx([6 / 9, 3 / 9], abs=0.02)
    found = recommender.suggest(events, k=9)
    assert len({one.id for one in found}) == 9
    assert sorted(kind_of(one) for one in found) == ["shirt"] * 6 + ["watch"] * 3
    for one in found:
        assert kind_of(one) == KINDS[int(one.because.item[1:]) % 5]
        done = {"i0": "bought", near: "looked at", "i1": "liked"}[one.because.item]
        assert one.reason == f"like the {kind_of(one)} you {done}"
        assert 0 <= one.score <= found[0].score == 1


def test_recency_decides_between_interests(recommender):
    old, new = Event("i0", "like", 0), Event("i1", "like", 400 * DAY)
    assert kind_of(recommender.suggest([old, new], k=1)[0]) == "watch"
    swapped = [old._replace(time=400 * DAY), new._replace(time=0)]
    assert kind_of(recommender.suggest(swapped, k=1)[0]) == "shirt"
    first = recommender.suggest([old, new], k=10, half_life=10 * DAY, diversity=0)
    assert {kind_of(one) for one in first} == {"watch"}


def test_nothing_met_nor_its_repetition_comes_back(recommender):
    events = [Event("i0", "purchase", 0), Event("i10", "dislike", 1)]
    found = {one.id for one in recommender.suggest(events, k=30)}
    assert not found & {"i0", "i10", "i198"}
    assert "i198" in {one.id for one in recommender.suggest(events, k=5, collapse=None)}
    both = {one.id for one in recommender.suggest([Event("i5", "like", 0)], k=60)}
    assert len(both & {"i0", "i198"}) == 1


def test_dislikes_keep_what_is_like_them_away(recommender, shop):
    liked = [Event("i0", "like", 0), Event("i1", "like", 0)]
    first = recommender.suggest(liked, k=10)
    watch = next(one for one in first if kind_of(one) == "watch")
    near = [hit.id for hit in shop.similar(watch.id, 3, exclude=["i1"])]
    after = recommender.suggest([*liked, *(Event(one, "dislike", 1) for one in near)], k=10)

    def likeness(suggestions):
        shown = [one.id for one in suggestions if kind_of(one) == "watch" and one.id not in near]
        return (shop.vectors(shown) @ shop.vectors(near).T).max(axis=1).mean()

    assert not [one for one in after if one.id == watch.id and one.score >= watch.score - 0.1]
    assert likeness(after) < likeness(first)
    assert not {one.id for one in after} & set(near)
    shirts = [[one.id for one in some if kind_of(one) == "shirt"] for some in (first, after)]
    assert shirts[0][:5] == shirts[1][:5]
    assert recommender.suggest([Event("i0", "dislike", 0)]) == []
    assert recommender.suggest([]) == []


def test_filters_and_items_left_out(recommender):
    events = [Event("i0", "purchase", 0), Event("gone", "purchase", 1)]
    assert recommender.profile(events).gone == {"gone"}
    found = recommender.suggest(events, k=5, where={"price": {"<": 30}}, exclude=["i5"])
    assert all(one.metadata["price"] < 30 for one in found)
    assert "i5" not in {one.id for one in found}
    assert len(found) == 5
    assert recommender.suggest(events, where={"price": {"<": 0}}) == []
    hats = recommender.suggest(events, where={"label": "hat"})
    assert {one.reason for one in hats if one.score < 0} == {"nearest to the shirt you bought"}
    assert recommender.suggest([Event("gone", "view", 0)]) == []


@pytest.mark.parametrize("seed", range(10))
def test_whatever_a_customer_did(recommender, seed):
    rng = np.random.default_rng(seed)
    many = int(rng.integers(1, 60))
    kinds = ("view", "like", "purchase", "dislike")
    events = [
        Event(f"i{rng.integers(210)}", str(rng.choice(kinds)), float(time))
        for time in rng.choice(100_000_000, many, replace=False)
    ]
    k, limit = int(rng.integers(1, 40)), int(rng.integers(20, 200))
    found = recommender.suggest(events, k, where={"price": {"<": limit}}, popular={"i7": 3})
    again = recommender.suggest(
        [events[n] for n in rng.permutation(many)], k, where={"price": {"<": limit}},
        popular={"i7": 3},
    )  # fmt: skip
    assert [one.id for one in found] == [one.id for one in again]
    ids, met = [one.id for one in found], {event.item for event in events}
    assert len(ids) == len(set(ids)) <= k
    assert not set(ids) & met
    spoken = {cause.item: cause.kind for cause in weigh(events)[0]}
    for one in found:
        assert one.metadata["price"] < limit
        assert one.score <= 1
        assert spoken[one.because.item] == one.because.kind
    if any(int(item[1:]) < 200 for item in spoken):
        fitting = {f"i{n}" for n in range(limit)} - met - {"i198", "i199"}
        assert len(ids) >= min(k, len(fitting) - 2)


def test_more_diversity_is_less_alike(recommender, shop):
    def spread(diversity):
        found = recommender.suggest([Event("i0", "like", 0)], k=10, diversity=diversity)
        vectors = shop.vectors([one.id for one in found])
        return (vectors @ vectors.T)[np.triu_indices(10, 1)].mean()

    assert spread(0.0) > spread(0.5) > spread(0.9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k: 0"),
        ({"diversity": 1.5}, "diversity: 1.5"),
        ({"half_life": 0}, "half_life: 0"),
        ({"collapse": 2}, "collapse: 2"),
        ({"exclude": "i1"}, "exclude"),
        ({"where": {"colour": "red"}}, "no item has such a column"),
    ],
)
def test_arguments_out_of_range(recommender, arguments, message):
    with pytest.raises(InputError, match=message):
        recommender.suggest([Event("i0", "view", 0)], **arguments)
    with pytest.raises(InputError, match="kind 'bought'"):
        recommender.suggest([Event("i0", "bought", 0)])


def test_a_catalogue_of_one_item_is_refused(tmp_path):
    index = VectorIndex.create(tmp_path / "index", 2, "model")
    with pytest.raises(InputError, match="0 items"):
        Recommender(index)
    index.add(["a"], [[1, 0]])
    with pytest.raises(InputError, match="1 items"):
        Recommender(index)


def test_products_may_be_named_as_a_shop_does():
    ids = ["a/17.jpg", "b/18.jpg", "c/18.jpg", "19"]
    named = [Event(item, "view", 0) for item in ("17", "a/17.jpg", "18", "19", "20")]
    assert [event.item for event in with_ids({"anna": named}, ids)["anna"]] == [
        "a/17.jpg", "a/17.jpg", "18", "19", "20",
    ]  # fmt: skip


def test_what_is_popular(recommender):
    histories = [
        [Event("i1", "view", 0)],
        [Event("i1", "like", 0), Event("i2", "view", 0), Event("gone", "view", 1)],
        [Event("i1", "view", 0), Event("i3", "view", 0), Event("gone", "view", 1)],
        [Event("i2", "dislike", 0), Event("i3", "purchase", 0), Event("gone", "like", 1)],
    ]
    counts = popularity(histories)
    assert list(counts.items()) == [("gone", 3), ("i1", 3), ("i3", 2), ("i2", 1)]
    found = recommender.popular(counts, k=5)
    assert [one.id for one in found] == ["i1", "i3", "i2"]
    assert [one.score for one in found] == pytest.approx([1, 2 / 3, 1 / 3])
    assert [one.id for one in recommender.popular(counts, histories[0], k=1)] == ["i3"]
    some = recommender.popular(counts, where={"label": ["shoe", "bag"]})
    assert [one.id for one in some] == ["i3", "i2"]
    with pytest.raises(InputError, match="no item has such a column"):
        recommender.popular(counts, where={"colour": "red"})


def test_of_what_suits_as_well_the_popular_comes_first(recommender):
    events = [Event("i0", "like", 0)]
    plain = recommender.suggest(events, k=10, diversity=0)
    sixth = plain[5].id
    found = recommender.suggest(events, k=10, diversity=0, popular={sixth: 1000, "i3": 10_000})
    assert found[0].id == sixth
    assert "i3" not in {one.id for one in found}


def test_what_is_held_out():
    histories = {
        "anna": [Event("a", "view", 0), Event("b", "view", DAY), Event("a", "like", DAY)],
        "once": [Event("a", "view", 0), Event("b", "view", 60)],
        "again": [Event("a", "view", 0), Event("a", "view", DAY)],
        "no": [Event("a", "view", 0), Event("b", "dislike", DAY)],
        "gone": [Event("a", "view", 0), Event("c", "view", DAY)],
    }
    found = trials(histories, {"a", "b"})
    assert list(found) == ["anna"]
    assert found["anna"].wanted == {"b"}
    assert found["anna"].before == histories["anna"][:1]


def test_a_log_tells_whether_suggestions_would_have_been_right(recommender, shop):
    """Customers who stay with their kind are foreseen; the popular items are of another."""
    rng = np.random.default_rng(0)
    histories = {f"c{n}": [Event("i4", "view", 0), Event("i9", "view", 1)] for n in range(30)}
    for number in range(20):
        items = [f"i{n}" for n in rng.choice(np.arange(number % 3, 190, 5), 13, replace=False)]
        times = [day * DAY for day in range(3)] + [3 * DAY] * 10
        histories[f"d{number}"] = [
            Event(item, "view", time) for item, time in zip(items, times, strict=True)
        ]
    found = replay(recommender, histories, 10)
    assert found["recommended"]["queries"] == 20
    assert found["recommended"]["hit_rate"]["10"]["value"] >= 0.9
    assert found["popular"]["hit_rate"]["10"]["value"] < 0.7
    assert found["recommended"]["coverage"]["10"] > found["popular"]["coverage"]["10"]
    with pytest.raises(InputError, match="no customer has two sessions"):
        replay(recommender, {"c": histories["c0"]})


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    table = tmp_path_factory.mktemp("log") / "events.csv"
    table.write_text(
        "customer,item,kind,time\n"
        "anna,i0,purchase,2024-05-01\nanna,i1,like,2024-05-02\nanna,sold out,view,2024-05-02\n"
        "ben,i0,view,2024-05-01\nben,i3,view,2024-05-03\n"
        "cleo,i4,dislike,2024-05-03\n"
    )
    return str(table)


def test_the_command_suggests(shop, log, capsys):
    asked = ["recommend", str(shop.folder), "--events", log]
    assert main([*asked, "--customer", "anna", "-k", "12"]) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 12
    assert "like the shirt you bought (i0)" in printed.out
    assert "like the watch you liked (i1)" in printed.out
    assert "1 items that anna had to do with are not in the catalogue" in printed.err
    assert main([*asked, "--customer", "anna", "--json", "--where", "price<50"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["items"] for one in said["interests"]] == [["i0"], ["i1"]]
    assert all(one["metadata"]["price"] < 50 for one in said["suggestions"])
    assert said["suggestions"][0]["because"]["item"] in ("i0", "i1")


def test_the_command_shows_strangers_what_is_popular(shop, log, capsys):
    asked = ["recommend", str(shop.folder), "--events", log]
    assert main([*asked, "--customer", "dora", "-k", "1"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "  1  i0  popular\n"
    assert f"customer dora is not in {log}" in printed.err
    assert main([*asked, "--customer", "cleo", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert "nothing to go by" in said["notes"][0]
    assert [one["because"] for one in said["suggestions"]] == [None] * 3


def test_the_command_shows_what_is_like_an_item(shop, capsys):
    assert main(["recommend", str(shop.folder), "--item", "i0", "-k", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["item"] == "i0"
    assert not {"i0", "i198"} & {one["id"] for one in said["similar"]}
    assert len(said["similar"]) == 3
    assert main(["recommend", str(shop.folder), "--item", "i0", "--where", "price<0"]) == 0
    assert "no other item satisfies --where" in capsys.readouterr().out


def test_the_command_tries_itself_on_the_log(shop, log, capsys):
    asked = ["recommend", str(shop.folder), "--events", log, "--evaluate"]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert "the last session of 2 customers" in printed
    assert "recommended" in printed
    assert "popular" in printed
    assert main([*asked, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"recommended", "popular"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--customer", "anna"], "give --events as well"),
        (["--evaluate"], "give --events as well"),
        (["--item", "i0", "--events", "LOG"], "--events has no effect with --item"),
        (["--item", "i0", "--half-life", "3"], "--half-life has no effect with --item"),
        (["--item", "none"], "holds no 'none'"),
        (["--item", "i0", "--noun", "label"], "--noun has no effect with --item"),
        (["--customer", "anna", "--events", "LOG", "--noun", "colour"], "no item has such"),
        (["--item", "i0", "-k", "0"], "k: 0"),
        (["--customer", "anna", "--events", "LOG", "--where", "price"], "is no condition"),
        (["--customer", "anna", "--events", "LOG", "--where", "size=M"], "no item has such"),
        (["--customer", "anna", "--events", "LOG", "--half-life", "-1"], "half_life: "),
        (["--customer", "anna", "--events", "no.csv"], "cannot read no.csv"),
        (["--evaluate", "--events", "LOG", "--where", "price<3"], "no effect with --evaluate"),
    ],
)
def test_the_command_refuses_in_one_line(shop, log, capsys, words, message):
    words = [log if word == "LOG" else word for word in words]
    assert main(["recommend", str(shop.folder), *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert main(["recommend", "nowhere", "--item", "a"]) == 2
    assert "nowhere" in capsys.readouterr().err
