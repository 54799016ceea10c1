"""The report as people read it: its numbers, and the page itself in a headless Chromium."""

import html
import re
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, found_browser
from PIL import Image

from tl_keras.artefact.reporting import write_model_report
from tl_keras.artefact.split_record import described_side, described_split
from tl_keras.cli.choices import Data, split_rule
from tl_keras.data.examples import Examples
from tl_keras.evaluation import evaluate_classification, wilson_interval
from tl_keras.evaluation.certainty import by_certainty
from tl_keras.evaluation.confused_pairs import confused_pairs
from tl_keras.evaluation.confusion_page import confusion_section
from tl_keras.evaluation.data_section import data_section
from tl_keras.evaluation.group_figures import group_figures, groups_section
from tl_keras.evaluation.label_doubts import doubtful
from tl_keras.evaluation.measured_images import MeasuredImages
from tl_keras.evaluation.picture_pool import PicturePool
from tl_keras.tasks import get_task
from tl_keras.training.cost import stage_seconds
from tl_keras.training.peak_memory import peak_memory

EVIL = "<script>alert('x')</script> & \"q\""
COLOURS = np.array([[200, 60, 60], [60, 170, 60], [60, 60, 200], [190, 170, 50], [160, 60, 180]])

needs_browser = pytest.mark.skipif(
    found_browser() is None, reason="needs Chromium on the path, to open the page in"
)


