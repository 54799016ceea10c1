"""Series: fields by formula and by pyts, axes, scaling, channels, files and their dirt."""

import numpy as np
import pytest
from convert_signals import write_ts
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import tl_keras as tl
from tl_keras.convert import (
    SeriesImage,
    gramian_angular_field,
    markov_transition_field,
    recurrence_plot,
    series,
    series_sheet,
)
from tl_keras.convert.series_fields import shortened
from tl_keras.convert.series_image import KINDS
from tl_keras.errors import InputError

# The series, and its rows as pyts 0.14.1 has them, rounded to five digits:
# from pyts.image import GramianAngularField as G, MarkovTransitionField as M, RecurrencePlot as R
X = np.array([0.0, 1.0, 3.0, 2.0, -1.0, -2.0, 0.5, 4.0, 3.5, 1.5, -0.5, 2.5])
SCALED = (2 * X - X.min() - X.max()) / np.ptp(X)

# G(method="summation").transform([X])[0, 2]
GASF_2 = [-0.92495, -0.74536, -0.11111, -0.48051, -1.0, -0.66667, -0.84604, 0.66667, 0.14354,
          -0.62382, -0.97883, -0.31216]  # fmt: skip
# G(method="difference").transform([X])[0, 0]
GADF_0 = [0.0, 0.33333, 0.87699, 0.62854, -0.38009, -0.94281, 0.17154, 0.94281, 0.96993, 0.48581,
          -0.18273, 0.76008]  # fmt: skip
# G(image_size=6, method="summation").transform([X])[0, :2]
GASF_6 = [[-1.0, 0.0, 0.0, -0.48412, 0.0, -0.96825], [0.0, 1.0, -1.0, 0.875, 1.0, 0.25]]
# M(n_bins=4, strategy="quantile").transform([X])[0, 2]
MTF_2 = [0.0, 0.0, 0.33333, 0.66667, 0.0, 0.0, 0.0, 0.33333, 0.33333, 0.66667, 0.0, 0.66667]
# M(image_size=6, n_bins=4, strategy="quantile").transform([X])[0, :3]
MTF_6 = [[0.33333, 0.33333, 0.0, 0.5, 0.33333, 0.0], [0.0, 0.25, 0.5, 0.08333, 0.25, 0.41667],
         [0.33333, 0.16667, 0.33333, 0.16667, 0.16667, 0.33333]]  # fmt: skip
# R(dimension=2, time_delay=3).transform([X])[0, 0]
RECURRENCE_0 = [0.0, 3.16228, 5.0, 2.5, 2.23607, 2.5, 0.70711, 4.71699, 3.53553]
# R(threshold="distance", percentage=30).transform([X])[0, 2]
NEAR_2 = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0]


def test_fields_have_the_values_of_pyts():
    near = {"atol": 1e-5}
    np.testing.assert_allclose(gramian_angular_field(SCALED)[2], GASF_2, **near)
    np.testing.assert_allclose(gramian_angular_field(SCALED, difference=True)[0], GADF_0, **near)
    short = shortened(X, 6)
    scaled = (2 * short - short.min() - short.max()) / np.ptp(short)
    np.testing.assert_allclose(gramian_angular_field(scaled)[:2], GASF_6, **near)
    np.testing.assert_allclose(markov_transition_field(X, bins=4)[2], MTF_2, **near)
    np.testing.assert_allclose(markov_transition_field(X, bins=4, size=6)[:3], MTF_6, **near)
    np.testing.assert_allclose(recurrence_plot(X, dimension=2, delay=3)[0], RECURRENCE_0, **near)
    np.testing.assert_allclose(recurrence_plot(X, threshold=0.3)[2], NEAR_2)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(-1, 1), min_size=2, max_size=30))
