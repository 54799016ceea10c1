"""Splits and folds of random tables: complete, free of leaks, even, and a function of content."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from tl_keras.data import Boxes, Examples
from tl_keras.data.splitting import split_fingerprint, split_positions
from tl_keras.errors import InputError

WAYS = ("stratified", "group", "tags", "time:taken")


def table(draw: random.Random, classes: int = 3, most: int = 60) -> Examples:
    """Random labels, copies (at times of another label), groups, tags and times."""
    count = draw.randint(4 * classes, most)
    labels = [i % classes for i in range(count)]
    draw.shuffle(labels)
    digests = [f"{i:x}" for i in range(count)]
    for _ in range(draw.randint(0, count // 6)):
        digests[draw.randrange(count)] = digests[draw.randrange(count)]
    groups = ["a", *(draw.choice([None, *"abcdefgh"]) for _ in range(count - 1))]
    tags = [[draw.choice([1, 0, 0, -1]) for _ in range(4)] for _ in range(count)]
    taken = [f"2024-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}" for _ in range(count)]
    names = tuple("xyzuvw"[:classes])
    return Examples(
        tuple(f"{i}.png" for i in range(count)), np.array(labels), names, tuple(digests),
        (None,) * count, tags=np.array(tags), tag_names=tuple("pqrs"), groups=tuple(groups),
        extra={"taken": tuple(taken)},
    )  # fmt: skip


def singles(labels, **columns) -> Examples:
    count = len(labels)
    names = tuple(f"class{i}" for i in range(max(labels) + 1))
    digests = columns.pop("digests", tuple(f"{i:x}" for i in range(count)))
    return Examples(
        tuple(f"{i}.png" for i in range(count)), np.array(labels), names, digests,
        (None,) * count, **columns,
    )  # fmt: skip


def joined(examples: Examples, train, val, by: str, together=()):
    """What lies on both sides."""
    crossing = set(np.array(examples.digests)[train]) & set(np.array(examples.digests)[val])
    if by == "group":
        groups = [{examples.groups[i] for i in side} - {None} for side in (train, val)]
        crossing |= groups[0] & groups[1]
    for positions in together:
        if set(positions) & set(train) and set(positions) & set(val):
            crossing.add(tuple(positions))
    return crossing


tables = st.integers(0, 10**6).map(lambda number: table(random.Random(number)))


@settings(max_examples=120, deadline=None)
@given(examples=tables, by=st.sampled_from(WAYS), seed=st.integers(0, 99))
def test_nothing_stands_on_both_sides_of_a_split(examples, by, seed):
    draw, positions = random.Random(seed), range(len(examples))
    together = [draw.sample(positions, 2) for _ in range(draw.randint(0, 3))]
    fraction = draw.uniform(0.1, 0.5)
    try:
        train, val = split_positions(examples, fraction, seed, by, together)
    except InputError as refused:
        assert "class" in str(refused) or "times" in str(refused)
        return
    assert sorted(train + val) == list(positions) and train and val
    assert not joined(examples, train, val, by, together)
    assert set(examples.labels[train]) == set(examples.labels)
    if not by.startswith("time"):
        assert set(examples.labels[val]) == set(examples.labels)


@settings(max_examples=80, deadline=None)
@given(
    examples=tables, by=st.sampled_from(WAYS[:3]), k=st.integers(2, 4), repeats=st.integers(1, 3)
)
def test_folds_validate_everything_once_a_repeat(examples, by, k, repeats):
    try:
        folds = examples.folds(k, seed=7, repeats=repeats, by=by)
    except InputError as refused:
        assert "class" in str(refused)
        return
    assert len(folds) == k * repeats
    at = {path: i for i, path in enumerate(examples.paths)}
    for start in range(0, len(folds), k):
        validated = [at[path] for _, val in folds[start : start + k] for path in val.paths]
        assert sorted(validated) == list(range(len(examples)))
    for train, val in folds:
        sides = [[at[path] for path in side.paths] for side in (train, val)]
        assert sorted(sides[0] + sides[1]) == list(range(len(examples)))
        assert not joined(examples, *sides, by)
        assert all(train.counts().values())
        assert by != "stratified" or all(val.counts().values())
    # Few groups, or tags, may have one best way of being dealt, and repeats find it again.
    if repeats > 1 and by == "stratified":
        assert {v.fingerprint() for _, v in folds[:k]} != {v.fingerprint() for _, v in folds[k:]}
    first = [val.paths for _, val in examples.folds(k, seed=7, by=by)]
    assert first == [val.paths for _, val in folds[:k]]


@settings(max_examples=60, deadline=None)
@given(examples=tables, by=st.sampled_from(WAYS), number=st.integers(0, 999))
def test_the_order_of_the_table_and_the_names_do_not_matter(examples, by, number):
    order = list(range(len(examples)))
    random.Random(number).shuffle(order)
    mixed = examples.subset(order)
    groups = None if mixed.groups is None else tuple(g and f"other {g}" for g in mixed.groups)
    mixed = Examples(
        tuple(f"elsewhere/{p}" for p in mixed.paths), mixed.labels, mixed.class_names,
        mixed.digests, mixed.splits, tags=mixed.tags, tag_names=mixed.tag_names, groups=groups,
        extra=mixed.extra,
    )  # fmt: skip

    def results(one):
        found = []
        for make in (lambda: [one.split(0.3, 5, by=by)], lambda: one.folds(3, 5, by=by)):
            try:
                found.append([split_fingerprint(*sides) for sides in make()])
            except InputError:
                found.append("refused")
        return found

    assert results(examples) == results(mixed)


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(5, 60), min_size=2, max_size=6), seed=st.integers(0, 999))
def test_stratified_folds_of_single_images_are_as_even_as_can_be(counts, seed):
    examples = singles([c for c, count in enumerate(counts) for _ in range(count)])
    vals = [val for _, val in examples.folds(5, seed)]
    per_class = np.array([list(val.counts().values()) for val in vals])
    assert (per_class.max(axis=0) - per_class.min(axis=0) <= 1).all()
    assert np.ptp(per_class.sum(axis=1)) <= 1


def test_seeds_differ_and_every_example_is_drawn_about_equally_often():
    examples = singles([0, 1] * 20, groups=tuple(f"{i // 2}" for i in range(40)))
    drawn = np.zeros(40)
    for seed in range(200):
        drawn[split_positions(examples, 0.25, seed, "group")[1]] += 1
    # Binomial(200, 1/4): mean 50, standard deviation 6.1; five of them either way.
    assert (drawn > 19).all() and (drawn < 81).all()


def unevenness(matrix, vals) -> float:
    """Chi-square of the classes over folds."""
    goal = matrix.sum(axis=0) / len(vals)
    return sum(((matrix[val].sum(axis=0) - goal) ** 2 / goal).sum() for val in vals)


def test_grouped_folds_are_more_even_than_those_of_scikit_learn():
    ours, theirs = [], []
    for number in range(30):
        rng = np.random.default_rng(number)
        groups = np.repeat(np.arange(25), rng.integers(1, 20, 25))
        leaning = rng.dirichlet([0.4] * 4, 25)
        labels = np.array([rng.choice(4, p=leaning[g]) for g in groups])
        order = rng.permutation(len(labels))
        labels, groups = labels[order], groups[order]
        if len(set(labels)) < 4:
            continue
        examples = singles(labels.tolist(), groups=tuple(map(str, groups)))
        at = {path: i for i, path in enumerate(examples.paths)}
        one_hot = np.eye(4)[labels]
        vals = [[at[path] for path in val.paths] for _, val in examples.folds(5, number)]
        ours.append(unevenness(one_hot, vals))
        other = StratifiedGroupKFold(5, shuffle=True, random_state=number)
        theirs.append(unevenness(one_hot, [v for _, v in other.split(labels, labels, groups)]))
    assert np.median(ours) < 0.5 * np.median(theirs)
    assert np.mean(np.array(ours) <= theirs) > 0.9


def test_a_grouped_split_is_found_wherever_there_is_one():
    """Few groups of several classes: what is refused, no way of dealing would do."""
    refused = 0
    for number in range(150):
        draw = random.Random(number)
        count = draw.randint(3, 7)
        owns = [sorted(draw.sample(range(4), draw.randint(1, 3))) for _ in range(count)]
        pairs = [(label, str(g)) for g, labels in enumerate(owns) for label in labels]
        if {label for label, _ in pairs} != set(range(4)):
            continue
        examples = singles([p[0] for p in pairs], groups=tuple(p[1] for p in pairs))
        try:
            split_positions(examples, 0.3, 0, "group")
        except InputError:
            refused += 1
            for sides in itertools.product((0, 1), repeat=count):
                have = [set(), set()]
                for labels, side in zip(owns, sides, strict=True):
                    have[side].update(labels)
                assert have[0] != have[1] or len(have[0]) < 4, number
    assert 0 < refused < 150


def test_tags_have_their_share_in_every_fold():
    rng = np.random.default_rng(0)
    chance = np.array([0.5, 0.2, 0.05, 0.02, 0.97])
    tags = (rng.random((1000, 5)) < chance).astype(int)
    tags[rng.random(tags.shape) < 0.1] = -1
    examples = singles([0] * 1000, tags=tags, tag_names=tuple("abcde"))
    examples = Examples(
        examples.paths, np.full(1000, -1), (), examples.digests, examples.splits, tags=tags,
        tag_names=tuple("abcde"),
    )  # fmt: skip
    vals = [val.tags for _, val in examples.folds(5, seed=1)]
    chances = [tags[part] for part in np.split(rng.permutation(1000), 5)]
    for value in (0, 1):
        wanted = (tags == value).sum(axis=0) / 5
        off, by_chance = (
            np.abs([(part == value).sum(axis=0) - wanted for part in parts]).mean()
            for parts in (vals, chances)
        )
        assert off < 0.4 * by_chance
    # Each fold has its three or four of the pictures with the rarest tag.
    assert np.ptp([(part == 1).sum(axis=0)[3] for part in vals]) <= 1


def test_what_is_automatic():
    labels = [0, 0, 1, 1] * 5
    plain = singles(labels)
    tags = {"tags": np.array([[i % 2] for i in range(20)]), "tag_names": ("t",)}
    groups = tuple(str(i // 2) for i in range(20))
    for examples, by in (
        (plain, "stratified"), (singles(labels, **tags), "tags"),
        (singles(labels, **tags, groups=groups), "group"),
        (singles(labels, groups=(None,) * 20), "stratified"),
    ):  # fmt: skip
        explicit = split_positions(examples, 0.3, 1, by)
        assert split_positions(examples, 0.3, 1) == explicit


def test_boxes_are_spread_where_there_are_no_labels():
    boxes = tuple(
        Boxes(np.array([[0, 0, 5, 5]] * 2), np.array([0, int(i < 10)]), np.zeros(2, bool))
        for i in range(100)
    )
    examples = Examples(
        tuple(map(str, range(100))), np.full(100, -1), ("cell", "platelet"),
        tuple(map(str, range(100))), (None,) * 100, boxes=boxes,
    )  # fmt: skip
    for _, val in examples.folds(5, seed=3):
        assert sum(1 in b.classes for b in val.boxes) == 2 and len(val) == 20


def test_images_without_a_label_are_split_too():
    examples = singles([0, 1] * 10)
    labels = examples.labels.copy()
    labels[:6] = -1
    examples = Examples(
        examples.paths, labels, examples.class_names, examples.digests, examples.splits
    )
    train, val = split_positions(examples, 0.25, 0)
    assert sorted(train + val) == list(range(20)) and len(val) == 5
    assert {0, 1} <= set(labels[train]) and {0, 1} <= set(labels[val])


def test_a_copy_under_another_name_of_class_keeps_its_side():
    for seed in range(20):
        examples = singles([0, 0, 0, 1, 1, 1], digests=("a", "b", "c", "a", "d", "e"))
        train, val = examples.split(0.34, seed)
        assert not set(train.digests) & set(val.digests)
        assert all(train.counts().values()) and all(val.counts().values())


def test_a_test_part_stands_in_no_fold():
    examples = singles([0, 1] * 10)
    splits = ("train",) * 10 + ("val",) * 4 + ("test",) * 6
    brought = Examples(
        examples.paths, examples.labels, examples.class_names, examples.digests, splits
    )
    near = [(0, 19), (2, 11), (1, 13)]
    folds = brought.folds(3, together=near)
    assert sorted(p for _, val in folds for p in val.paths) == sorted(examples.paths[:14])
    for train, _ in folds:
        assert ("2.png" in train.paths) == ("11.png" in train.paths)
        assert ("1.png" in train.paths) == ("13.png" in train.paths)


def test_the_fingerprint_knows_sides_and_nothing_else():
    examples = singles([0, 1] * 10)
    train, val = examples.split(0.3, 1)
    same = split_fingerprint(train.subset(range(len(train))[::-1]), val)
    assert split_fingerprint(train, val) == same
    others = [
        (val, train),
        (train, None),
        (train, val, val),
        examples.split(0.3, 2),
        (train, val.subset([0])),
    ]
    assert len({same, *(split_fingerprint(*sides) for sides in others)}) == 6


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda e: e.split(by="patient"), "by='patient' is no way"),
        (lambda e: e.split(by="time"), "time:COLUMN"),
        (lambda e: e.split(by="group"), "no groups"),
        (lambda e: e.split(by="tags"), "no tags"),
        (lambda e: e.split(by="time:taken"), "no column 'taken'"),
        (lambda e: e.split(together=[(0, 99)]), "position 99"),
        (lambda e: e.split(together=["ab"]), "lists of positions"),
        (lambda e: e.folds(1), "folds 1"),
        (lambda e: e.folds(True), "folds True"),
        (lambda e: e.folds(2, repeats=0), "repeats 0"),
        (lambda e: e.folds(4), "class 'class0' has 3 distinct images"),
        (lambda e: e.folds(3, seed=-1), "seed -1"),
    ],
)
def test_what_cannot_be_asked_for(call, said):
    with pytest.raises(InputError, match=said):
        call(singles([0, 0, 0, 1, 1, 1, 1]))


def test_a_class_of_one_group_is_named():
    examples = singles([0, 0, 0, 1, 1, 1], groups=("a", "a", "a", "b", "c", "d"))
    for split in (examples.split, lambda: examples.folds(2)):
        with pytest.raises(InputError, match="class 'class0' has 1 group,"):
            split()
