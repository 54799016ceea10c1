"""``tl-keras explain`` and ``Predictor.explain``, as a user calls them."""

import json

import numpy as np
import pytest
import tiny_backbone
from PIL import Image

import tl_keras as tl
from tl_keras.cli import explain
from tl_keras.cli.main import main
from tl_keras.data.framing import Frame
from tl_keras.errors import InputError
from tl_keras.evaluation import grad_cam
from tl_keras.evaluation.explaining.methods import METHODS
from tl_keras.evaluation.explaining.pictures import explanation_picture

BASE = ["--backbone", tiny_backbone.NAME, "--image-size", "64", "--weights", "none"]


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain") / "photos"
    assert main(["train", str(photos), *BASE, "--recipe", "ridge", "--output", str(folder)]) == 0
    return folder


def test_one_picture_an_image(trained, photos, tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no image")
    files = [photos / "rings" / "00.png", tmp_path / "bad.jpg", photos / "stripes" / "00.png"]
    given = ["explain", str(trained), *map(str, files), "--output", str(tmp_path / "seen")]
    methods = "occlusion, grad_cam"
    assert main([*given, "--method", methods, "--json"]) == 2  # one of them is no image
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert any(line.startswith("tl-keras: left out: ") for line in captured.err.splitlines())
    assert [one["path"] for one in said["skipped"]] == [str(files[1])]
    predictions = tl.load(trained).predict([files[0], files[2]])
    for one, prediction, name in zip(
        said["explanations"], predictions, ("00.png", "00-2.png"), strict=True
    ):
        assert one["picture"] == str(tmp_path / "seen" / name)
        assert one["class_name"] == prediction.class_name
        assert one["probability"] == pytest.approx(prediction.probability, abs=1e-6)
        assert Image.open(one["picture"]).size[0] > 3 * 300  # the image and two maps
    assert main([*given[:-1], str(tmp_path / "again"), "--class", "rings"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all(" rings 0." in line or " rings 1." in line for line in lines)


def test_the_help_names_the_methods_that_there_are():
    assert ", ".join(METHODS) == explain._METHODS


def test_in_python(trained, photos):
    predictor = tl.load(trained)
    pixels = np.asarray(Image.open(photos / "rings" / "03.png"))
    (one,) = predictor.explain(pixels, ["grad_cam", "occlusion"], class_name="stripes")
    assert (one.source, one.class_name, list(one.maps)) == (
        "array 0", "stripes", ["grad_cam", "occlusion"],
    )  # fmt: skip
    probabilities = predictor.predict(pixels)[0].probabilities
    assert one.probability == pytest.approx(probabilities["stripes"], abs=1e-6)
    square = tl.data.load_image(pixels, 64, predictor.resize)[None]
    expected = grad_cam(predictor.model, square, [predictor.names.index("stripes")])
    np.testing.assert_array_equal(one.maps["grad_cam"], expected[0])
    with pytest.raises(InputError, match="give a list of some of grad_cam"):
        predictor.explain(pixels, "grad_cam")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--method", "lime"], "'lime' is unknown; give one of grad_cam, grad_cam_plus_plus"),
        (["--class", "ring"], "knows no class 'ring'; did you mean rings"),
        (["--class", "Zebra"], "knows no class 'Zebra'; it knows rings, stripes"),
    ],
)
def test_what_it_cannot_do_is_said_in_a_line(trained, photos, tmp_path, capsys, more, words):
    file, output = str(photos / "rings" / "00.png"), str(tmp_path / "seen")
    assert main(["explain", str(trained), file, "--output", output, *more]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "seen").exists()


def test_other_tasks_are_refused(trained, photos, tmp_path, capsys):
    embedder = tmp_path / "embedder"
    embedder.mkdir()
    for file in ("model.keras", "history.csv"):
        (embedder / file).write_bytes((trained / file).read_bytes())
    told = json.loads((trained / "model.json").read_text())
    (embedder / "model.json").write_text(json.dumps({**told, "task": "segment"}))
    file = str(photos / "rings" / "00.png")
    assert main(["explain", str(embedder), file, "--output", str(tmp_path / "seen")]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "for --task classify, tag and localize" in said and "--task segment" in said


def test_the_picture_shows_what_the_model_sees():
    """Of a wide image the middle, and heat where it is."""
    image = np.full((100, 200, 3), 120, "uint8")
    image[:, :50] = image[:, 150:] = (255, 0, 0)  # cut off by "crop"
    heat = np.zeros((40, 40), "float32")
    heat[:20, :20] = 1
    shown = explanation_picture(image, {"one": heat}, Frame(100, 200, 40, "crop"), "x", side=200)
    assert shown.shape[1] == 2 * 200 + 3 * 8
    pixels = shown.astype(int)
    assert not (pixels[..., 0] - pixels[..., 1:].max(axis=-1) > 150).any()  # no red
    panel = pixels[:, 8 + 200 + 8 :].sum(axis=-1)
    top = next(y for y in range(60) if panel[y, 100] != panel[0, 100])
    hot, cold = panel[top + 20 : top + 80, 20:80], panel[top + 120 : top + 180, 120:180]
    assert hot.min() > cold.max() + 100