def test_gramian_fields_are_cosine_and_sine_of_angles(values):
    x = np.array(values)
    angle = np.arccos(x)
    total, gap = angle[:, None] + angle[None], angle[:, None] - angle[None]
    np.testing.assert_allclose(gramian_angular_field(x), np.cos(total), atol=1e-7)
    np.testing.assert_allclose(gramian_angular_field(x, difference=True), np.sin(gap), atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(2, 60),
    bins=st.integers(2, 9),
    size=st.integers(1, 60),
)
def test_transition_field_is_made_of_probabilities_and_its_blocks_are_means(
    seed, count, bins, size
):
    x = np.random.default_rng(seed).normal(size=count)
    field = markov_transition_field(x, bins=bins)
    assert field.shape == (count, count) and field.min() >= 0 and field.max() <= 1
    small = markov_transition_field(x, bins=bins, size=size)
    assert small.shape == (min(size, count),) * 2
    if count % size == 0:
        blocks = field.reshape(size, count // size, size, count // size).mean(axis=(1, 3))
        np.testing.assert_allclose(small, blocks, atol=1e-12)


def test_recurrence_of_a_sine_is_periodic():
    x = np.sin(2 * np.pi * np.arange(100) / 20)
    distances = recurrence_plot(x, dimension=2, delay=5)
    np.testing.assert_allclose(distances[20:, :], distances[:-20, :], atol=1e-12)
    assert np.diagonal(distances, 20).max() < 1e-12
    assert np.diagonal(distances, 10).min() > 1.9  # opposite phase: the states are 2 apart
    plot = SeriesImage("recurrence", size=95, dimension=2, delay=5).render(x)
    # Origin at the bottom left: the main diagonal rises to the right, and is bright.
    assert np.diagonal(plot[::-1]).min() == 255 and np.diagonal(plot[::-1], 10).max() < 15


def test_time_runs_to_the_right_and_upwards_in_fields():
    # The field is what it is for the pair (row time, column time); row 0 is the bottom.
    x = np.array([0.1, 0.9, -0.4, -1.0, 1.0])
    picture = SeriesImage("gadf", size=16).render(np.repeat(x, 16))  # 80 values: means of five
    expected = gramian_angular_field(shortened(np.repeat(x, 16), 16), difference=True)[::-1]
    np.testing.assert_allclose(picture, (expected + 1) * 127.5, atol=0.51)


def test_line_rises_and_stays_in_the_picture():
    picture = SeriesImage("line", size=100).render(np.linspace(3, 8, 50))
    rows = np.array([np.average(np.arange(100), weights=picture[:, c]) for c in range(10, 90)])
    assert (np.diff(rows) < 0).all()
    assert picture[:, 10].argmax() > 80 and picture[:, 90].argmax() < 25
    assert picture[0].max() == 0 and picture[-1].max() == 0


def test_spectrogram_shows_a_slow_wave_below_a_fast_one():
    t = np.arange(400)
    settings_ = SeriesImage("spectrogram", size=96)
    slow, fast = (settings_.render(np.sin(2 * np.pi * f * t)) for f in (0.1, 0.4))
    rows = [picture.sum(axis=1).argmax() for picture in (slow, fast)]
    # Frequency is linear from 0 at the bottom to 0.5 at the top, in 17 rows of the transform.
    assert rows == pytest.approx([96 * (1 - 3.7 / 17), 96 * (1 - 13.3 / 17)], abs=4)


@pytest.mark.parametrize("kind", KINDS)
def test_scale_and_level_count_only_for_the_data_set(kind):
    random = np.random.default_rng(0)
    quiet = random.normal(size=(80, 1))
    loud = 3 * quiet + 5
    alone = SeriesImage(kind, size=64)
    np.testing.assert_allclose(
        alone.render(quiet).astype(int), alone.render(loud).astype(int), atol=1
    )
    together = SeriesImage(kind, size=64, scale="dataset").fitted([quiet, loud])
    assert together.limits == ((quiet.min(), loud.max()),)
    if kind not in ("mtf", "recurrence"):  # these do not know of level or amplitude
        assert (together.render(quiet) != together.render(loud)).mean() > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_constant_and_shortest_series_have_pictures(kind):
    image = SeriesImage(kind, size=32)
    for values in (np.full(40, 7.0), np.array([1.0, 2.0]), np.array([3.0, 3.0])):
        picture = image.render(values)
        assert picture.shape[:2] == (32, 32) and picture.dtype == np.uint8
    settings_ = SeriesImage(kind, size=32, scale="dataset").fitted([np.full(9, 7.0)])
    assert settings_.render(np.full(9, 7.0)).shape[:2] == (32, 32)


def test_long_series_take_no_square_of_their_length():
    x = np.sin(np.arange(200_000) / 900)  # its square would be 320 GB
    for kind in KINDS:
        assert SeriesImage(kind, size=48).render(x).shape[:2] == (48, 48)


def test_channels_as_tiles_and_as_colours():
    values = np.random.default_rng(1).normal(size=(50, 6))
    image = SeriesImage("gasf", size=90)
    picture = image.render(values)
    one = SeriesImage("gasf", size=30)
    for channel in range(6):
        top, left = channel // 3 * 30, channel % 3 * 30
        tile = picture[top : top + 30, left : left + 30]
        np.testing.assert_array_equal(tile, one.render(values[:, channel]))
    assert picture[60:].max() == 0
    colours = SeriesImage("gasf", size=30, channels="rgb").render(values[:, :2])
    np.testing.assert_array_equal(colours[..., 1], one.render(values[:, 1]))
    assert colours[..., 2].max() == 0
    with pytest.raises(InputError, match="more than three colours"):
        SeriesImage(channels="rgb").render(values)
    parts = SeriesImage("gaf-mtf", size=30).render(values[:, 0])
    for number, kind in enumerate(("gasf", "gadf", "mtf")):
        np.testing.assert_array_equal(
            parts[..., number], SeriesImage(kind, size=30).render(values[:, 0])
        )


def test_ts_files_bring_their_split_and_every_defect_its_line(tmp_path):
    write_ts(tmp_path / "in/Made_TRAIN.ts", [
        "1,2,3,4:4,3,2,1:a",
        "2,2,3,9:1,1,2,2:b",
        "1,?,3,4:4,3,2,1:a",
        "1,2,3:4,3,2,1:a",
        "1,2,x,4:4,3,2,1:b",
        "1,2,3,4",
        "1,5,2,8,3:5,3,1,0,2:b",
        "1:2:a",
        "1,2,3:a",
    ])  # fmt: skip
    write_ts(tmp_path / "in/Made_TEST.ts", ["9,1,1,4:4,7,2,1:a", "0,2,2,9:0,1,3,2:b"])
    (tmp_path / "in/Made_TEST.tsv").write_text("a\t1\t2\n")
    examples = series(tmp_path / "in", tmp_path / "out", SeriesImage(size=32))
    assert examples.parts == ("train", "test")
    assert examples.part("train").counts() == {"a": 1, "b": 2}  # series of unequal length as well
    assert examples.part("test").counts() == {"a": 1, "b": 1}
    assert examples.part("train").extra["offset"] == ("1", "2", "7")
    reasons = "\n".join(f"{one.path}: {one.reason}" for one in examples.skipped)
    for expected in (
        "Made_TRAIN.ts series 3: 1 missing or infinite value(s), the first at sample 1 of",
        "line 8: its channels have 3 to 4 values",
        "line 9: channel 1 holds 'x', which is not a number",
        "line 10: has no class at its end",
        "series 8: 1 value(s); 2 or more are needed",
        "series 9: 1 channels, the others have 2",
        "Made_TEST.tsv: the same set as the .ts file",
    ):
        assert expected in reasons
    assert len(examples.skipped) == 7
    # The folder is one that everything else reads.
    assert len(tl.data.from_folder(tmp_path / "out", progress=False).part("test")) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "zero bytes"),
        ("@problemName x\n", "no @data line"),
        ("1,2,3:a\n", "stands before @data"),
        ("@timeStamps true\n@data\n(0,1):a\n", "time stamps"),
    ],
)
def test_ts_that_is_none_is_one_line(tmp_path, text, reason):
    path = tmp_path / "a.ts"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        series(path, tmp_path / "out")


