"""Filters as they are written on the command line."""

import pytest

from tl_keras.cli.where import read_where
from tl_keras.errors import InputError
from tl_keras.retrieval.filters import conditions


def matches(words, **row):
    return all(one.matches(row.get(one.name)) for one in conditions(read_where(words)))


def test_words_mean_what_they_say():
    assert read_where([]) is None
    assert matches(["gender=women", "price<30"], gender="women", price=29.9)
    assert not matches(["gender=women", "price<30"], gender="men", price=20)
    assert matches(["price>=10", "price<=30"], price=30)
    assert not matches(["price>=10", "price<=30"], price=31)
    assert matches(["size=S, M"], size="M")
    assert matches(["year=2011"], year=2011)
    assert matches(["year=2011"], year="2011")
    assert matches(["new=true"], new=True)
    assert not matches(["new=true"], new=False)
    assert not matches(["new=true"], new=1)
    assert matches(["day<2024-05-01"], day="2024-04-30")
    assert matches(["name=a=b"], name="a=b")
    assert matches(["brand=NaN"], brand="NaN")


@pytest.mark.parametrize("word", ["gender", "gender=", "=women", "<3", ""])
def test_what_is_no_condition(word):
    with pytest.raises(InputError, match="is no condition"):
        read_where([word])


@pytest.mark.parametrize("words", [["a=1", "a=2"], ["a<1", "a<2"], ["a<1", "a=0"]])
def test_twice_the_same_column(words):
    with pytest.raises(InputError, match="twice"):
        read_where(words)
