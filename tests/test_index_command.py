"""``tl-keras index`` and ``tl-keras search`` as a user meets them, and killed in between."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from catalogue_files import NAMES, paint, table, tiny_embedder
from index_writer import Squares
from PIL import Image

from tl_keras.cli.main import main
from tl_keras.retrieval import index_catalogue, open_catalogue, open_embedder, read_catalogue

WRITER = Path(__file__).parent / "index_writer.py"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    for seed, name in enumerate(NAMES):
        paint(root / name, seed)
    rows = [
        {"path": name, "label": name.split("/")[0], "price": 10 + 5 * number}
        for number, name in enumerate(NAMES)
    ]
    table(root / "shop.csv", rows)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_embedder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def indexed(shop, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("index") / "shop-index"
    words = ["index", str(shop / "shop.csv"), "--out", str(out), "--model", str(model)]
    assert main(words) == 0
    return out


def test_index_says_what_it_did(shop, indexed, model, capsys):
    assert main(["index", str(shop / "shop.csv"), "--out", str(indexed)]) == 0  # with its own model
    said = capsys.readouterr().out
    assert "8 pictures (8 as before), 0 computed" in said
    assert "Columns to filter by: label, price" in said
    assert main(["index", str(shop / "shop.csv"), "--out", str(indexed), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["pictures"], told["unchanged"], told["embedded"]) == (8, 8, 0)
    assert told["embedder"] == {"artefact": str(model)} and told["columns"]["price"] == "number"


def test_search_prints_json_and_draws(shop, indexed, tmp_path, capsys):
    query, picture = shop / "bags/0.png", tmp_path / "hits.png"
    assert main(["search", str(indexed), str(query), "-k", "3", "--picture", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{query} (in the catalogue as bags/0.png)"
    assert len([line for line in lines if "price=" in line]) == 3
    assert Image.open(picture).width > 3 * 160
    words = ["search", str(indexed), str(query), "--json", "--where", "label=shoes", "price<40"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    (found,) = told["queries"]
    catalogue = open_catalogue(indexed)
    expected = catalogue.search(query, where={"label": "shoes", "price": {"<": 40}})
    assert [hit["id"] for hit in found["hits"]] == [hit.id for hit in expected]
    assert {hit["id"] for hit in found["hits"]} == {"shoes/0.png", "shoes/1.png"}
    assert found["hits"][0]["path"] == str(shop / expected[0].id)
    assert found["in_catalogue_as"] == ["bags/0.png"] and told["skipped"] == []
    assert told["threshold"] == 0.61


def test_near_copies_are_collapsed(shop, model, tmp_path, capsys):
    folder, query = tmp_path / "photos", str(shop / "bags/1.png")
    for seed in (2, 3):
        paint(folder / f"other{seed}.png", seed)
    for name in ("first.bmp", "second.tif"):
        Image.open(query).save(folder / name)
    out = str(tmp_path / "i")
    assert main(["index", str(folder), "--out", out, "--model", str(model)]) == 0
    capsys.readouterr()
    assert main(["search", out, query, "--collapse"]) == 0
    assert capsys.readouterr().out.count("(+1 like it)") == 1
    assert main(["search", out, query, "-k", "4"]) == 0
    said = capsys.readouterr().out
    assert "like it" not in said and said.count("1.000") == 2


def refused(words, capsys):
    """The one line a wrong command ends with."""
    assert main([str(word) for word in words]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("tl-keras: ")
    return error[-1]


def test_what_is_refused_in_one_line(shop, indexed, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    query = shop / "bags/0.png"
    (tmp_path / "q.jpg").write_text("no picture")
    (tmp_path / "empty").mkdir()
    there, other = tmp_path / "there.png", tiny_embedder(tmp_path / "other", seed=1)
    there.write_bytes(b"")
    for words, expected in (
        (["search", "nowhere", query], "holds no catalogue; make one with tl-keras index"),
        (["search", indexed, "q.jpg"], "q.jpg: not an image"),
        (["search", indexed, "none.jpg"], "none.jpg: no such file"),
        (["search", indexed, query, "-k", "0"], "k: 0"),
        (["search", indexed, query, "--collapse", "2"], "collapse: 2.0"),
        (["search", indexed, query, "--where", "colour=red"], "colour"),
        (["search", indexed, query, "--where", "price"], "is no condition"),
        (["search", indexed, query, "--picture", "hits.jpg"], "is no .png file"),
        (["search", indexed, query, "--picture", there], "exists already"),
        (["search", indexed, query, "--model", "nowhere"], "neither the folder"),
        (["search", indexed, query, "--model", other], "another model"),
        (["index", "nowhere", "--out", "i"], "does not exist"),
        (["index", "empty", "--out", "i"], "is empty"),
        (["index", "q.jpg", "--out", "i"], "single file"),
        (["index", shop, "--out", shop], "holds other files"),
        (["index", shop, "--out", "i", "--model", "nowhere"], "neither the folder"),
        (["index", shop, "--out", "i", "--model", "m", "--backbone", "b"], "leave --backbone out"),
        (["index", shop, "--out", "i", "--weights", "none"], "random weights see nothing"),
        (["index", shop / "shop.csv", "--out", indexed, "--model", other], "another model"),
    ):
        assert expected in refused(words, capsys), words
    assert not (tmp_path / "i").exists()
    # One bad query does not cost the others.
    assert main(["search", str(indexed), "q.jpg", str(query), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert len(told["queries"]) == 1 and told["skipped"][0]["path"] == "q.jpg"


def test_an_empty_catalogue_says_so(shop, model, tmp_path, capsys):
    embedder = open_embedder(model)
    examples = read_catalogue(shop, progress=False)
    made = index_catalogue(examples, tmp_path / "i", embedder)
    made.index.delete(made.index.ids())
    line = refused(["search", tmp_path / "i", shop / "bags/0.png"], capsys)
    assert "is empty; put pictures into it with tl-keras index" in line


@pytest.mark.slow
def test_the_shipped_base_serves_where_no_model_is_given(shop, tmp_path, capsys):
    out = str(tmp_path / "i")
    assert main(["index", str(shop), "--out", out, "--image-size", "32"]) == 0
    assert "8 added" in capsys.readouterr().out
    assert main(["search", out, str(shop / "bags/0.png"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["queries"][0]["hits"]) == 7 and "threshold" not in told


def environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.fixture(scope="module")
def renewed(tmp_path_factory):
    """An index of a folder that has changed since: root, index, vectors before and after."""
    base = tmp_path_factory.mktemp("renewed")
    root, out = base / "shop", base / "index"
    for number in range(80):
        paint(root / f"{number}.png", number)
    made = index_catalogue(read_catalogue(root, progress=False), out, Squares())
    old = dict(zip(made.index.ids(), made.index.vectors(made.index.ids()), strict=True))
    for number in range(70):
        paint(root / f"{number}.png", 1000 + number)
    for number in range(100, 140):
        paint(root / f"{number}.png", number)
    for number in range(70, 75):
        (root / f"{number}.png").unlink()
    files = sorted(root.iterdir())
    new = dict(zip([file.name for file in files], Squares().vectors(files), strict=True))
    return root, out, old, new


STEPS = [1, 2, 3, 5, 8, 12, 16, 21, 27, 34, 42]


@pytest.mark.parametrize(
    "step", [4, 23, *(pytest.param(step, marks=pytest.mark.slow) for step in STEPS)]
)
def test_killed_at_any_step_the_index_opens_and_the_next_run_goes_on(renewed, tmp_path, step):
    """New, changed and deleted pictures in several commits; every item as before or as after."""
    root, out, old, new = renewed
    copy = tmp_path / "copy"
    shutil.copytree(out, copy)
    done = subprocess.run(
        [sys.executable, str(WRITER), str(root), str(copy), str(step)],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, (done.stdout, done.stderr)
    catalogue = open_catalogue(copy, Squares())
    ids = catalogue.index.ids()
    assert set(ids) <= set(old) | set(new) and {"75.png", "79.png"} <= set(ids)
    for one, vector in zip(ids, catalogue.index.vectors(ids), strict=True):
        assert max(known[one] @ vector for known in (old, new) if one in known) > 0.9999, one
    assert catalogue.search(root / "75.png", k=3)
    again = index_catalogue(read_catalogue(root, progress=False), copy, Squares())
    assert sorted(again.index.ids()) == sorted(new)
    vectors = again.index.vectors(list(new))
    assert (vectors * np.stack(list(new.values()))).sum(axis=1).min() > 0.9999


@pytest.mark.slow
def test_the_command_killed_while_it_embeds(model, tmp_path):
    root, out = tmp_path / "shop", tmp_path / "index"
    words = ["index", str(root), "--out", str(out), "--model", str(model)]
    for number in range(40):
        paint(root / f"{number}.png", number)
    assert main(words) == 0
    for number in range(40, 3000):
        paint(root / f"{number}.png", number)
    process = subprocess.Popen(
        [sys.executable, "-m", "tl_keras.cli.main", *words],
        env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    said, deadline = b"", time.monotonic() + 240
    while b"embedding" not in said and time.monotonic() < deadline:
        said += os.read(process.stderr.fileno(), 4096)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    held = open_catalogue(out, open_embedder(model)).index.count()
    assert 40 <= held < 3000
    assert open_catalogue(out).similar("0.png", k=5)
    again = index_catalogue(read_catalogue(root, progress=False), out, open_embedder(model))
    assert (again.changes.unchanged, again.changes.added) == (held, 3000 - held)
    assert again.changes.embedded == 3000 - held
