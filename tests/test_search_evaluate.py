"""A catalogue's search measured: the figures, what is left out, and the commands around it."""

import csv
import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image
from shops import paint

from tl_keras.cli.main import main
from tl_keras.errors import InputError
from tl_keras.retrieval import open_catalogue, read_catalogue
from tl_keras.retrieval.evaluating import evaluate_catalogue


@pytest.fixture(scope="module")
def shop(colour_shop):
    return colour_shop


@pytest.fixture(scope="module")
def customers(tmp_path_factory):
    """Photos that are not in the catalogue, with what they show."""
    root = tmp_path_factory.mktemp("customers")
    with (root / "table.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "colour"])
        for number, colour in enumerate(["red", "green", "green", "blue", ""]):
            paint(root / f"{number}.png", colour or "red", 900 + number)
            writer.writerow([f"{number}.png", colour])
    return root / "table.csv"


def by_hand(vectors, labels, k):
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -9)
    nearest = np.argsort(-scores, axis=1)[:, :k]
    return (np.array(labels)[nearest] == np.array(labels)[:, None]).mean()


def test_figures_are_those_of_a_full_comparison(shop):
    found = evaluate_catalogue(shop, "colour")
    ids = sorted(shop.index.ids())
    labels = [row["colour"] for row in shop.index.metadata(ids)]
    assert found.labels == labels
    assert found.files == [str(shop.path_of(one)) for one in ids]
    for k in ("1", "5", "10"):
        expected = by_hand(shop.index.vectors(ids), labels, int(k))
        assert found.metrics["precision"][k]["value"] == pytest.approx(expected)
    assert found.metrics["pictures"] == found.metrics["queries"] == 36
    assert {row["name"] for row in found.metrics["by_category"]} == {"red", "green", "blue"}
    # Colour is easy to see, a maker's name is not.
    maker = evaluate_catalogue(shop, "maker").metrics
    assert maker["precision"]["1"]["value"] < found.metrics["precision"]["1"]["value"]


def test_queries_of_their_own_search_in_all(shop, customers):
    found = evaluate_catalogue(shop, "colour", read_catalogue(customers, progress=False))
    assert found.metrics["queries"] == 4  # one has no colour
    assert found.query_labels == ["red", "green", "green", "blue", None]
    vectors = shop.embedder.vectors(found.query_files)[:4]
    ids = sorted(shop.index.ids())
    best = np.argmax(shop.index.vectors(ids) @ vectors.T, axis=0)
    right = [found.labels[at] == want for at, want in zip(best, found.query_labels, strict=False)]
    assert found.metrics["precision"]["1"]["value"] == np.mean(right)
    assert len(found.shown.drawn) == 4


def test_files_with_the_bytes_of_others_count_once(shop, customers, tmp_path):
    ids = sorted(shop.index.ids())
    copy = shop.index.metadata(ids[:1])
    shop.index.add(["images/zz.png"], shop.index.vectors(ids[:1]), copy)
    try:
        found = evaluate_catalogue(shop, "colour")
    finally:
        shop.index.delete(["images/zz.png"])
    assert found.metrics["queries"] == 36
    assert "1 files with the bytes of others were left out." in found.metrics["notes"]
    # Nor does a query that the catalogue holds find itself.
    shutil.copy(shop.path_of("images/00.png"), tmp_path / "same.png")
    paint(tmp_path / "new.png", "red", 999)
    (tmp_path / "t.csv").write_text("image,colour\nsame.png,red\nnew.png,red\n")
    found = evaluate_catalogue(shop, "colour", read_catalogue(tmp_path / "t.csv", progress=False))
    assert found.metrics["queries"] == 1
    assert "1 queries were left out, whose bytes the catalogue has." in found.metrics["notes"]


def test_of_many_queries_some_are_drawn(shop):
    found = evaluate_catalogue(shop, "colour", most=10)
    assert found.metrics["queries"] == 10
    assert found.metrics["pictures"] == 36
    assert "10 of 36 queries were drawn by chance." in found.metrics["notes"]
    same = evaluate_catalogue(shop, "colour", most=10)
    assert same.metrics == found.metrics
    assert evaluate_catalogue(shop, "colour", most=10, seed=1).metrics != found.metrics
    with pytest.raises(InputError, match="most"):
        evaluate_catalogue(shop, "colour", most=0)


def test_the_command_writes_figures_sheet_and_page(shop, tmp_path, capsys):
    out = tmp_path / "report"
    folder = str(shop.folder)
    asked = ["search", folder, "--evaluate", "--by", "colour", "--output", str(out)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "36 queries among 36 pictures; right is what has the same colour." in said
    assert re.search(r"precision at 5 +\d+\.\d % \(95 % interval", said)
    assert re.search(r"^green +12 ", said, re.MULTILINE)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["by"] == "colour"
    page = (out / "search.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count('class="query"') >= 6
    assert np.asarray(Image.open(out / "contact_sheet.png")).std() > 20
    assert main([*asked]) == 2
    assert "already holds" in capsys.readouterr().err
    assert main(["search", folder, "--evaluate", "--by", "colour", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["queries"] == 36


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], "nothing to search for; give an image, or --serve for a page, or --evaluate"),
        (["a.jpg", "--serve"], "QUERY and --serve at once"),
        (["--serve", "--evaluate"], "at once"),
        (["--serve", "-k", "3"], "-k has no effect with --serve"),
        (["--serve", "--where", "a=b"], "--where has no effect with --serve"),
        (["--serve", "--json"], "--json has no effect with --serve"),
        (["--serve", "--port", "70000"], "--port 70000"),
        (["a.jpg", "--by", "colour"], "--by has no effect with QUERY"),
        (["a.jpg", "--port", "0"], "--port has no effect with QUERY"),
        (["--evaluate", "--picture", "a.png"], "--picture has no effect with --evaluate"),
        (["--evaluate"], "no column 'label'; name another to go by; there are: colour, gender"),
        (["--evaluate", "--by", "size"], "no column 'size'; there are: colour, gender, maker"),
        (["--evaluate", "no/such/data"], "no/such/data"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(shop, capsys, asked, words):
    assert main(["search", str(shop.folder), *asked]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in said
    assert said.startswith("tl-keras: ")


def test_no_catalogue_and_none_to_compare(shop, tmp_path, capsys):
    for way in ("--serve", "--evaluate"):
        assert main(["search", str(tmp_path), way]) == 2
        assert "holds no catalogue" in capsys.readouterr().err
    for number in range(2):
        paint(tmp_path / "one" / f"{number}.png", "red", number)
    (tmp_path / "one" / "t.csv").write_text("image,colour\n0.png,red\n1.png,blue\n")
    queries = read_catalogue(tmp_path / "one" / "t.csv", progress=False)
    with pytest.raises(InputError, match="the queries have no column 'gender'"):
        evaluate_catalogue(shop, "gender", queries)
    catalogue = open_catalogue(shop.folder, shop.embedder)
    for path in list((tmp_path / "one").glob("*.png")):
        shutil.copy(shop.path_of("images/00.png"), path)
    with pytest.raises(InputError, match="holds every query itself"):
        evaluate_catalogue(
            catalogue, "colour", read_catalogue(tmp_path / "one" / "t.csv", progress=False)
        )


@pytest.mark.slow
def test_the_served_page_is_there_until_it_is_interrupted(shop):
    import signal

    command = [sys.executable, "-m", "tl_keras.cli.main", "search", str(shop.folder), "--serve"]
    process = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        url = process.stdout.readline().split()[0]
        with urllib.request.urlopen(f"{url}api/about") as answer:
            assert json.load(answer)["items"] == 36
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
