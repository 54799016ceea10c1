"""Images made worse: each strength more than the one before, the same for all, and measured."""

import itertools
import json
import shutil

import keras
import numpy as np
import pytest
import tiny_backbone
from PIL import Image

import tl_keras as tl
from tl_keras.cli.main import main
from tl_keras.data.corruptions import CORRUPTIONS, corrupted
from tl_keras.evaluation.robustness import robustness_lines, robustness_table


@pytest.fixture(scope="module")
def picture():
    """A smooth picture of mid shades, so that nothing is cut off at white."""
    rows, columns = np.mgrid[:112, :112] / 63
    shade = 80 + 60 * np.sin(12 * rows) * np.cos(9 * columns)
    return np.stack([shade, 0.8 * shade, 0.5 * shade + 20], axis=2).round().astype("float32")


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_each_strength_takes_more_away(kind, picture):
    made = [corrupted(picture[None], kind, strength)[0] for strength in range(1, 6)]
    for one in made:
        assert one.shape == picture.shape and one.dtype == np.float32
        assert one.min() >= 0 and one.max() <= 255
    away = [((one - picture) ** 2).mean() for one in made]
    assert away[0] > 0 and all(more > less for less, more in itertools.pairwise(away))


def test_strengths_are_those_of_the_source(picture):
    drawn = corrupted(np.full((1, 64, 64, 3), 128.0), "noise", 1)[0] - 128
    assert drawn.std() == pytest.approx(255 * 0.08, rel=0.03) and abs(drawn.mean()) < 1
    lighter = corrupted(picture[None], "brightness", 3)[0]
    np.testing.assert_allclose(lighter.max(axis=2) - picture.max(axis=2), 0.3 * 255, atol=0.51)
    flat = corrupted(picture[None], "contrast", 5)[0]
    assert flat.std(axis=(0, 1)) == pytest.approx(0.05 * picture.std(axis=(0, 1)), rel=0.2)
    edge = np.zeros((1, 224, 224, 3))
    edge[:, :, 112:] = 255
    rise = np.diff(corrupted(edge, "blur", 4)[0, 112, :, 0])
    at = np.arange(223) + 0.5
    middle = (rise * at).sum() / rise.sum()
    assert np.sqrt((rise * (at - middle) ** 2).sum() / rise.sum()) == pytest.approx(4, rel=0.05)


def test_black_gets_grey_and_not_coloured():
    made = corrupted(np.zeros((1, 4, 4, 3)), "brightness", 1)
    assert np.unique(made).tolist() == [26.0]


def test_noise_is_that_of_the_image_and_not_of_its_batch(picture):
    batch = np.stack([picture] * 4)
    whole = corrupted(batch, "noise", 2, seed=3)
    parts = [
        corrupted(batch[:3], "noise", 2, seed=3),
        corrupted(batch[3:], "noise", 2, first=3, seed=3),
    ]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert (whole[0] != whole[1]).any()
    assert (whole != corrupted(batch, "noise", 2, seed=4)).any()


def test_the_table_sums_up():
    def figure(value):
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    found = {("blur", 2): figure(0.4), ("blur", 1): figure(0.6), ("noise", 1): figure(0.2),
             ("noise", 2): figure(0.2)}  # fmt: skip
    table = robustness_table("accuracy", figure(0.8), found)
    assert [one["value"] for one in table["kinds"]["blur"]["strengths"]] == [0.6, 0.4]
    assert table["kinds"]["blur"]["mean"] == pytest.approx(0.5)
    assert table["mean"] == pytest.approx(0.35) and table["kept"] == pytest.approx(0.4375)
    lines = robustness_lines(table)
    assert "60.0 ± 10.0" in lines[2] and "keeps 44 %" in lines[-1]


def save(model, data, folder, task="classify"):
    recipe = [tl.Stage("head", epochs=1, learning_rate=5e-3)]
    return tl.fit(model, *data, task=task, recipe=recipe, verbose=False).save(folder)


def test_evaluate_measures_what_a_model_bears(photos, tmp_path, capsys):
    train, val = tl.data.from_folder(photos).split(0.5, seed=0)
    keras.utils.set_random_seed(0)
    model = tl.build_classifier(tiny_backbone.NAME, 2, image_size=32, weights=None)
    artefact = save(model, (train, val), tmp_path / "model")
    for label, path in zip(val.labels, val.paths, strict=True):
        folder = tmp_path / "held" / val.class_names[label]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder)
    command = ["evaluate", str(artefact), str(tmp_path / "held"), "--corruptions"]
    assert main([*command, "--json", "--output", str(tmp_path / "out")]) == 0
    said = json.loads(capsys.readouterr().out)
    table = said["corruptions"]
    assert table["clean"] == said["metrics"]["accuracy"] and list(table["kinds"]) == [*CORRUPTIONS]
    # The same by hand, of one kind and strength.
    predictor = tl.load(artefact)
    images = np.concatenate(
        [np.asarray(batch) for batch, _ in val.dataset(32, 32, resize=predictor.resize)]
    )
    flat = corrupted(images, "contrast", 5)
    right = predictor.model.predict(flat, verbose=0).argmax(axis=1) == val.labels
    assert table["kinds"]["contrast"]["strengths"][4]["value"] == pytest.approx(right.mean())
    assert json.loads((tmp_path / "out" / "corruptions.json").read_text()) == table
    assert Image.open(tmp_path / "out" / "corruptions.png").width > 400


@pytest.mark.slow
def test_masks_stay_where_they_are(tmp_path):
    from tl_keras.data.sample_examples import sample_examples

    train, val = sample_examples(background=True).split()
    keras.utils.set_random_seed(0)
    names = len(train.class_names)
    model = tl.build_segmenter(tiny_backbone.NAME, names, image_size=64, weights=None)
    artefact = save(model, (train, val), tmp_path / "model", "segment")
    table = tl.robustness(artefact, val)
    assert table["figure"] == "mean IoU" and len(table["kinds"]) == 5
    assert table["clean"] == tl.load(artefact).evaluate(val)["mean_iou"]
