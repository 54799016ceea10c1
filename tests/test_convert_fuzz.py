"""Damaged files of every kind: a reason each, never a traceback."""

import numpy as np
import pytest
from convert_signals import wander, write_track, write_ts
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.convert.series_files import Series
from tl_keras.convert.series_image import SeriesImage
from tl_keras.convert.time_series import load_series, usable
from tl_keras.convert.track_files import UnreadableTrackError, read_track
from tl_keras.data.examples import Skipped

TS = ["1,2,3,4:4,3,2,1:a", "2,2,3,9:1,1,2,2:b"]


def _npy(path):
    np.save(path, np.arange(12.0).reshape(6, 2))


def _csv(path):
    path.write_text("time,x,y\n" + "".join(f"{k},{k / 7:.3f},{-k}\n" for k in range(9)))


WRITERS = {
    "a.ts": lambda path: write_ts(path, TS),
    "a.tsv": lambda path: path.write_text("a\t1\t2\t3\nb\t4\t5\t6\n"),
    "a.csv": _csv,
    "a.npy": _npy,
}
PLACE, JUNK = st.floats(0, 1), st.binary(min_size=1, max_size=12)


def _damage(path, place: float, junk: bytes, cut: bool) -> None:
    whole = path.read_bytes()
    at = int(place * len(whole))
    path.write_bytes(whole[:at] + junk + (b"" if cut else whole[at + len(junk) :]))


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=150, deadline=None)
@given(place=PLACE, junk=JUNK, cut=st.booleans())
def test_damaged_series(tmp_path_factory, name, place, junk, cut):
    path = tmp_path_factory.mktemp("damaged") / name
    WRITERS[name](path)
    _damage(path, place, junk, cut)
    found, image = usable(load_series(path), SeriesImage("gasf", size=16, scale="dataset"))
    for one in found:
        if isinstance(one, Series):
            assert image.render(one.values).shape == (16, 16)
        else:
            assert isinstance(one, Skipped) and one.reason and "\n" not in one.reason


@settings(max_examples=150, deadline=None)
@given(place=PLACE, junk=JUNK, cut=st.booleans())
def test_damaged_tracks(tmp_path_factory, place, junk, cut):
    path = tmp_path_factory.mktemp("damaged") / "session"
    write_track(path, *wander(0, 20))
    _damage(path, place, junk, cut)
    try:
        track = read_track(str(path))
    except UnreadableTrackError as problem:
        assert str(problem) and "\n" not in str(problem)
    else:
        assert np.isfinite(track.points).all() and (np.diff(track.times) > 0).all()


def test_a_long_recording_is_read_and_cut_quickly(tmp_path):
    values = np.random.default_rng(0).normal(size=(100_000, 3)).round(4)
    lines = "\n".join(",".join(map(str, row)) for row in values.tolist())
    (tmp_path / "a.csv").write_text(f"x,y,z\n{lines}\n")
    (one,) = load_series(tmp_path / "a.csv")
    np.testing.assert_array_equal(one.values, values)
