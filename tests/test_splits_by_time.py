"""Splits by time: nothing trained on is newer than what is validated on."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.data import Examples
from tl_keras.data.splitting.by_time import times_of
from tl_keras.errors import InputError


def table(values, digests=None, labels=None):
    count = len(values)
    return Examples(
        tuple(f"{i}.png" for i in range(count)),
        np.zeros(count) if labels is None else np.array(labels), ("x", "y"),
        digests or tuple(map(str, range(count))), (None,) * count,
        extra={"taken": tuple(values)},
    )  # fmt: skip


numbers = st.lists(st.integers(0, 30).map(str), min_size=6, max_size=60)


@settings(max_examples=150, deadline=None)
@given(values=numbers, fraction=st.floats(0.05, 0.9), shuffle=st.randoms(use_true_random=False))
def test_the_newest_are_validated_on(values, fraction, shuffle: random.Random):
    examples = table(values, labels=[i % 2 for i in range(len(values))])
    try:
        train, val = examples.split(fraction, by="time:taken")
    except InputError as refused:
        assert len(set(values)) == 1 or "no image to train on" in str(refused)
        return
    oldest = min(times_of(val, "taken"))
    assert max(times_of(train, "taken")) < oldest
    # No other moment to cut at would come nearer to the share.
    times = np.array(sorted(map(float, values)))
    for cut in sorted(set(times))[1:]:
        nearer = abs((times < cut).mean() - (1 - fraction))
        assert abs(len(train) / len(values) - (1 - fraction)) <= nearer + 1e-9


@settings(max_examples=80, deadline=None)
@given(values=numbers, k=st.integers(2, 4))
def test_folds_go_forward(values, k):
    examples = table(values)
    if len(set(values)) < k + 1:
        with pytest.raises(InputError, match="different times"):
            examples.folds(k, by="time:taken")
        return
    folds = Examples(
        examples.paths, examples.labels * 0 - 1, (), examples.digests, examples.splits,
        extra=examples.extra,
    ).folds(k, by="time:taken")  # fmt: skip
    before = 0
    for train, val in folds:
        assert max(times_of(train, "taken")) < min(times_of(val, "taken"))
        assert len(train) >= max(before, 1)
        before = len(train) + len(val)
    assert before == len(values)


def test_a_file_goes_by_its_newest_copy():
    examples = table(["1", "2", "3", "9"], digests=("a", "b", "c", "a"), labels=[0] * 4)
    examples = examples.subset([0, 1, 2, 3])
    train, val = Examples(
        examples.paths, examples.labels * 0 - 1, (), examples.digests, examples.splits,
        extra=examples.extra,
    ).split(0.25, by="time:taken")  # fmt: skip
    assert train.paths == ("1.png", "2.png") and val.paths == ("0.png", "3.png")


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (["2", "-1.5", "1e3"], [2, -1.5, 1000]),
        (["1970-01-01", "1970-01-02T00:00:01", "1970-01-01T01:00:00+01:00"], [0, 86401, 0]),
        (["1970:01:01 00:01:00", "1970-01-01 00:02:00", "1970-01-01T00:00:00Z"], [60, 120, 0]),
    ],
)
def test_numbers_and_dates(values, seconds):
    assert times_of(table(values), "taken").tolist() == seconds


@pytest.mark.parametrize("bad", ["", "yesterday", "01.05.2024", "nan", "inf", "2024-13-01"])
def test_a_value_that_is_no_time_is_named(bad):
    with pytest.raises(InputError, match=r"1\.png: taken is"):
        table(["2024-01-01", bad, "2024-01-02"]).split(by="time:taken")


def test_what_time_cannot_do():
    labels = [0, 0, 1, 1]
    with pytest.raises(InputError, match="class 'y' has no image to train on"):
        table(["1", "2", "3", "4"], labels=labels).split(0.5, by="time:taken")
    with pytest.raises(InputError, match="different times"):
        table(["1"] * 4, labels=labels).split(by="time:taken")
    with pytest.raises(InputError, match="leave repeats at 1"):
        table(["1", "2", "3", "4"], labels=labels).folds(2, repeats=2, by="time:taken")
