"""rank: every base at hand compared without training, download or a look at a test part."""

import json
import shutil
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest
import tiny_backbone
from keras.src.utils import file_utils
from tiny_home import keras_home

import tl_keras as tl
from tl_keras.backbones.registry import get_backbone, list_backbones
from tl_keras.backbones.weight_files import file_for, files_at_hand, weights_folder
from tl_keras.cli.main import main
from tl_keras.data.examples import Examples
from tl_keras.errors import InputError
from tl_keras.selection import bases_at_hand, h_score, log_me, nearest_vote
from tl_keras.selection.candidates import asked_for
from tl_keras.selection.pareto import unbeaten
from tl_keras.selection.rank_bases import draw_images
from tl_keras.selection.ranking import DRIVER
from tl_keras.training.probing import linear_probe

_COST = ("milliseconds", "images_per_second", "seconds")
BUNDLED, TINY, TINIER = "mobilenet_v3_small+bundled@64", "tiny_ranked@64", "tiny_ranked@32"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A Keras cache with two good files of weights (random ones) and two damaged ones."""
    home = tmp_path_factory.mktemp("keras")
    with keras_home(home, "tiny_ranked", (64, 224)) as write:
        damaged = tiny_backbone.base((64, 64, 3))
        damaged.weights[0].assign(np.full(damaged.weights[0].shape, np.nan))
        write(96, damaged)
        (home / "models" / "tiny_ranked_128.h5").write_bytes(b"half a file")
        (home / "models" / "resnet50_weights_tf_dim_ordering_tf_kernels.h5").touch()  # with its top
        yield home


@pytest.fixture
def cached(home, monkeypatch):
    """That cache, and no way to fetch anything."""
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: pytest.fail("a download"))
    return home


@pytest.fixture(scope="module")
def ranked(home, photos, tmp_path_factory):
    """(ranking of two bases, of the other alone from the cache, examples)."""
    examples = tl.data.from_folder(photos, progress=False)
    folder = tmp_path_factory.mktemp("features")
    once, again = (
        tl.rank(examples, names, cache=folder, verbose=False) for names in ([TINY, TINIER], [TINY])
    )
    return once, again, examples


def _table(labels, splits=None, classes=None):
    count = len(labels)
    names = tuple(f"c{i}" for i in range(classes or max(labels, default=0) + 1))
    return Examples(
        tuple(f"{i}.png" for i in range(count)), np.array(labels, int), names,
        tuple(map(str, range(count))), splits or (None,) * count,
    )  # fmt: skip


def test_rows_hold_the_scores_of_the_bases_own_features(ranked, home):
    ranking, _, examples = ranked
    row = next(row for row in ranking.rows if row.name == TINY)
    weights = str(home / "models" / "tiny_ranked_64.h5")
    x = tl.embed(examples, backbone="tiny_ranked", weights=weights, image_size=64)
    y = examples.labels
    assert row.log_me == pytest.approx(log_me(x, y), abs=1e-6)
    assert row.h_score == pytest.approx(h_score(x, y), abs=1e-4)
    assert (row.probe, row.nearest) == (linear_probe(x, y).accuracy, nearest_vote(x, y))
    assert row.features == x.shape[1]
    assert row.parameters == tiny_backbone.base((64, 64, 3)).count_params()
    assert row.megabytes == pytest.approx(row.parameters * 4e-6)
    assert row.images_per_second > 0 and row.seconds > 0
    assert (ranking.images, ranking.of, ranking.classes, ranking.majority) == (40, 40, 2, 0.5)


def test_the_best_comes_first_and_the_cache_changes_nothing_but_the_time(ranked):
    once, again, _ = ranked
    values = [getattr(row, DRIVER) for row in once.rows]
    assert len(values) == 2 and values == sorted(values, reverse=True)
    assert once.best is once.rows[0]
    assert {row.cached for row in once.rows} == {False}
    (same,) = again.rows
    (row,) = (row for row in once.rows if row.name == same.name)
    cost = {name: getattr(same, name) for name in _COST}
    assert replace(row, **cost, cached=True) == same


def test_a_ranking_as_table_json_and_picture(ranked, tmp_path):
    ranking = ranked[0]
    lines = ranking.table().splitlines()
    assert len(lines) == 3 and lines[1].split()[1] == ranking.best.name
    assert ranked[1].table().count("cached") == 1
    stored = json.loads(json.dumps(ranking.as_dict(), allow_nan=False))
    assert stored["order"] == DRIVER and stored["rows"][0]["name"] == ranking.best.name
    assert ranking.plot(tmp_path / "bases.png").read_bytes()[1:4] == b"PNG"
    assert ranking.plot()[1:4] == b"PNG"


def test_bases_at_hand_are_the_bundled_one_and_those_with_files(cached):
    files = {size: cached / "models" / f"tiny_ranked_{size}.h5" for size in (64, 96, 128, 224)}
    found = bases_at_hand()
    assert [base.name for base in found] == [
        "mobilenet_v3_small+bundled@128", *(f"tiny_ranked@{size}" for size in files)
    ]  # fmt: skip
    assert [base.file for base in found] == [None, *files.values()]
    assert [base.name for base in asked_for(["tiny_ranked@96", "tiny_ranked"])] == [
        f"tiny_ranked@{size}" for size in (96, 64, 128, 224)
    ]
    # As Keras does: of a size without a file of its own the one of 224 px is taken.
    assert asked_for(["tiny_ranked@32"])[0].file == files[224]
    assert file_for(get_backbone("resnet50"), 224) is None


def test_no_folder_of_weights_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "none"))
    assert weights_folder() == tmp_path / "none" / "models"
    assert [base.weights for base in bases_at_hand()] == ["bundled"]


def test_a_damaged_file_costs_its_base_and_nothing_else(cached, ranked, monkeypatch):
    examples = ranked[2].subset(range(0, 40, 5))
    shown = [base for base in bases_at_hand() if base.image_size in (64, 96, 128)][1:]
    monkeypatch.setattr("tl_keras.selection.rank_bases.bases_at_hand", lambda: shown)
    ranking = tl.rank(examples, verbose=False)
    assert [row.name for row in ranking.rows] == ["tiny_ranked@64"]
    assert "not finite" in ranking.left_out["tiny_ranked@96"]
    assert "does not fit" in ranking.left_out["tiny_ranked@128"]
    with pytest.raises(InputError, match="does not fit"):
        tl.rank(examples, ["tiny_ranked@128"], verbose=False)
    monkeypatch.setattr("tl_keras.selection.rank_bases.bases_at_hand", lambda: shown[2:])
    with pytest.raises(InputError, match="no base could be compared"):
        tl.rank(examples, verbose=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mobilenet_v9", "unknown backbone"),
        ("tiny_ranked@", "cannot be read"),
        ("tiny_ranked@big", "cannot be read"),
        ("tiny_ranked@8", "below the smallest"),
        ("tiny_ranked+imagenet", "cannot be read"),
        ("tiny_ranked+bundled", "none of its weights ship with tl_keras; those do of mobilenet_v3"),
        ("resnet50", r"nothing is downloaded.*build_backbone\('resnet50'\)"),
        ("mobilenet_v2@96", r"build_backbone\('mobilenet_v2', 96\)"),
    ],
)
def test_bases_that_cannot_be_compared(cached, name, message):
    with pytest.raises(InputError, match=message):
        asked_for([BUNDLED, name])


@pytest.mark.parametrize("names", ["tiny_ranked", []])
def test_names_come_in_a_list(cached, names):
    with pytest.raises(InputError, match="backbones"):
        asked_for(names)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_drawn_has_every_class_by_its_share(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 200, rng.integers(2, 9))
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    labels[rng.random(len(labels)) < 0.1] = -1
    splits = tuple(rng.choice(["train", "val", "test"], len(labels)).tolist())
    table = _table(labels, splits, len(counts))
    usable = (labels >= 0) & (np.array(splits) != "test")
    most = int(rng.integers(4 * len(counts), 300))
    drawn, of = draw_images(table, most, seed)
    assert of == usable.sum() and len(drawn) == min(of, most)
    assert set(drawn.paths) <= {f"{i}.png" for i in np.flatnonzero(usable)}
    assert len(set(drawn.paths)) == len(drawn)
    there = np.bincount(labels[usable], minlength=len(counts))
    got = np.bincount(drawn.labels, minlength=len(counts))
    assert (got >= np.minimum(there, 2)).all()
    assert np.abs(got - there * len(drawn) / of).max() <= 2 + len(counts)
    assert drawn.paths == draw_images(table, most, seed)[0].paths


@pytest.mark.parametrize(
    ("labels", "splits", "message"),
    [
        ([0, 0, 0, 0], None, "c0 4"),
        ([0, 0, 0, 1], None, "c0 3, c1 1"),
        ([-1, -1], None, "none"),
        ([0, 0, 1, 1], ("train", "train", "test", "test"), "c0 2"),
        ([], None, "none"),
    ],
)
def test_labels_that_cannot_be_compared_on(labels, splits, message):
    with pytest.raises(InputError, match=message):
        tl.rank(_table(labels, splits, 2), [BUNDLED], verbose=False)


@pytest.mark.parametrize("images", [0, 3, -1, 2.5, True])
def test_a_number_of_images_that_cannot_be(images):
    with pytest.raises(InputError, match="number of images"):
        tl.rank(_table([0, 0, 1, 1]), [BUNDLED], images=images)


@pytest.mark.parametrize("seed", range(10))
def test_unbeaten_are_those_that_no_other_beats(seed):
    rng = np.random.default_rng(seed)
    score, cost = rng.integers(0, 6, (2, 12)).tolist()
    front = unbeaten(score, cost)
    for i in range(12):
        beaten = any(
            score[j] >= score[i]
            and cost[j] <= cost[i]
            and (score[j], cost[j]) != (score[i], cost[i])
            for j in range(12)
        )
        same = any((score[j], cost[j]) == (score[i], cost[i]) for j in front)
        assert same != beaten


def test_the_command(cached, photos, tmp_path, capsys):
    photos = shutil.copytree(photos, tmp_path / "photos")
    (photos / "rings" / "broken.jpg").write_bytes(b"no image")
    arguments = ["rank", str(photos), "--backbones", TINY, "--images", "20"]
    arguments += ["--feature-cache", str(tmp_path / "features"), "--data-format", "folder"]
    assert main([*arguments, "--plot", str(tmp_path / "bases.png")]) == 0
    shown = capsys.readouterr().out
    assert "20 images of 2 classes, drawn from 40 (1 file was left out" in shown and TINY in shown
    assert shown.splitlines()[-2] == (
        f"next: tl-keras train {photos} --data-format folder --backbone tiny_ranked --weights "
        "imagenet --image-size 64"
    )
    assert (tmp_path / "bases.png").read_bytes()[1:4] == b"PNG"
    assert main([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["images"] == 20 and [row["cached"] for row in printed["rows"]] == [True]
    assert "broken.jpg" in printed["skipped"][0][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere/"], "nowhere"),
        (["PHOTOS", "--backbones", "mobilenet_v9"], "unknown backbone"),
        (["PHOTOS", "--images", "2"], "number of images"),
        (["PHOTOS", "--plot", "."], "--plot cannot be written"),
        (["PHOTOS", "--plot", "bases.html"], "no .png file"),
        (["PHOTOS", "--seed", "-1"], "seed"),
        (["PHOTOS/rings"], "no class folders"),
    ],
)
def test_wrong_input_is_one_line(cached, photos, capsys, arguments, message):
    given = [word.replace("PHOTOS", str(photos)) for word in arguments]
    assert main(["rank", *given]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("tl-keras: ") and message in said[-1]


class _AskedError(Exception):
    pass


def _asked_of_keras(name, size, monkeypatch):
    def get_file(fname, *_, **__):
        raise _AskedError(fname)

    monkeypatch.setattr(file_utils, "get_file", get_file)
    record = get_backbone(name)
    function = getattr(keras.applications, record.builder.partition(":")[2])
    with pytest.raises(_AskedError) as caught:
        function(input_shape=(size, size, 3), weights="imagenet", **record.arguments)
    return str(caught.value)


@pytest.mark.parametrize(("name", "size"), [("mobilenet_v2_035", 96), ("mobilenet_025", 160)])
def test_files_have_the_names_that_keras_asks_for(name, size, monkeypatch, tmp_path):
    asked = _asked_of_keras(name, size, monkeypatch)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / asked).touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert files_at_hand(get_backbone(name)) == {size: tmp_path / "models" / asked}


@pytest.mark.slow
@pytest.mark.parametrize("name", list_backbones(max_parameters=6e7, weights="imagenet"))
def test_every_file_has_the_name_that_keras_asks_for(name, monkeypatch):
    record = get_backbone(name)
    asked = _asked_of_keras(name, record.image_size, monkeypatch)
    assert record.weights_file.format(size=record.image_size) == asked


def test_real_weights_by_their_file_are_those_that_keras_loads(imagenet_home, monkeypatch):
    """Read where they lie; what is at hand is the five files and the bundled base."""
    assert len(bases_at_hand()) == 6
    base = tl.build_backbone(
        "mobilenet_v2_035", 128, weights=str(file_for(get_backbone("mobilenet_v2_035"), 128))
    )
    with h5py.File(file_for(get_backbone("mobilenet_v2_035"), 128)) as file:
        for name in ("Conv1", "Conv_1"):
            stored = file[name][name]["kernel"][()]
            np.testing.assert_array_equal(base.get_layer(name).kernel, stored)