def test_limits_come_from_the_training_part_and_go_to_later_series(tmp_path):
    values = np.stack([np.linspace(0, 1, 20), np.linspace(0, 50, 20), np.linspace(0, 2, 20)])
    image = SeriesImage(size=32, scale="dataset")
    examples = series(values, tmp_path / "out", image, labels=["a", "b", "b"],
                      splits=["train", "test", "train"])  # fmt: skip
    stored = tl.convert.load_settings(tmp_path / "out")
    assert stored.limits == ((0.0, 2.0),)
    again = series(values[:1], tmp_path / "again", like=tmp_path / "out")
    assert again.digests[0] == examples.digests[0] and again.labels.tolist() == [-1]
    with pytest.raises(InputError, match="2 channels, the others have 1"):
        series(np.zeros((1, 20, 2)), tmp_path / "x", like=tmp_path / "out")


def test_windows_of_a_recording_share_its_group(tmp_path):
    table = np.random.default_rng(0).normal(size=(105, 3))
    for person in ("ann", "bob"):
        path = tmp_path / f"in/{person}/walk ü.csv"
        path.parent.mkdir(parents=True)
        lines = ["t;acc x;acc y", *(";".join(f"{v:.5f}" for v in row) for row in table)]
        path.write_text("\n".join(lines), encoding="utf-8")
        table = table + 1
    image = SeriesImage(size=32, window=40, step=20)
    columns = ["acc y", "acc x"]
    examples = series(
        tmp_path / "in", tmp_path / "out", image, names="{group}/{label} *", columns=columns
    )
    assert examples.class_names == ("walk",) and set(examples.groups) == {"ann", "bob"}
    assert examples.extra["offset"][:4] == ("0:0", "0:20", "0:40", "0:60")
    with Image.open(examples.paths[0]) as picture:
        np.testing.assert_array_equal(
            np.asarray(picture),
            image.render(np.round(np.random.default_rng(0).normal(size=(105, 3)), 5)[:40, [2, 1]]),
        )
    with pytest.raises(InputError, match="has no column 'gyro'; it has t, acc x, acc y"):
        series(tmp_path / "in", tmp_path / "x", columns=["gyro"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n3\n", "row 3 has 1 columns, not 2"),
        ("a,b\n1,2\n3,walk\n", r"column 'b' is not a number in row 3 \('walk'\)"),
        ("a,b\n1,2\n3,\n", "1 missing"),
        ("a,b\n", "0 value|no rows"),
        ("1\n", r"1 value\(s\)"),
        ("1,inf\n2,3\n", "infinite"),
    ],
)
def test_csv_dirt_is_one_line(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=reason):
        series(tmp_path / "a.csv", tmp_path / "out")


