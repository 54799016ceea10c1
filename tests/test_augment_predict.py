"""Test-time augmentation: fixed views, probabilities averaged, none unless asked for."""

import json
import shutil

import keras
import numpy as np
import pytest

import tl_keras as tl
from tl_keras.cli.main import main
from tl_keras.data import PRESETS, load_image
from tl_keras.data.augment.views import View
from tl_keras.errors import InputError


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    examples = tl.data.from_folder(photos, progress=False)
    train, val = examples.split(0.3, seed=0)
    keras.utils.set_random_seed(0)
    model = tl.build_classifier("mobilenet_v3_small", 2, image_size=64, weights="bundled")
    stages = [tl.Stage("head", 2, learning_rate=1e-2)]
    run = tl.fit(model, train, val, recipe=stages, verbose=False)
    return run.save(tmp_path_factory.mktemp("tta") / "photos"), val


@pytest.mark.parametrize("name", ["standard", "texture", "spectrogram"])
def test_probabilities_are_those_of_the_views_averaged(trained, name):
    folder, val = trained
    predictor = tl.load(folder)
    pixels = np.stack([load_image(path, 64) for path in val.paths])
    views = [np.stack([view.image(image) for image in pixels]) for view in PRESETS[name].views]
    expected = np.mean([predictor.raw(list(view)) for view in views], axis=0)
    np.testing.assert_allclose(predictor.raw(val.paths, tta=name), expected, atol=1e-6)
    found = predictor.probabilities(val.paths, tta=name)
    assert np.abs(found - predictor.probabilities(val.paths)).max() > 1e-4
    assert (found == predictor.probabilities(val.paths, tta=name)).all()
    answers = predictor.predict(list(val.paths), tta=name)
    assert answers[0].probability == pytest.approx(found[0].max(), abs=1e-6)
    log_loss = predictor.evaluate(val, tta=name)["log_loss"]["value"]
    assert log_loss == pytest.approx(-np.log(found[np.arange(len(val)), val.labels]).mean(), 1e-4)


def test_an_artefact_may_bring_its_own_and_none_is_the_default(trained, tmp_path):
    folder, val = trained
    assert tl.load(folder).tta == "none"
    shutil.copytree(folder, tmp_path / "own")
    said = json.loads((tmp_path / "own" / "model.json").read_text())
    (tmp_path / "own" / "model.json").write_text(json.dumps(said | {"tta": "texture"}))
    own, plain = tl.load(tmp_path / "own"), tl.load(folder)
    paths = val.paths[:4]
    assert (own.probabilities(paths) == plain.probabilities(paths, tta="texture")).all()
    assert (own.probabilities(paths, tta="none") == plain.probabilities(paths)).all()


def test_views_are_exact_where_they_can_be():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    seen = [view.image(image) for view in PRESETS["texture"].views]
    expected = [np.rot90(flipped, -turns) for flipped in (image, image[:, ::-1])
                for turns in range(4)]  # fmt: skip
    assert all((one == other).all() for one, other in zip(seen, expected, strict=True))
    assert View().image(image) is image
    closer = View(zoom=2.0).image(np.kron(image[8:24, 8:24], np.ones((2, 2, 1), np.uint8)))
    assert closer.shape == image.shape


def test_commands_take_it_and_say_what_there_is(trained, photos, capsys):
    folder, val = trained
    picture = val.paths[0]
    assert main(["predict", str(folder), picture, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)["predictions"][0]
    assert main(["predict", str(folder), picture, "--tta", "texture", "--json"]) == 0
    averaged = json.loads(capsys.readouterr().out)["predictions"][0]
    assert averaged["probabilities"] != plain["probabilities"]
    assert main(["evaluate", str(folder), str(photos), "--tta", "standard", "--json"]) == 0
    assert "accuracy" in json.loads(capsys.readouterr().out)["metrics"]
    assert main(["evaluate", str(folder), str(photos), "--tta", "mirrors"]) == 2
    assert "choose one of none, light" in capsys.readouterr().err
    with pytest.raises(InputError, match="unknown augmentation"):
        tl.load(folder).predict(picture, tta="mirrors")
