"""The commands take whatever holds class labels: a table, TFRecord files, an archive, a URL."""

import csv
import json
import zipfile
from pathlib import Path

import pytest
from file_server import serving

from tl_keras.cli.main import main

FAST = ["--backbone", "mobilenet_025", "--weights", "none", "--image-size", "64"]


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))


@pytest.fixture
def table(photos, tmp_path) -> Path:
    path = tmp_path / "labels.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label"))
        rows.writerows((file, file.parent.name) for file in sorted(photos.rglob("*.png")))
    return path


@pytest.fixture
def packed(photos, tmp_path) -> Path:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as file:
        for picture in sorted(photos.rglob("*.png")):
            file.write(picture, Path("all/photos") / picture.relative_to(photos))
    return path


def test_train_on_a_table_evaluate_on_a_url(table, packed, tmp_path, capfd):
    model = tmp_path / "model"
    train = ["train", str(table), *FAST, "--recipe", "feature_extraction", "--json"]
    assert main([*train, "--output", str(model)]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["skipped"] == []
    assert f"{table}: read as csv" in captured.err
    assert main(["evaluate", str(model), str(packed), "--json"]) == 0
    from_file = json.loads(capfd.readouterr().out)["metrics"]
    assert sum(row["count"] for row in from_file["per_class"]) == 40
    with serving({"/photos.zip": packed.read_bytes()}) as server:
        url = server.url("/photos.zip?token=hush")
        assert main(["evaluate", str(model), url, "--json"]) == 0
    captured = capfd.readouterr()
    assert json.loads(captured.out)["metrics"] == from_file
    assert "read as archive" in captured.err and "hush" not in captured.err


def test_lr_find_on_an_archive(packed, capfd):
    find = ["lr-find", str(packed), *FAST, "--steps", "20", "--json"]
    assert main(find) == 0
    assert len(json.loads(capfd.readouterr().out)["rates"]) <= 20


def test_data_format_decides_and_what_is_wrong_is_one_line(table, tmp_path, capsys):
    (tmp_path / "other.csv").write_text("path,label\n")
    assert main(["train", str(tmp_path), *FAST]) == 2
    assert "holds several of the kind" in capsys.readouterr().err.strip().splitlines()[-1]
    assert main(["train", str(table), "--data-format", "vok", *FAST]) == 2
    assert "there is no format 'vok'" in capsys.readouterr().err.strip().splitlines()[-1]
    with serving({}) as server:
        assert main(["train", server.url("/none.zip"), *FAST]) == 2
    assert "404" in capsys.readouterr().err.strip().splitlines()[-1]
