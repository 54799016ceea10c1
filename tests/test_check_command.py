"""``tl-keras check`` as a user meets it: summary, JSON, page, cleaned table, with a network."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from check_pictures import fill, kinds, table
from PIL import Image

import tl_keras as tl
from tl_keras.cli.main import main
from tl_keras.data import Boxes, Finding
from tl_keras.data.checking.findings import KINDS
from tl_keras.evaluation import write_check_page
from tl_keras.training.embedding import embed


@pytest.fixture(scope="module")
def dirty(tmp_path_factory):
    """Squares and rings, 40 each; copies, a near copy, a placeholder, two wrong labels, a wreck."""
    root = tmp_path_factory.mktemp("check") / "photos <1>"
    for number, part in enumerate(("train", "val")):
        for kind, name in ((1, "rings"), (2, "squares")):
            fill(root / part / name, 28 if part == "train" else 12, kind, seed=number)
    shutil.copy(root / "val/rings/003.png", root / "train/rings/copy.png")
    near = Image.open(root / "val/squares/004.png").resize((90, 70))
    near.save(root / "train/squares/near.jpg", quality=60)
    graphic = np.full((300, 300, 3), 246, np.uint8)
    graphic[120:140, 60:240:6] = 70
    Image.fromarray(graphic).save(root / "train/squares/notfound.gif")
    (root / "train/rings/005.png").rename(root / "train/squares/wrong.png")
    (root / "train/squares/006.png").rename(root / "train/rings/wrong.png")
    (root / "train/rings/wreck.jpg").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def findings(dirty):
    return tl.data.check(tl.data.from_folder(dirty, progress=False), features=embed, progress=False)


def listed(folder="."):
    return sorted(path.name for path in Path(folder).iterdir())


def state(folder):
    return sorted(
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    )


def test_every_planted_fault_is_found_with_a_network(findings):
    found = kinds(findings)
    assert found["unreadable"] == [["rings/wreck.jpg"]]
    assert found["copies_across_parts"] == [["rings/003.png", "rings/copy.png"]]
    assert found["near_copies_across_parts"] == [["squares/004.png", "squares/near.jpg"]]
    assert ["squares/notfound.gif"] in found["outlier"]
    assert {"rings/wrong.png", "squares/wrong.png"} <= {
        one.paths[0].split("/", -1)[-2] + "/" + one.paths[0].rsplit("/", 1)[1]
        for one in findings
        if one.kind == "label_error"
    }
    assert len(found["label_error"]) <= 5 and len(found["outlier"]) <= 2


def test_a_clean_set_gives_nothing_grave_with_a_network(tmp_path):
    for number, part in enumerate(("train", "test")):
        for kind, name in ((1, "rings"), (2, "squares")):
            fill(tmp_path / "set" / part / name, 20, kind, seed=10 + number)
    examples = tl.data.from_folder(tmp_path / "set", progress=False)
    assert tl.data.check(examples, features=embed, progress=False) == []


def test_the_command(dirty, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = state(dirty)
    assert main(["check", str(dirty), "--no-features", "--fix", "cleaned.csv"]) == 0
    shown = capsys.readouterr().out
    for line in ("ERROR   Unreadable files: 1", "ERROR   Copies across the split: 1", "wreck.jpg"):
        assert line in shown
    assert "without 2 files" in shown
    assert listed() == ["check-photos <1>.html", "cleaned.csv"]
    assert state(dirty) == before
    again = tl.data.open_data("cleaned.csv", progress=False)
    assert len(again) == 82 and again.parts == ("train", "val")
    assert not [path for path in again.paths if path.endswith(("copy.png", "wreck.jpg"))]
    assert {one.severity for one in tl.data.check(again, progress=False)} <= {"warning", "note"}


def test_json_is_one_list_on_standard_output(dirty, tmp_path, monkeypatch, capsys, findings):
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(dirty), "--json", "--feature-cache", "kept"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == [finding.as_dict() for finding in findings]
    assert {"kind", "paths", "why"} <= printed[0].keys()
    assert listed() == ["kept"] and len(listed("kept")) == 1


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["--fix", "there.csv"], "name a new file"),
        (["--fix", "table.txt"], "name a .csv"),
        (["--fix", "no/such/table.csv"], "make it first"),
        (["--html", "page.pdf"], "name one, such as check.html"),
        (["--html", "no/such/page.html"], "make it first"),
        (["--weights", "none"], "--no-features"),
        (["--backbone", "resnet99"], "resnet99"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_read(
    dirty, tmp_path, monkeypatch, capsys, words, remedy
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine")
    assert main(["check", str(dirty), *words]) == 2
    assert remedy in capsys.readouterr().err
    assert listed() == ["there.csv"] and (tmp_path / "there.csv").read_text() == "mine"


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href", "srcset")]

    def handle_data(self, data):
        self.text += data


def test_the_page_stands_alone(dirty, tmp_path, findings):
    examples = tl.data.from_folder(dirty, progress=False)
    file = write_check_page(tmp_path / "c.html", findings, examples, title="<b>mine</b>")
    page = _Page(file.read_text())
    assert "script" not in page.tags and "link" not in page.tags
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    assert "<b>mine</b>" in page.text and "prefers-color-scheme" in file.read_text()
    for finding in findings:
        assert finding.why in page.text and KINDS[finding.kind].title in page.text
    # As many pictures as files, but for the wreck, which has none.
    files = sum(len(one.paths) for one in findings if one.kind != "unreadable")
    assert page.tags.count("img") == files


def test_the_page_is_bounded(tmp_path):
    paths = [str(path) for path in sorted(fill(tmp_path / "a", 12).iterdir())]
    many = [Finding("copies", tuple(paths), f"number {k}") for k in range(2000)]
    many += [Finding("label_error", (paths[k % 12],), f"label {k}") for k in range(2000)]
    boxes = tuple(
        Boxes.of([(1, 1, 40, 40), (9, np.nan, 3, 2), (80, 1, 400, 40)], [0, 0, 0]) for _ in paths
    )
    many += [Finding("box_outside", (path,), "leaves") for path in paths]
    file = write_check_page(tmp_path / "c.html", many, table(paths, boxes=boxes), title="many")
    page = _Page(file.read_text())
    assert page.tags.count("img") <= 480 and file.stat().st_size < 4e6
    assert "1,952 more" in page.text and "2,000" in page.text and "6 more files" in page.text


def test_features_of_a_table(dirty, tmp_path):
    examples = tl.data.from_folder(dirty, progress=False).subset(range(5))
    first = embed(examples, cache=tmp_path / "kept")
    assert first.shape[0] == 5 and first.dtype == np.float32 and np.ptp(first, axis=0).max() > 0
    assert np.array_equal(first, embed(examples, cache=tmp_path / "kept"))
    with pytest.raises(tl.InputError, match="no pictures"):
        embed(examples.subset([]))


@pytest.mark.slow
def test_real_dirt_is_found(shared_data):
    """Copies on both sides of brain-mri; hymenoptera's placeholder; bccd's boxes of no area."""
    scans = tl.data.from_folder(shared_data / "brain-mri", progress=False)
    across = [one for one in tl.data.check(scans) if one.kind == "copies_across_parts"]
    assert sum(len(one.paths) > 1 for one in across) >= 20
    assert all({"Training", "Testing"} <= {p.split("/")[-3] for p in one.paths} for one in across)
    insects = tl.data.from_folder(shared_data / "hymenoptera", progress=False)
    far = [one for one in tl.data.check(insects, features=embed) if one.kind == "outlier"]
    assert far[0].paths[0].endswith("imageNotFound.gif") and len(far) <= 3
    blood = tl.data.open_data(shared_data / "bccd", progress=False)
    empty = [one for one in tl.data.check(blood) if one.kind == "box_empty"]
    assert {one.paths[0].rsplit("_", 1)[1][:5] for one in empty} == {"00338", "00343"}