def test_npy_and_wrong_arrays(tmp_path):
    for seed, label in enumerate(("a", "b")):
        (tmp_path / "in" / label).mkdir(parents=True)
        np.save(tmp_path / f"in/{label}/1.npy", np.random.default_rng(seed).normal(size=50))
    np.save(tmp_path / "in/a/cube.npy", np.zeros((2, 2, 2)))
    np.save(tmp_path / "in/a/object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp_path / "in/b/torn.npy").write_bytes(b"\x93NUMPY\x01")
    np.save(tmp_path / "in/b/2.npy", np.arange(9.0))
    examples = series(tmp_path / "in", tmp_path / "out", SeriesImage(size=32))
    assert sorted(one.path.rpartition("/")[2] for one in examples.skipped) == [
        "cube.npy", "object.npy", "torn.npy",
    ]  # fmt: skip
    with pytest.raises(InputError, match="2 series and 1 labels"):
        series(np.zeros((2, 9)), tmp_path / "x", labels=["a"])
    with pytest.raises(InputError, match="goes with arrays"):
        series(tmp_path / "in", tmp_path / "x", labels=["a"])
    with pytest.raises(InputError, match="splits holds 'dev'"):
        series(np.zeros((1, 9)), tmp_path / "x", splits=["dev"])


def test_sheet_shows_every_kind(tmp_path):
    values = np.random.default_rng(0).normal(size=(3, 60, 2))
    path = series_sheet(
        values, tmp_path / "deep/sheet.png", SeriesImage(size=40), labels=["a", "b", "a"]
    )
    with Image.open(path) as sheet:
        assert sheet.size == (8 + 48 * len(KINDS), 2 * 68)
    with pytest.raises(InputError, match="no series that can be drawn"):
        series_sheet(np.zeros((1, 1)), tmp_path / "none.png")


@pytest.mark.slow
def test_real_archive_sets_are_read_whole(shared_data, tmp_path):
    for name, counts, channels in (
        ("GunPoint", (50, 150), 1), ("ArrowHead", (36, 175), 1), ("BasicMotions", (40, 40), 6),
    ):  # fmt: skip
        image = SeriesImage(size=32, scale="dataset")
        examples = series(shared_data / "time-series" / name, tmp_path / name, image)
        assert (len(examples.part("train")), len(examples.part("test"))) == counts
        assert len(tl.convert.load_settings(tmp_path / name).limits) == channels
