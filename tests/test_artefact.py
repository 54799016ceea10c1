"""The artefact: written whole or not at all, opened anywhere, reads images as training did."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import tl_keras as tl
from tl_keras.data.splitting import split_fingerprint
from tl_keras.errors import InputError
from tl_keras.training.recipes import Stage


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    train, val = tl.data.from_folder(photos, progress=False).split(0.3, seed=0)
    keras.utils.set_random_seed(0)
    flips = keras.layers.RandomFlip("horizontal")
    model = tl.build_classifier("mobilenet_025", 2, image_size=64, weights=None, augmentation=flips)
    run = tl.fit(model, train, val, recipe=[Stage("head", 4, learning_rate=1e-2)], verbose=False)
    return run, run.save(tmp_path_factory.mktemp("out") / "photos"), val


def test_holds_what_the_design_says(trained):
    run, folder, _ = trained
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "model.keras", "model.json", "history.csv", "report.html", "features.npz", "domain.npz"
    }  # fmt: skip
    said = json.loads((folder / "model.json").read_text())
    assert said["class_names"] == ["rings", "stripes"]
    assert said["image_size"] == 64 and said["resize"] == "crop"
    assert said["train_fingerprint"] == run.train.fingerprint()
    assert said["split"] == {
        "fingerprint": split_fingerprint(run.train, run.val),
        **{
            name: {
                "images": len(side),
                "fingerprint": side.fingerprint(),
                "counts": side.counts(),
            }
            for name, side in (("train", run.train), ("val", run.val))
        },
        "brought": False,
        "shared": {"contents": 0, "groups": None},
    }
    cost = said["cost"]
    assert cost["model_bytes"] == (folder / "model.keras").stat().st_size
    assert cost["latency_ms"] > 0 and cost["images_per_second"] > 0
    assert cost["stages"][0]["epochs"] == len(run.history)
    assert said["metrics"]["accuracy"] == run.metrics["accuracy"]
    assert len((folder / "history.csv").read_text().splitlines()) == len(run.history) + 1


def test_predicts_the_same_from_path_bytes_and_array(trained):
    _, folder, val = trained
    predictor = tl.load(folder)
    path = val.paths[0]
    encoded = Path(path).read_bytes()
    pixels = np.asarray(Image.open(path).convert("RGB"))
    by_path, by_bytes, by_array = (predictor.predict(x)[0] for x in (path, encoded, pixels))
    assert by_path.probabilities == by_bytes.probabilities == by_array.probabilities
    assert by_path.class_name == max(by_path.probabilities, key=by_path.probabilities.get)
    assert sum(by_path.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_reads_images_exactly_as_training_did(trained):
    run, folder, val = trained
    again = tl.load(folder).evaluate(val)
    assert again["confusion_matrix"] == run.metrics["confusion_matrix"]
    assert again["log_loss"]["value"] == pytest.approx(run.evaluate(val)["log_loss"]["value"], 1e-5)


def test_model_loads_and_predicts_the_same_without_tl_keras(trained, tmp_path):
    _, folder, val = trained
    pixels = tl.data.load_image(val.paths[0], 64)[None]
    np.save(tmp_path / "x.npy", pixels)
    code = (
        "import sys; sys.modules['tl_keras'] = None\n"
        "import keras, numpy as np\n"
        f"model = keras.saving.load_model({str(folder / 'model.keras')!r})\n"
        f"np.save({str(tmp_path / 'y.npy')!r}, model.predict(np.load({str(tmp_path / 'x.npy')!r})))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    said = tl.load(folder).raw(val.paths[:1])  # predict says them at the temperature besides
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), said, atol=1e-6)


def test_fine_tuned_model_loads_without_tl_keras(photos, tmp_path):
    """The optimizer of the unfrozen stages is ours; it must not be in the file."""
    train, val = tl.data.from_folder(photos, progress=False).split(0.3, seed=0)
    model = tl.build_classifier("mobilenet_025", 2, image_size=32, weights=None)
    run = tl.fit(model, train, val, recipe=[Stage("all", 1, unfreeze="all")], verbose=False)
    folder = run.save(tmp_path / "run")
    code = (
        "import sys; sys.modules['tl_keras'] = None\n"
        f"import keras; keras.saving.load_model({str(folder / 'model.keras')!r})"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)


def test_damaged_model_file_is_one_clear_error(trained, tmp_path):
    content = bytearray((trained[1] / "model.keras").read_bytes())
    for place in (len(content) // 3, len(content) // 2, len(content) - 40):
        broken = bytearray(content)
        broken[place : place + 8] = b"\xff" * 8
        (tmp_path / "model.keras").write_bytes(broken)
        (tmp_path / "model.json").write_bytes((trained[1] / "model.json").read_bytes())
        with pytest.raises(InputError, match=r"model\.keras cannot be opened"):
            tl.load(tmp_path)


def test_classes_in_another_order_are_matched_by_name(trained, photos, tmp_path):
    import shutil

    run, folder, _ = trained
    shutil.copytree(photos / "stripes", tmp_path / "d" / "stripes")
    only = tl.data.from_folder(photos, progress=False)
    stripes = only.subset(np.flatnonzero(only.labels == 1))
    renamed = type(only)(
        stripes.paths,
        np.zeros(len(stripes), "int32"),
        ("stripes",),
        stripes.digests,
        stripes.splits,
    )
    one, other = run.evaluate(renamed), tl.load(folder).evaluate(stripes)
    assert one["confusion_matrix"] == other["confusion_matrix"]


def test_called_model_does_not_run_in_training_mode(trained):
    """Random layers inside would put BatchNorm into training mode; the artefact has none."""
    _, folder, _ = trained
    model = tl.load(folder).model
    x = np.random.default_rng(0).uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(model(x), model.predict(x, verbose=0), atol=1e-5)


def test_another_run_is_never_overwritten(trained):
    run, folder, _ = trained
    before = (folder / "model.json").read_bytes()
    with pytest.raises(InputError, match="another run"):
        run.save(folder)
    assert (folder / "model.json").read_bytes() == before


def test_a_failed_write_leaves_nothing(trained, tmp_path):
    run, _, _ = trained
    with pytest.raises(TypeError):
        run.save(tmp_path / "broken", notes={"not json": object()})
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written(trained, tmp_path):
    run, _, _ = trained
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(InputError, match="--output"):
            run.save(place)


@pytest.mark.parametrize("source", ["missing.jpg", b"no image", np.zeros((2, 2, 2, 2, 2))])
def test_what_cannot_be_predicted_is_said(trained, source):
    with pytest.raises(InputError):
        tl.load(trained[1]).predict(source)


def test_damaged_artefacts_are_named(trained, tmp_path):
    with pytest.raises(InputError, match="no trained model"):
        tl.load(tmp_path)
    (tmp_path / "model.keras").write_bytes((trained[1] / "model.keras").read_bytes()[:1000])
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(InputError, match=r"model\.json is damaged"):
        tl.load(tmp_path)
    (tmp_path / "model.json").write_bytes((trained[1] / "model.json").read_bytes())
    with pytest.raises(InputError, match=r"model\.keras cannot be opened"):
        tl.load(tmp_path)