def table_of(folder: Path, names, images: int, seed: int = 0) -> Examples:
    """Files of one colour a class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(images) % len(names)
    folder.mkdir(exist_ok=True)
    paths = []
    for number, label in enumerate(labels):
        pixels = COLOURS[label % len(COLOURS)] + rng.integers(-30, 30, (48, 48, 3))
        path = folder / f"{number} <b>&.png"
        Image.fromarray(pixels.clip(0, 255).astype("uint8")).save(path)
        paths.append(str(path))
    return Examples(
        tuple(paths), labels, tuple(names), tuple(map(str, range(images))), (None,) * images,
        root=str(folder),
    )  # fmt: skip


def answers_for(labels, classes: int, wrong: float = 0.2, seed: int = 0) -> np.ndarray:
    """Probabilities of which a share names another class."""
    rng = np.random.default_rng(seed)
    said = np.where(
        rng.random(len(labels)) < wrong, rng.integers(classes, size=len(labels)), labels
    )
    scores = rng.random((len(labels), classes))
    scores[np.arange(len(labels)), said] += 4 * rng.random(len(labels)) + 1
    shares = np.exp(scores)
    return shares / shares.sum(axis=1, keepdims=True)


def said_of(metrics, names, split=None) -> dict:
    """What model.json says, as far as the report reads it."""
    return {
        "metrics": metrics,
        "backbone": "mobilenet_v3_small",
        "recipe": {"name": "ridge", "reason": "asked for"},
        "image_size": 32, "resize": "crop", "parameters": 943_736, "seed": 7,
        "train_images": 40, "train_counts": dict.fromkeys(names, 8),
        "split": split, "skipped": [["a.jpg", "zero bytes"]], "crossing": [],
        "command": "tl-keras train photos/", "data": "photos/", "versions": {"keras": "3.15.1"},
        "cost": {
            "seconds": 61.0, "stages": [{"stage": "head", "epochs": 9, "seconds": 40.0}],
            "peak_memory_bytes": 1_500_000_000, "model_bytes": 4_300_000, "latency_ms": 9.5,
            "images_per_second": 150.0, "batch": 32, "device": "TensorFlow on CPU",
        },
    }  # fmt: skip


def page_of(path: Path, data, probabilities, names, **changes) -> str:
    """The page of a classifier that said so."""
    task = get_task("classify")
    labels = np.asarray(data.labels if hasattr(data, "labels") else data[1])
    metrics = task.measure(labels, probabilities, names, None)
    found = task.illustrated(labels, probabilities, names, {}, MeasuredImages(data, 32, "crop"))
    pictures = [(np.zeros((40, 80, 3), np.uint8), "worst of all")]
    write_model_report(
        path, "photos", task, {**said_of(metrics, names), **changes}, illustrations=found,
        worst=pictures,
    )  # fmt: skip
    return path.read_text(encoding="utf-8")


NAMES = ("ant", "bee", "cat", EVIL, "a_class_whose_name_is_as_long_as_some_are_in_the_wild")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return table_of(tmp_path_factory.mktemp("pictures"), NAMES, 60)


@pytest.fixture(scope="module")
def probabilities(table):
    return answers_for(table.labels, len(NAMES))


@pytest.fixture(scope="module")
def page(table, probabilities, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    page_of(path, table, probabilities, NAMES)
    return path


def _cells(page: str) -> dict[tuple[int, int], int]:
    """The numbers of the table by the panels they lead to."""
    found = re.findall(r'<a href="#c(\d+)-(\d+)" title="[^"]*">(\d+)</a>', page)
    return {(int(row), int(column)): int(count) for row, column, count in found}


def test_the_table_holds_the_counts_and_leads_to_the_images_behind_them(page, table, probabilities):
    text = page.read_text(encoding="utf-8")
    confusion = np.zeros((5, 5), int)
    predicted = probabilities.argmax(axis=1)
    np.add.at(confusion, (table.labels, predicted), 1)
    cells = _cells(text)
    assert cells == {pair: confusion[pair] for pair in zip(*np.nonzero(confusion), strict=True)}
    for (true, answer), count in cells.items():
        (panel,) = re.findall(
            rf'<div class="panel[^"]*" id="c{true}-{answer}">.*?</div></div>', text
        )
        rows = np.flatnonzero((table.labels == true) & (predicted == answer))
        shown = [int(row) for row in re.findall(r'class="p i(\d+)"', panel)]
        assert set(shown) <= set(rows.tolist()) and len(shown) == min(
            count, 4 + 4 * (true != answer)
        )
        assert f"{count} of {confusion[true].sum()} images" in panel
        for row in shown:
            assert f"{probabilities[row, answer]:.2f}" in panel


def test_every_picture_is_written_once_and_is_the_right_one(page, table):
    text = page.read_text(encoding="utf-8")
    rules = re.findall(r"\.i(\d+)\{background-image:url\((data:image/webp;base64,[^)]+)\)\}", text)
    assert len(rules) == len({row for row, _ in rules}) and len(rules) > 10
    used = set(re.findall(r'class="p i(\d+)"', text))
    assert used == {row for row, _ in rules}


def test_names_of_classes_and_files_are_words_and_nothing_else(page):
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 1 and "<b>&" not in text
    assert html.escape(EVIL) in text


def test_the_sections_say_what_was_measured(page):
    text = page.read_text(encoding="utf-8")
    for words in (
        "Data and split", "a.jpg", "What it cost", "9.5 ms", "4.3 MB", "1.50 GB", "21.0&nbsp;s",
        "tl-keras train photos/", "The most confused pairs", "The surest and the least sure",
        "Labels that may be wrong", "worst of all", "Class by class", "943,736",
    ):  # fmt: skip
        assert words in text, words
    assert "How sure it may be" in text and "Confidence and accuracy lie" in text
    assert "Group by group" not in text and "Learning curves" not in text
    links = re.findall(r"<nav.*?</nav>", text)[0]
    ids = re.findall(r'href="#([^"]+)"', links)
    assert ids == re.findall(r'<section id="([^"]+)"', text)


def test_pairs_count_both_directions():
    pairs = confused_pairs(np.array([[9, 3, 0, 1], [2, 9, 0, 0], [0, 6, 3, 0], [0, 0, 0, 9]]))
    assert [tuple(pair) for pair in pairs] == [(2, 1, 6, 0), (0, 1, 3, 2)]
    assert confused_pairs(np.eye(3, dtype=int)) == []


def test_certainty_never_shows_an_image_at_both_ends():
    rng = np.random.default_rng(0)
    for count in (1, 2, 5, 30):
        shares = rng.dirichlet(np.ones(3), count)
        found = by_certainty(rng.integers(3, size=count), shares, 6)
        sure = shares.max(axis=1)
        assert not set(found.most) & set(found.least)
        assert len(found.most) + len(found.least) == min(count, 12)
        assert sure[found.most].tolist() == sorted(sure[found.most], reverse=True)
        assert sure[found.least].tolist() == sorted(sure[found.least])


def test_wrong_labels_are_found_among_right_ones():
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(4), 50)
    shares = np.full((200, 4), 0.05) + 0.8 * np.eye(4)[truth]
    labels = truth.copy()
    turned = rng.choice(200, 12, replace=False)
    labels[turned] = (labels[turned] + 1) % 4
    found, _ = doubtful(labels, shares)
    assert set(found) == set(turned.tolist())
    assert doubtful(truth, shares)[0] == []


def test_groups_have_their_own_accuracy_with_wilsons_interval():
    right = np.array([True] * 30 + [False] * 10 + [True] * 40 + [True, False])
    cells = ["north"] * 40 + ["south"] * 40 + ["<i>"] * 2
    found = {one.value: one for one in group_figures(right, cells)}
    low, high = map(float, wilson_interval(30, 40))
    assert found["north"].accuracy == pytest.approx({"value": 0.75, "low": low, "high": high})
    assert found["south"].count == 40 and not found["south"].lower
    assert [one.value for one in group_figures(right, cells)] == ["<i>", "north", "south"]
    section = groups_section(right, {"camera": cells, "file": [str(k) for k in range(82)]})
    assert "By camera" in section and "By file" not in section and "few images" in section
    assert "<i>" not in section
    low = groups_section(np.repeat([True, False], [90, 10]), {"group": ["a"] * 90 + ["b"] * 10})
    assert low.count("lower</td>") + low.count("lower<small>") == 1


def test_columns_of_the_table_reach_the_page(table, probabilities, tmp_path):
    cameras = tuple("old" if k % 3 else "new" for k in range(len(table)))
    people = tuple(f"person {k // 12}" for k in range(len(table)))
    told = replace(table, groups=people, extra={"camera": cameras, "same": ("x",) * len(table)})
    text = page_of(tmp_path / "r.html", told, probabilities, NAMES)
    assert "Group by group" in text and "By camera" in text and "By group" in text
    assert "By same" not in text and "person 4" in text


def test_what_crosses_the_split_is_said():
    said = said_of({}, ("a", "b"))
    sides = {
        "train": {"images": 9, "counts": {"a": 4, "b": 5}, "groups": 3},
        "val": {"images": 2, "counts": {"a": 1, "b": 1}, "groups": 2},
    }
    split = {
        "fingerprint": "0f", **sides, "brought": True, "shared": {"contents": 2, "groups": 1}
    }  # fmt: skip
    text = data_section({**said, "split": split, "crossing": [["c.jpg", "in val"]]})
    assert "2 files stand on more than one side" in text and "1 stand on more than one" in text
    assert "brought by the data" in text and "<td>9</td><td>2</td>" in text
    clean = {**split, "shared": {"contents": 0, "groups": 0}}
    text = data_section(
        {**said, "split": clean, "split_rule": "by group", "crossing": [["c", "d"]]}
    )
    assert "no file stands on two sides" in text and "1 copies that crossed" in text
    assert "none stands on two sides" in text and "by group" in text


def test_counts_are_of_what_is_learned(table):
    tags = np.zeros((len(table), 2), "int8")
    tags[:7, 1] = 1
    tagged = replace(table, tags=tags, tag_names=("red", "round"))
    assert described_side(tagged)["counts"] == table.counts()
    assert described_side(tagged, "tags")["counts"] == {"red": 0, "round": 7}
    halves = tagged.subset(range(30)), tagged.subset(range(20, 60))
    split = described_split(*halves, target="tags")
    assert split["shared"] == {"contents": 10, "groups": None} and not split["brought"]
    assert split["val"]["counts"] == {"red": 0, "round": 0}
    assert described_side(table, "pixels")["counts"] is None  # of images is not of pixels
    said = {**said_of({}, ("sky", "road")), "split": None, "train_counts": {"sky": 70_000}}
    assert "Pixels of each class" in data_section({**said, "task": "segment"})
    assert "Pixels" not in data_section({**said, "task": "classify"})


def test_train_says_how_the_split_was_made(table):
    options = Namespace(shots=None, folds=None, val_fraction=0.25, split_by="auto", seed=3)

    def said(examples, **changes):
        return split_rule(
            Namespace(**{**vars(options), **changes}), Data(examples, None, None, None)
        )

    assert said(table) == "25 % held out to validate, within each class, by seed 3"
    people = replace(table, groups=("a",) * len(table))
    assert said(people, folds=5) == "one of 5 folds, whole groups together, by seed 3"
    both = replace(table, splits=("train", "test") * (len(table) // 2))
    assert said(both).endswith("by seed 3; the test part is the data's own")
    brought = replace(table, splits=("train", "val") * (len(table) // 2))
    assert said(brought) == "brought by the data"
    assert said(table, shots=5) == "5 images of each class drawn to train on, by seed 3"


def test_pictures_that_went_since_are_said_to_be_gone(tmp_path):
    data = table_of(tmp_path / "gone", NAMES, 20)
    said = answers_for(data.labels, 5)
    for path in data.paths[::2]:
        Path(path).unlink()
    text = page_of(tmp_path / "r.html", data, said, NAMES)
    assert "no longer readable" in text and ".i1{" in text and ".i0{" not in text


@pytest.mark.parametrize(("classes", "images"), [(2, 1), (2, 9), (3, 2), (300, 300)])
def test_small_and_large_sets_have_their_page(tmp_path, classes, images):
    rng = np.random.default_rng(0)
    names = tuple(f"class {k}" for k in range(classes))
    labels = rng.integers(classes, size=images)
    arrays = rng.integers(0, 255, (images, 32, 32, 3)).astype("float32"), labels
    text = page_of(tmp_path / "r.html", arrays, answers_for(labels, classes, 0.5), names)
    assert text.count('<th scope="col"') == min(classes, 60)
    assert len(text) < 2_500_000 and text.count("image/webp") <= 301
    assert text.count("<div") == text.count("</div>")
    assert ("lie outside the table" in text) == (classes > 60)


def test_a_pool_takes_no_more_than_it_should():
    pool = PicturePool(MeasuredImages((np.zeros((3, 8, 8, 3)), [0, 0, 0]), 8, "crop"), most=2)
    assert [pool.take(k) for k in (0, 1, 2, 1)] == [True, True, False, True]
    assert "not shown" in pool.figure(2, "x") and pool.style.count("data:") == 2


def test_a_table_without_images_has_no_links():
    metrics = evaluate_classification([0, 1], [[0.9, 0.1], [0.8, 0.2]], ["a", "b"])
    section = confusion_section(metrics, {})
    assert "<a" not in section and section.count("<td") == 5 and "Choose a number" not in section


def test_without_validation_images_there_is_a_page(tmp_path):
    path = tmp_path / "report.html"
    write_model_report(path, "t", get_task("classify"), said_of({}, ("a", "b")))
    text = path.read_text()
    assert "no validation images" in text and "Data and split" in text and "What it cost" in text


def test_costs_add_up():
    rows = [{"stage": s, "seconds": t} for s, t in (("head", 1.0), ("head", 2.0), ("all", 5.0))]
    assert stage_seconds(rows) == [
        {"stage": "head", "epochs": 2, "seconds": 3.0},
        {"stage": "all", "epochs": 1, "seconds": 5.0},
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system counts it, as it does")
def test_memory_is_that_of_the_process_and_not_of_the_one_that_started_it():
    """A child's figure of getrusage begins with its parent's."""
    held = np.ones(50_000_000)
    code = "from tl_keras.training.peak_memory import peak_memory; print(peak_memory())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5e6 < int(said.stdout) < 1e8 < held.nbytes < peak_memory()


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def browser(window):
    window.resize(1280, 900)
    window.dark(False)
    window.errors.clear()
    window.asked.clear()
    yield window
    assert window.errors == []
    assert [one for one in window.asked if not one.startswith(("file:", "data:"))] == []


SEEN = "[...document.querySelectorAll('.panel')].filter((p) => p.offsetParent).map((p) => p.id)"
FITS = "document.documentElement.scrollWidth <= innerWidth"


@needs_browser
def test_a_number_shows_its_images(browser, page, table, probabilities):
    browser.open(page.as_uri(), "document.querySelector('nav')")
    assert browser.run(SEEN) == []
    predicted = probabilities.argmax(axis=1)
    row = int(np.flatnonzero(predicted != table.labels)[0])
    cell = f"c{table.labels[row]}-{predicted[row]}"
    browser.click(f'.confusion a[href="#{cell}"]')
    browser.wait(f"location.hash === '#{cell}'")
    assert browser.run(SEEN) == [cell]
    same = np.flatnonzero((table.labels == table.labels[row]) & (predicted == predicted[row]))
    shown = browser.run(
        f"[...document.querySelectorAll('#{cell} .p')].map((p) => "
        "[p.className, getComputedStyle(p).backgroundImage.slice(0, 20), p.clientWidth])"
    )
    assert {kind for kind, _, _ in shown} == {f"p i{number}" for number in same[:8]}
    assert all(image.startswith('url("data:image/web') and wide > 60 for _, image, wide in shown)
    # Another by the keyboard alone: the next number of the table.
    browser.run("document.querySelector('.confusion a').focus()")
    browser.press("Enter")
    browser.wait(f"JSON.stringify({SEEN}) === '[\"c0-0\"]'")


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_desktop_and_a_phone(browser, page, dark):
    browser.dark(dark)
    browser.open(page.as_uri(), "document.querySelector('nav')")
    assert (
        browser.run(FITS)
        and browser.run("document.querySelectorAll('details:not([open])').length") == 0
    )
    browser.resize(390, 844, phone=True)
    browser.open("about:blank", "true")
    browser.open(page.as_uri(), "document.querySelector('nav')")
    assert browser.run(FITS)
    assert browser.run("document.querySelectorAll('section > details[open]').length") == 2
    # What the contents lead to unfolds, and everything unfolds for the printer.
    browser.click('nav a[href="#the-most-confused-pairs"]')
    browser.wait("document.querySelector('#the-most-confused-pairs details').open")
    assert browser.run(FITS)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("document.querySelectorAll('details:not([open])').length") == 0
    assert browser.run(FITS)
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("document.querySelectorAll('details:not([open])').length") > 5


@needs_browser
def test_on_paper_it_is_light_and_shows_the_errors(browser, page):
    browser.open(page.as_uri(), "document.querySelector('nav')")
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=dark)
    seen = "[...document.querySelectorAll('.plot img')].filter((one) => one.offsetParent)"
    assert browser.run(f"{seen}.map((one) => one.className)") == ["light"]
    wrong = browser.run("document.querySelectorAll('.panel.wrong').length")
    assert browser.run(f"{SEEN}.length") == wrong > 3
    browser.call("Emulation.setEmulatedMedia", media="", features=[])


@needs_browser
def test_its_policy_lets_no_other_script_run(browser, page, tmp_path):
    spoiled = tmp_path / "spoiled.html"
    text = page.read_text(encoding="utf-8")
    spoiled.write_text(text.replace("<main>", "<main><script>window.evil = 1</script>"))
    browser.open(spoiled.as_uri(), "document.querySelector('nav')")
    assert browser.run("window.evil === undefined")
    assert any("Content Security Policy" in one for one in browser.errors)
    browser.errors.clear()
