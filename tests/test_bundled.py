"""The weights that ship: whole, checked on load, found in a built wheel, better than random."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import tl_keras as tl
from tl_keras.backbones import bundled
from tl_keras.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ROOT / "tl_keras" / "pretrained"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the shipped files, put in their place, to be damaged."""
    folder = tmp_path / f"pretrained_{tmp_path.name}"
    shutil.copytree(SHIPPED, folder)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(bundled, "_FOLDER", folder.name)
    return folder


def _name():
    return next(iter(bundled.bundled_backbones()))


def _base():
    return tl.build_backbone(_name(), weights=None)


def _refused(match):
    """The error is clear, and the model that was to be loaded is untouched."""
    base = _base()
    before = [w.numpy() for w in base.weights]
    with pytest.raises(InputError, match=match):
        bundled.load_bundled(base, _name())
    for old, weight in zip(before, base.weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


def test_registry_and_manifest_name_the_same():
    assert tl.list_backbones(weights="bundled") == sorted(bundled.bundled_backbones())


def test_at_most_four_megabytes_of_float16_that_load_as_float32():
    for name, entry in bundled.bundled_backbones().items():
        assert (SHIPPED / entry["file"]).stat().st_size <= 4e6
        with np.load(SHIPPED / entry["file"]) as stored:
            assert {stored[key].dtype for key in stored.files} == {np.dtype("float16")}
            assert all(np.isfinite(stored[key]).all() for key in stored.files)
            first = stored["arr_0"].astype("float32")
        base = tl.build_backbone(name, weights="bundled")
        assert {str(weight.dtype) for weight in base.weights} == {"float32"}
        np.testing.assert_array_equal(base.weights[0].numpy(), first)


def test_one_flipped_bit_is_found(copy):
    file = copy / bundled.bundled_backbones()[_name()]["file"]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    _refused("damaged")


def test_missing_file_is_named(copy):
    file = copy / bundled.bundled_backbones()[_name()]["file"]
    file.unlink()
    _refused(f"{file.name} is missing")


@pytest.mark.parametrize("content", [b"", b"no zip", "short"])
def test_file_that_is_no_weights_though_its_hash_fits(copy, content):
    manifest = json.loads((copy / "manifest.json").read_text())
    entry = manifest[_name()]
    if content == "short":
        np.savez(copy / "short.npz", np.zeros(3))
        content = (copy / "short.npz").read_bytes()
    (copy / entry["file"]).write_bytes(content)
    entry["sha256"] = hashlib.sha256(content).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    _refused("cannot be read|do not fit")


def test_a_built_wheel_holds_them(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("tl_keras", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        path = ROOT / name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, source / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, source],
        check=True,
    )
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        manifest = json.loads(wheel.read("tl_keras/pretrained/manifest.json"))
        for entry in manifest.values():
            content = wheel.read(f"tl_keras/pretrained/{entry['file']}")
            assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert {"tl_keras/py.typed", "tl_keras/pretrained/README.md"} <= names
    assert "tl_keras/backbones/measurements.json" in names


def test_transfers_far_better_than_random_weights():
    """A linear probe on the sample set, closed form: learned features against random ones."""
    examples = tl.data.from_folder(tl.data.sample_set() / "images", progress=False)
    train, val = examples.split()
    size = bundled.bundled_backbones()[_name()]["image_size"]
    accuracy = {}
    for weights in ("bundled", None):
        import keras

        keras.utils.set_random_seed(0)
        model = tl.build_classifier(_name(), 8, image_size=size, weights=weights)
        run = tl.fit(model, train, val, recipe="feature_extraction", verbose=False)
        accuracy[weights] = run.metrics["accuracy"]["value"]
    assert accuracy["bundled"] >= accuracy[None] + 0.2
