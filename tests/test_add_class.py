"""New classes for a trained classifier: what it knows stays, and what is said of it is true."""

import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.optimize import minimize
from tiny_backbone import NAME

import tl_keras as tl
from tl_keras.artefact.adding import add_classes
from tl_keras.artefact.class_features import (
    ClassFeatures,
    even_positions,
    read_features,
    write_features,
)
from tl_keras.cli.main import main
from tl_keras.data.one_class import from_class_folder, one_class_in
from tl_keras.errors import InputError
from tl_keras.training.added_classes import _newton, columns_for_classes
from tl_keras.training.closed_form import closed_form_head, softmax


def _world(counts, width=20, apart=4.0, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    x = rng.normal(size=(len(labels), width))
    x[np.arange(len(labels)), labels] += apart
    return x, labels


@pytest.mark.parametrize("added", [1, 2])
def test_new_classes_are_found_and_the_old_ones_keep_theirs(added):
    counts = [60, 60, 60, *[6, 9][:added]]
    x, labels = _world(counts)
    head = closed_form_head(x[labels < 3], labels[labels < 3], 3)
    columns = columns_for_classes(x, x @ head.kernel + head.bias, labels, added)
    seen, truths = _world([500] * len(counts), seed=1)
    old = seen @ head.kernel + head.bias

    def loss(factor=1.0, offset=0.0):
        new = (seen @ columns.kernel + columns.bias) * factor + offset
        return -np.log(softmax(np.concatenate([old, new], 1))[np.arange(len(seen)), truths]).mean()

    new = seen @ columns.kernel + columns.bias
    named = np.concatenate([old, new], 1).argmax(1)
    recalls = [(named[truths == c] == c).mean() for c in range(len(counts))]
    before = (old.argmax(1) == truths)[truths < 3].mean()
    assert np.mean(recalls[:3]) > before - 0.05 and min(recalls[3:]) > 0.7
    # As high as they should be beside the old logits: higher or lower is worse.
    assert loss() < min(loss(offset=2), loss(offset=-2), loss(factor=3), loss(factor=0.3))
    # What is said of images that are left out is near to what others get.
    beside = np.concatenate([(x @ head.kernel + head.bias)[columns.rows], columns.left_out], 1)
    left_out = (beside.argmax(1) == labels[columns.rows])[labels[columns.rows] >= 3].mean()
    assert abs(left_out - np.mean(recalls[3:])) < 0.25


def test_images_that_look_like_nothing_new_add_next_to_nothing():
    x, labels = _world([80, 80])
    rng = np.random.default_rng(2)
    same = rng.permutation(160)[:30]
    rows, all_labels = np.concatenate([x, x[same] + 1e-3]), np.append(labels, [2] * 30)
    logits = 3 * rows[:, :2]
    columns = columns_for_classes(rows, logits, all_labels, 1)
    named = np.concatenate([logits, rows @ columns.kernel + columns.bias], 1).argmax(1)
    assert np.isfinite(columns.kernel).all() and (named[:160] == labels).mean() > 0.6


def test_the_way_to_the_least_cross_entropy_is_as_scipy_finds_it():
    rng = np.random.default_rng(0)
    logits, scores = rng.normal(size=(80, 3)) * 3, rng.normal(size=(80, 2))
    truths, weights = rng.integers(0, 5, 80), rng.uniform(0.3, 2, 80)
    targets = np.eye(5)[truths][:, 3:] * 0.9 + 0.02

    def loss(p):
        beside = np.concatenate([logits, scores * p[0] + p[1:]], 1)
        said = softmax(beside)
        wanted = 1 - targets.sum(1)
        old = np.log(said[:, :3].sum(1))
        return (weights * -(wanted * old + (targets * np.log(said[:, 3:])).sum(1))).sum()

    peer = minimize(loss, np.array([1.0, 0.0, 0.0]), method="BFGS", options={"gtol": 1e-8})
    factor, offsets, least = _newton(logits, scores, targets, weights)
    assert least == pytest.approx(peer.fun, rel=1e-8)
    np.testing.assert_allclose([factor, *offsets], peer.x, atol=1e-4)


def test_what_is_remembered_is_even_and_comes_back(tmp_path):
    labels = np.repeat([0, 1, 2], [500, 30, 3])
    assert np.bincount(labels[even_positions(labels)]).tolist() == [100, 30, 3]
    many = np.repeat(np.arange(200), 50)
    assert np.bincount(many[even_positions(many)]).tolist() == [5] * 200
    rng = np.random.default_rng(0)
    kept = ClassFeatures(rng.normal(size=(533, 4)).astype("float32"), labels, labels == 2).some()
    write_features(tmp_path, kept)
    for column, back in zip(kept, read_features(tmp_path, 4, 3), strict=True):
        np.testing.assert_array_equal(column, back)
    assert read_features(tmp_path, 4, 4) is None  # of one class nothing is known
    with pytest.raises(InputError, match="features of another model"):
        read_features(tmp_path, 5, 3)
    whole = (tmp_path / "features.npz").read_bytes()
    for damaged in (b"", b"no zip", whole[: len(whole) // 2]):
        (tmp_path / "features.npz").write_bytes(damaged)
        with pytest.raises(InputError, match=r"features\.npz is damaged"):
            read_features(tmp_path, 4, 3)


@pytest.fixture(scope="module")
def shipped(photos, tmp_path_factory):
    """An artefact of two classes, and folders with pictures of two others."""
    home = tmp_path_factory.mktemp("shipped")
    rng = np.random.default_rng(0)
    for name in ("dots", "red"):
        (home / "new" / name).mkdir(parents=True)
        for number in range(8):
            grey = np.full((72, 72, 1), rng.uniform(110, 140))
            if name == "dots":
                grey[rng.integers(4) :: 4, rng.integers(4) :: 4] = 255
                grey[rng.integers(4) :: 4, rng.integers(4) :: 4] = 0
            else:  # red: of grey alone a random base would see nothing
                grey = grey * (1.6, 0.2, 0.2)
            pixels = grey + rng.normal(0, 3, (72, 72, 3))
            image = Image.fromarray(pixels.clip(0, 255).astype("uint8"))
            image.save(home / "new" / name / f"{number}.png")
    train, val = tl.data.from_folder(photos, progress=False).split(0.4, seed=0)
    keras.utils.set_random_seed(0)
    model = tl.build_classifier(NAME, 2, image_size=64, weights=None)
    run = tl.fit(model, train, val, recipe="ridge", verbose=False)
    run.save(home / "model", notes={"test_metrics": {}, "data": "photos"})
    return home


@pytest.fixture(scope="module")
def grown(shipped):
    new = from_class_folder(shipped / "new" / "dots", progress=False)
    said = add_classes(shipped / "model", new, shipped / "grown", verbose=False)
    return said, shipped / "grown"


def _head(folder):
    layer = keras.saving.load_model(folder / "model.keras").get_layer("predictions")
    return [keras.ops.convert_to_numpy(v) for v in (layer.kernel, layer.bias)]


def test_old_scores_keep_their_proportions(shipped, grown, photos):
    said, folder = grown
    (kernel, bias), (wider, longer) = _head(shipped / "model"), _head(folder)
    np.testing.assert_array_equal(wider[:, :2], kernel)
    np.testing.assert_array_equal(longer[:2], bias)
    images = sorted(photos.rglob("*.png"))
    before, after = (tl.load(where).raw(images) for where in (shipped / "model", folder))
    assert (
        list(tl.load(folder).predict(images[0])[0].probabilities)
        == said["class_names"]
        == ["rings", "stripes", "dots"]
    )
    both = (before > 1e-6).all(1) & (after[:, :2] > 1e-6).all(1)
    then, now = (np.log(one[both, 0] / one[both, 1]) for one in (before, after))
    np.testing.assert_allclose(now, then, atol=1e-3)
    assert both.sum() > 10


def test_what_is_said_of_the_wider_model_is_true(shipped, grown):
    said, folder = grown
    kept = json.loads((folder / "model.json").read_text())
    old = json.loads((shipped / "model" / "model.json").read_text())
    assert kept["class_names"] == ["rings", "stripes", "dots"] and said["added"] == {"dots": 8}
    metrics = kept["metrics"]
    assert [row["count"] for row in metrics["per_class"]] == [8, 8, 8]
    found = metrics["per_class"][2]["recall"]["value"]
    assert metrics["examples"] == 24 and found >= 0.5
    assert said["old_classes"]["before"]["value"] == old["metrics"]["accuracy"]["value"]
    confusion = np.array(metrics["confusion_matrix"])
    assert said["old_classes"]["taken"] == confusion[:2, 2].sum()
    assert said["old_classes"]["after"]["value"] == np.trace(confusion[:2, :2]) / 16
    new = from_class_folder(shipped / "new" / "dots", progress=False)
    (addition,) = kept["added"]
    assert addition["fingerprint"] == new.fingerprint()
    assert addition["before"]["train_fingerprint"] == old["train_fingerprint"]
    assert addition["before"]["metrics"] == old["metrics"]
    prints = {kept["train_fingerprint"], old["train_fingerprint"], new.fingerprint()}
    assert len(prints) == 3 and kept["split"] is None and "test_metrics" not in kept
    assert kept["train_counts"] == {**old["train_counts"], "dots": 8}
    assert "held out when it was trained" in kept["evaluated_on"]
    assert kept["parameters"] == old["parameters"] + len(_head(folder)[0]) + 1
    assert addition["before"]["settings"] == old["settings"] != kept["settings"]
    page = (folder / "report.html").read_text()
    assert "dots (8 images)" in page and "Classes that were added" in page
    # Nothing of ours is needed to open it.
    assert type(keras.saving.load_model(folder / "model.keras").layers[-1]) is keras.layers.Dense


def test_what_the_wider_model_promises_and_takes_for_strange_is_its_own(shipped, grown, photos):
    """Nothing of the old temperature, and images of the new class are at home."""
    wider, old = tl.load(grown[1]), tl.load(shipped / "model")
    metrics = wider.description["metrics"]
    assert metrics["calibration"]["temperature"] == wider.settings["temperature"]
    assert set(wider.settings) == set(old.settings) and metrics["sets"]["promised"] == 0.9
    assert len(wider.home.domain.rows) == len(old.home.domain.rows) + 8
    dots = sorted((shipped / "new" / "dots").iterdir())
    assert all(one.typical["neighbours"] == 1.0 and not one.unlike for one in wider.predict(dots))
    assert any(one.typical["neighbours"] < 1.0 for one in old.predict(dots))


def test_the_command_adds_to_what_was_added(grown, shipped, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["add-class", str(grown[1]), str(shipped / "new" / "red"), "--json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["class_names"] == ["rings", "stripes", "dots", "red"]
    folder = tmp_path / said["artefact"]
    assert folder.parent == tmp_path / "saved_models" and folder.name.startswith("grown-")
    kept = json.loads((folder / "model.json").read_text())
    assert [one["class_names"] for one in kept["added"]] == [["dots"], ["red"]]
    assert "8 of them of classes added before, learned from" in kept["evaluated_on"]
    answers = tl.load(folder).predict(sorted((shipped / "new" / "red").iterdir()))
    assert sum(answer.class_name == "red" for answer in answers) >= 6


@pytest.mark.slow
def test_several_classes_at_once_and_images_given_for_the_old(shipped, photos, tmp_path, capsys):
    forgetful = shutil.copytree(shipped / "model", tmp_path / "forgetful")
    (forgetful / "features.npz").unlink()
    asked = ["add-class", str(forgetful), str(shipped / "new"), "--output", str(tmp_path / "out")]
    assert main(asked) == 2
    assert "give images of each with --known DATA" in capsys.readouterr().err
    assert main([*asked, "--known", str(photos)]) == 0
    out = capsys.readouterr().out
    assert "Added dots (8 images), red (8 images); the model now tells 4 classes apart" in out
    assert "recall of red" in out and "On 40 images of the classes it knew" in out
    kept = json.loads((tmp_path / "out" / "model.json").read_text())
    assert "maybe trained on" in kept["evaluated_on"] and not list(tmp_path.glob(".tl-keras-*"))
    assert kept["settings"] == {} and not (tmp_path / "out" / "domain.npz").exists()


def test_what_cannot_be_added_is_said(shipped, photos, tmp_path):
    dots = from_class_folder(shipped / "new" / "dots", progress=False)
    model = shipped / "model"

    def refused(match, examples=dots, source=model, **more):
        with pytest.raises(InputError, match=match):
            add_classes(source, examples, tmp_path / "out", verbose=False, **more)
        assert not (tmp_path / "out").exists()

    refused("knows 'rings' already", from_class_folder(photos / "rings", progress=False))
    refused("'dots' of .* has 1 distinct image", dots.subset([0, 0]))
    refused("stands among the new images and the known", known=dots)
    labelled = dataclasses.replace(dots, labels=np.full(8, -1))
    refused("an image of .* has no class", labelled)
    some = tl.data.from_folder(photos, progress=False)
    refused("has no image of 'stripes'", known=some.subset(np.flatnonzero(some.labels == 0)))
    (tmp_path / "tags").mkdir()
    said = json.loads((model / "model.json").read_text())
    said = {**said, "task": "tag", "tag_names": said["class_names"], "settings": {}}
    (tmp_path / "tags" / "model.json").write_text(json.dumps(said))
    shutil.copy(model / "model.keras", tmp_path / "tags")
    refused("made for --task tag", source=tmp_path / "tags")
    inner = keras.saving.load_model(model / "model.keras")
    image = keras.Input((64, 64, 3))
    said = json.loads((model / "model.json").read_text())
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "model.json").write_text(json.dumps(said))
    average = keras.layers.Average()([inner(image), inner(image)])
    keras.Model(image, average).save(tmp_path / "many" / "model.keras")
    refused("no single last layer to widen, as ensembles", source=tmp_path / "many")


def test_a_folder_of_one_class(shipped, tmp_path):
    assert one_class_in(shipped / "new" / "dots") == shipped / "new" / "dots"
    assert one_class_in(shipped / "new") is None and one_class_in(tmp_path) is None
    shutil.copytree(shipped / "new" / "dots", tmp_path / "dots")
    (tmp_path / "dots" / "note.txt").write_text("no picture")
    read = from_class_folder(tmp_path, progress=False)
    assert read.class_names == ("dots",) and read.counts() == {"dots": 8}
    assert len(read.skipped) == 1
    with pytest.raises(InputError, match="no folder of images of one class"):
        from_class_folder(shipped / "new")
