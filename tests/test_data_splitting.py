"""The split: disjoint by content, stratified, complete, and the same for the same files."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.data import Examples
from tl_keras.data.splitting import stratified
from tl_keras.errors import InputError


def table(groups: list[list[int]]) -> Examples:
    """Per class the sizes of its groups of identical files."""
    labels, digests = [], []
    for label, sizes in enumerate(groups):
        for group, size in enumerate(sizes):
            labels += [label] * size
            digests += [f"{label:x}-{group:x}"] * size
    names = tuple(f"class{i}" for i in range(len(groups)))
    paths = tuple(f"{i}.png" for i in range(len(labels)))
    return Examples(paths, np.array(labels), names, tuple(digests), (None,) * len(labels))


tables = st.lists(st.lists(st.integers(1, 4), min_size=2, max_size=40), min_size=2, max_size=6).map(
    table
)
fractions = st.floats(0.01, 0.99)


@settings(max_examples=150, deadline=None)
@given(examples=tables, fraction=fractions, seed=st.integers(0, 2**32 - 1))
def test_complete_disjoint_by_content_and_every_class_on_both_sides(examples, fraction, seed):
    train, val = stratified(examples, fraction, seed)
    assert sorted(train + val) == list(range(len(examples)))
    sides = examples.subset(train), examples.subset(val)
    assert not set(sides[0].digests) & set(sides[1].digests)
    for side in sides:
        assert all(side.counts().values())
    largest = max(Counter(examples.digests).values())
    for name, count in examples.counts().items():
        assert abs(sides[1].counts()[name] - fraction * count) < largest + 0.51


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(2, 80), min_size=2, max_size=6),
    fraction=fractions,
    seed=st.integers(0, 1000),
)
def test_without_copies_the_share_is_the_nearest_whole_number(counts, fraction, seed):
    examples = table([[1] * count for count in counts])
    _, val = stratified(examples, fraction, seed)
    drawn = np.bincount(examples.labels[val])
    for number, count in zip(drawn, counts, strict=True):
        assert number == min(max(1, round(fraction * count)), count - 1)


@settings(max_examples=50, deadline=None)
@given(examples=tables, seed=st.integers(0, 1000), shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_table_does_not_matter(examples, seed, shuffle: random.Random):
    order = list(range(len(examples)))
    shuffle.shuffle(order)
    mixed = examples.subset(order)
    one, other = examples.split(0.3, seed)[1], mixed.split(0.3, seed)[1]
    assert sorted(one.digests) == sorted(other.digests)
    assert one.fingerprint() == other.fingerprint()


def test_seeds_differ_and_repeat():
    examples = table([[1] * 50, [1] * 50])
    splits = [tuple(examples.split(0.2, seed)[1].paths) for seed in range(8)]
    assert len(set(splits)) == 8
    assert splits[3] == examples.split(0.2, 3)[1].paths


def test_every_example_is_drawn_about_equally_often():
    examples = table([[1] * 20, [1] * 20])
    drawn = Counter(i for seed in range(400) for i in stratified(examples, 0.25, seed)[1])
    # Binomial(400, 1/4): mean 100, standard deviation 8.7; five of them either way.
    assert len(drawn) == 40 and all(56 < drawn[i] < 144 for i in range(40))


def test_adding_files_moves_few():
    small, large = table([[1] * 40, [1] * 40]), table([[1] * 44, [1] * 40])
    before, after = (set(t.split(0.25)[1].digests) for t in (small, large))
    assert len(before - after) <= 4


def test_a_class_that_cannot_stand_on_both_sides_is_named():
    with pytest.raises(InputError, match="class 'class1' has 1 distinct image"):
        table([[1, 1], [1]]).split()
    with pytest.raises(InputError, match="class 'class0' has 1 distinct image"):
        table([[3], [1, 1]]).split()  # three copies of one picture
    with pytest.raises(InputError, match="class 'class0' has no image"):
        table([[1, 1], [1, 1]]).subset([2, 3]).split()


def test_bad_arguments():
    examples = table([[1, 1], [1, 1]])
    for fraction in (0, 1, -0.1, 1.5, "half", float("nan")):
        with pytest.raises(InputError, match="fraction"):
            examples.split(fraction)
    for seed in (-1, 0.5, None):
        with pytest.raises(InputError, match="seed"):
            examples.split(0.5, seed)
