"""The command line, as a user calls it: results, exit codes, and one clear line for bad input."""

import functools
import json
import re
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

import tl_keras as tl
from tl_keras.backbones import registry
from tl_keras.cli.main import COMMANDS, main

FAST = ["--image-size", "64", "--recipe", "feature_extraction", "--weights", "none"]
BASE = ["--backbone", "mobilenet_025"]


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "photos"
    assert main(["train", str(photos), *BASE, *FAST, "--output", str(folder)]) == 0
    return folder


def _last_line(capsys):
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_train_prints_one_json_object(photos, tmp_path, capfd):
    output = tmp_path / "run"
    assert main(["train", str(photos), *BASE, *FAST, "--output", str(output), "--json"]) == 0
    captured = capfd.readouterr()
    said = json.loads(captured.out)
    assert {"metrics", "artefact", "seconds", "skipped"} <= set(said)
    assert said["artefact"] == str(output) and (output / "model.keras").exists()
    assert "epoch" in captured.err and "Recipe" in captured.err


def test_predict_names_the_classes(trained, photos, capsys):
    files = [str(photos / "rings" / "00.png"), str(photos / "stripes" / "01.png")]
    assert main(["predict", str(trained), *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == files
    assert all({"rings", "stripes"} & set(line.split()) for line in lines)


def test_predict_json_goes_on_past_a_bad_file(trained, photos, tmp_path, capsys):
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    good = str(photos / "rings" / "00.png")
    assert main(["predict", str(trained), str(bad), good, "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert [item["source"] for item in said["predictions"]] == [good]
    assert said["skipped"][0]["path"] == str(bad)


def test_evaluate_prints_intervals_and_draws(trained, photos, tmp_path, capsys):
    folder = tmp_path / "measured"
    assert main(["evaluate", str(trained), str(photos), "--output", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "95 % interval" in out and "rings" in out
    assert Image.open(folder / "confusion_matrix.png").size[0] > 200
    said = json.loads((folder / "metrics.json").read_text())
    assert said["accuracy"]["low"] <= said["accuracy"]["value"] <= said["accuracy"]["high"]
    page = (folder / "report.html").read_text()
    assert "Measured on 40 images" in page and "Which class is taken for which" in page
    numbers = sum(count > 0 for row in said["confusion_matrix"] for count in row)
    assert len(re.findall(r'href="#c\d+-\d+"', page)) == numbers
    low, high = (100 * said["accuracy"][key] for key in ("low", "high"))
    assert f'<span class="interval">95 %: {low:.1f} to {high:.1f}</span>' in page


def test_backbones_lists_and_filters(capsys):
    assert main(["backbones", "--max-parameters", "1e6", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["backbones"]
    assert rows and all(row["parameters"] <= 1e6 for row in rows)
    assert main(["backbones"]) == 0
    assert "efficientnet_v2_b0" in capsys.readouterr().out


def test_a_backbone_of_ones_own_is_listed_though_it_was_never_measured(capsys, monkeypatch):
    monkeypatch.setattr(registry, "_RECORDS", dict(registry._RECORDS))
    tl.register_backbone(name="mine", builder=keras.Sequential, image_size=32, minimum_size=8)
    assert main(["backbones"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert next(line for line in listed if line.startswith("mine ")).split()[:4] == [
        "mine", "-", "-", "32"
    ]  # fmt: skip


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"] if command else ["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert "tl-keras" in said and "%%" not in said


def _folder(root, **classes):
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.full((40, 40, 3), 10 * number + ord(name[0]), "uint8")
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


BAD = {
    "missing path": (lambda root: root / "nowhere", [], "nowhere"),
    "empty folder": (lambda root: root, [], "folder per class"),
    "one class": (lambda root: _folder(root / "d", ants=3), [], "class"),
    "single image": (lambda root: _folder(root / "d", ants=3, bees=1), [], "bees"),
    "unknown backbone": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--backbone", "mobilnet_v2"],
        "mobilenet_v2",
    ),
    "too small": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--image-size", "8", "--backbone", "mobilenet_v2"],
        "smallest",
    ),
    "unknown recipe": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--recipe", "fine_tunes"],
        "fine_tune",
    ),
    "weights path": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--weights", "no/such.h5"],
        "no/such.h5",
    ),
    "no bundled weights": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--backbone", "vgg16", "--weights", "bundled"],
        "vgg16",
    ),
    "strict": (
        lambda root: (
            _folder(root / "d", ants=3, bees=3),
            (root / "d" / "ants" / "x.jpg").write_bytes(b""),
        )[0],
        ["--strict"],
        "x.jpg",
    ),
    "output not writable": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--output", "/proc/nothing/here"],
        "--output",
    ),
    "seed": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--seed", "-1"],
        "seed",
    ),
    "output name too long": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--output", "x" * 300],
        "--output",
    ),
    "fraction": (
        lambda root: _folder(root / "d", ants=3, bees=3),
        ["--val-fraction", "1.5"],
        "--val-fraction",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, tmp_path, capsys, monkeypatch):
    make, options, said = BAD[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    assert main(["train", str(make(tmp_path / "data")), *options]) == 2
    line = _last_line(capsys)
    assert line.startswith("tl-keras: ") and said in line
    assert not (tmp_path / "saved_models").exists() or not any(
        (tmp_path / "saved_models").iterdir()
    )


def test_an_output_with_another_run_is_left_alone(trained, photos, capsys):
    before = {path.name: path.stat().st_mtime_ns for path in trained.iterdir()}
    assert main(["train", str(photos), "--output", str(trained)]) == 2
    assert "another run" in _last_line(capsys)
    assert before == {path.name: path.stat().st_mtime_ns for path in trained.iterdir()}


def test_classes_that_the_model_does_not_know(trained, tmp_path, capsys):
    assert main(["evaluate", str(trained), str(_folder(tmp_path, ants=2, rings=2))]) == 2
    assert "ants" in _last_line(capsys)


def test_control_c_saves_the_best_model_so_far(photos, tmp_path):
    """A real process, a real SIGINT in the middle of training."""
    output = tmp_path / "run"
    command = [
        sys.executable, "-m", "tl_keras.cli.main", "train", str(photos), "--output", str(output),
        *BASE, *FAST[:2], "--weights", "none", "--recipe", "fine_tune",
    ]  # fmt: skip
    # Workers of pytest-xdist ignore the signal, and what they start would inherit that.
    heeded = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, preexec_fn=heeded, **pipes)
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "[head]" in line:
            process.send_signal(signal.SIGINT)
            break
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 2, "".join(seen) + rest
    assert "interrupted: the best model so far was saved" in rest
    assert json.loads((output / "model.json").read_text())["interrupted"] is True


def test_predict_writes_its_answer_and_nothing_else(trained, photos):
    """No line of TensorFlow's own start-up."""
    picture = next((photos / "rings").iterdir())
    command = [sys.executable, "-m", "tl_keras.cli.main", "predict", str(trained), str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "" and done.stdout.startswith(str(picture))


def test_import_stays_light():
    """No framework is imported before it is used (the times are in benchmarks/start_up.py)."""
    code = (
        "import sys, tl_keras, tl_keras.cli.main\n"
        "heavy = {'keras', 'tensorflow', 'numpy', 'PIL', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
