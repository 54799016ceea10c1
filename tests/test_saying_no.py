"""A trained classifier says how sure it is, which classes it may be, and when to trust nothing."""

import json
import shutil

import keras
import numpy as np
import pytest
from tiny_backbone import NAME

import tl_keras as tl
from tl_keras.artefact.domain_file import read_domain, write_domain
from tl_keras.cli.main import main
from tl_keras.data.samples import generate_sample
from tl_keras.errors import InputError
from tl_keras.evaluation.calibration import tempered
from tl_keras.evaluation.out_of_domain import (
    Domain,
    Familiarity,
    domain_of,
    energies,
    judged,
    neighbour_distances,
)
from tl_keras.tasks.registry import get_task


@pytest.fixture(scope="module")
def trained(photos, tmp_path_factory):
    """A run on stripes and rings, its artefact, and its validation images."""
    train, val = tl.data.from_folder(photos, progress=False).split(0.6, seed=0)
    keras.utils.set_random_seed(0)
    model = tl.build_classifier("mobilenet_v3_small", 2, image_size=64, weights="bundled")
    run = tl.fit(model, train, val, recipe=[tl.Stage("head", 6, learning_rate=1e-2)], verbose=False)
    return run, run.save(tmp_path_factory.mktemp("no") / "photos"), val


@pytest.fixture(scope="module")
def opened(trained):
    return tl.load(trained[1])


def strangers():
    """Pictures like none of stripes and rings: coloured blocks, and things on a ground."""
    colours = np.random.default_rng(0).integers(0, 256, (2, 6, 6, 3))
    blocks = [np.kron(some, np.ones((12, 12, 1))).astype("uint8") for some in colours]
    return [*blocks, *(generate_sample(number, image_size=72).image for number in range(2))]


@pytest.fixture(scope="module")
def small(photos, tmp_path_factory):
    """An artefact that opens quickly, for the commands; and an image."""
    train, val = tl.data.from_folder(photos, progress=False).split(0.6, seed=0)
    model = tl.build_classifier(NAME, 2, image_size=64, weights=None)
    run = tl.fit(model, train, val, recipe="ridge", verbose=False)
    return run.save(tmp_path_factory.mktemp("small") / "photos"), val.paths[0]


def copied(folder, place, **settings):
    """A copy of an artefact with these settings beside its own."""
    shutil.copytree(folder, place)
    said = json.loads((place / "model.json").read_text())
    said["settings"] |= settings
    (place / "model.json").write_text(json.dumps(said))
    return place


def test_what_predict_says_is_what_the_artefact_says_by_hand(trained, opened):
    run, folder, val = trained
    settings = json.loads((folder / "model.json").read_text())["settings"]
    assert settings == run.settings and settings["coverage"] == 0.9
    answers = opened.predict(val.paths)
    model = keras.saving.load_model(folder / "model.keras")
    images = np.stack([tl.data.load_image(path, 64) for path in val.paths])
    logits = np.log(np.asarray(model.predict(images, verbose=0), "float64"))
    powers = np.exp(logits / settings["temperature"])
    expected = powers / powers.sum(1, keepdims=True)
    said = np.array([list(one.probabilities.values()) for one in answers])
    np.testing.assert_allclose(said, expected, atol=1e-5)
    assert np.abs(expected - np.exp(logits)).max() > 1e-3  # the temperature is not 1
    np.testing.assert_allclose(opened.probabilities(val.paths), expected, atol=1e-5)
    for one, row in zip(answers, said, strict=True):
        order = np.argsort(-row)
        inside = [k for k in order if row[k] >= settings["set_threshold"] or k == order[0]]
        assert one.classes == tuple(opened.names[k] for k in inside)
        assert one.class_name == one.classes[0] and one.probability == pytest.approx(row.max())
        assert one.abstains == (row.max() < settings["abstain_below"])


def test_the_figures_are_those_of_new_images_and_a_wrong_temperature_shows(
    trained, opened, monkeypatch
):
    run, _, val = trained
    after = run.metrics["calibration"]["after"]["expected_calibration_error"]["value"]
    assert run.metrics["calibration"]["temperature"] == run.settings["temperature"]
    assert run.metrics["sets"]["promised"] == 0.9
    assert run.metrics["abstention"]["promised"] == 0.1
    found = opened.evaluate(val)
    again = found["calibration"]["after"]["expected_calibration_error"]["value"]
    off = {**opened.settings, "temperature": opened.settings["temperature"] * 8}
    monkeypatch.setattr(opened, "settings", off)
    wrong = opened.evaluate(val)
    error = wrong["calibration"]["after"]["expected_calibration_error"]["value"]
    assert (
        error > max(after, again) + 0.05 and wrong["log_loss"]["value"] > found["log_loss"]["value"]
    )
    assert wrong["accuracy"] == found["accuracy"]
    assert wrong["calibration"]["before"] == found["calibration"]["before"]
    # On the very images that tuned them, the promises hold by construction, but for rounding.
    assert found["sets"]["coverage"]["value"] >= 0.9 - 1 / len(val)
    assert found["abstention"]["wrong"]["value"] <= 0.1 + 1 / len(val)


def test_images_like_none_of_training_are_known(trained, opened):
    _, folder, val = trained
    strange, usual = opened.predict(strangers()), opened.predict(val.paths)
    assert all(one.unlike for one in strange)
    assert np.mean([one.unlike for one in usual]) <= 0.05
    assert max(one.typical["neighbours"] for one in strange) <= 0.05
    # By hand: cosines with what is kept of the training images.
    model = keras.saving.load_model(folder / "model.keras")
    features = keras.Model(model.input, model.get_layer("pooling").output)
    kept = np.load(folder / "domain.npz")
    image = np.stack([tl.data.load_image(strangers()[0], 64)])
    row = np.asarray(features.predict(image, verbose=0), "float64")[0]
    cosine = (kept["rows"].astype("float64") @ (row / np.linalg.norm(row))).max()
    farther = (kept["neighbours"] >= 1 - cosine).sum()
    share = strange[0].typical["neighbours"]
    assert share == pytest.approx((1 + farther) / (1 + len(kept["neighbours"])))
    last = model.get_layer("predictions")
    logits = row @ np.asarray(last.kernel, "float64") + np.asarray(last.bias)
    free = -np.log(np.exp(logits).sum())
    as_high = (kept["energies"] >= free - 1e-6).sum()
    assert strange[0].typical["energy"] == pytest.approx(
        (1 + as_high) / (1 + len(kept["energies"])), abs=0.05
    )


def test_training_images_are_what_is_remembered_and_few_of_them(trained, opened):
    run, folder, _ = trained
    domain = read_domain(folder, 576)
    assert domain.rows.shape == (len(run.train), 576) and domain.rows.dtype == np.float16
    known = opened.placed(run.train.paths)
    assert all(one.familiarity.neighbours == 1.0 for one in known)


def test_artefacts_of_before_go_on_as_they_were(small, tmp_path, capsys):
    folder, path = small
    old = shutil.copytree(folder, tmp_path / "old")
    (old / "domain.npz").unlink()
    said = json.loads((old / "model.json").read_text())
    (old / "model.json").write_text(json.dumps({**said, "settings": {}}))
    opened = tl.load(old)
    one = opened.predict(path)[0]
    assert list(one.probabilities.values()) == opened.raw([path])[0].tolist()
    assert one[4:] == (None, None, None, None)
    found = opened.task.measure(np.array([0, 1]), np.eye(2), opened.names, opened.settings)
    assert "after" not in found["calibration"] and "sets" not in found
    assert main(["predict", str(old), path]) == 0
    assert capsys.readouterr().out.split()[1:] == [one.class_name, f"{one.probability:.3f}"]
    assert main(["predict", str(old), path, "--coverage", "0.9"]) == 2
    assert "promises nothing" in capsys.readouterr().err


def test_the_command_says_it_in_words_and_in_json(small, tmp_path, capsys):
    folder, path = small
    assert main(["predict", str(folder), path, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["predictions"]
    assert found["unlike"] is False and set(found["typical"]) == {"neighbours", "energy"}
    assert found["class_name"] in found["classes"] and found["abstains"] in (True, False)
    assert main(["predict", str(folder), path, "--coverage", "0.99"]) == 2
    assert "give one of 0.8, 0.9, 0.95 (" in capsys.readouterr().err
    unsure = copied(folder, tmp_path / "unsure", abstain_below=1.0, set_threshold=0.0)
    assert main(["predict", str(unsure), path]) == 0
    line = capsys.readouterr().out
    assert "  abstains: " in line and "  or " in line and "rings" in line and "stripes" in line
    # As though every held-out image had been one of those trained on.
    rows = np.load(unsure / "domain.npz")["rows"]
    write_domain(unsure, Domain(rows, np.zeros(24), np.zeros(24)))
    assert main(["predict", str(unsure), path]) == 0
    assert "  like nothing it was trained on: " in capsys.readouterr().out


def test_a_damaged_memory_is_named(tmp_path):
    (tmp_path / "domain.npz").write_bytes(b"PK no archive")
    with pytest.raises(InputError, match=r"domain\.npz is damaged .* delete the file"):
        read_domain(tmp_path, 8)
    write_domain(tmp_path, Domain(np.zeros((3, 8), "float16"), np.zeros(2), np.zeros(2)))
    assert read_domain(tmp_path, 8).rows.shape == (3, 8)
    with pytest.raises(InputError, match="of another model"):
        read_domain(tmp_path, 9)


def test_another_coverage_names_more_classes(trained, opened, monkeypatch):
    val = trained[2]
    monkeypatch.setattr(opened, "settings", opened.settings)  # and back
    sizes, given = [], []
    for coverage in (0.8, 0.9, 0.95):
        opened.promise(coverage)
        answers = opened.predict(val.paths)
        right = [name in one.classes for one, name in zip(answers, named(val), strict=True)]
        assert np.mean(right) >= coverage - 1 / len(val)
        sizes.append(np.mean([len(one.classes) for one in answers]))
        given.append(np.mean([not one.abstains for one in answers]))
    assert sizes == sorted(sizes) and given == sorted(given, reverse=True)


def named(examples):
    return [examples.class_names[label] for label in examples.labels]


def test_views_of_an_image_change_its_probabilities_and_not_what_it_is_like(trained, opened):
    path = trained[2].paths[0]
    plain, averaged = opened.predict(path)[0], opened.predict(path, tta="texture")[0]
    assert plain.typical == averaged.typical and plain.probabilities != averaged.probabilities
    expected = tempered(opened.raw([path], tta="texture"), opened.settings["temperature"])
    np.testing.assert_allclose(list(averaged.probabilities.values()), expected[0], atol=1e-5)


def test_the_report_shows_how_sure_it_may_be(trained):
    page = (trained[1] / "report.html").read_text()
    assert "How sure it may be" in page and "90 % are promised" in page


def test_few_images_in_the_same_place_are_no_strangers():
    """Of images drawn as those of training no more than 5 % are flagged, and others are."""
    rng = np.random.default_rng(0)
    flagged, strange = [], []
    for _ in range(200):
        middle = rng.normal(size=16) * 3
        seen, held, new = (middle + rng.normal(size=(n, 16)) for n in (40, 40, 20))
        domain = domain_of(seen, held, held[:, :3])
        flagged += [one.unlike for one in judged(domain, new, new[:, :3])]
        away = rng.normal(size=(5, 16)) * 3
        strange += [one.unlike for one in judged(domain, away, away[:, :3])]
    assert 0.02 < np.mean(flagged) <= 0.055 and np.mean(strange) > 0.95


def test_too_few_held_out_images_call_nothing_strange():
    seen = np.eye(4)[:2] + 0.01
    for held, known in ((18, False), (19, True)):
        domain = domain_of(seen, np.tile(seen[:1], (held, 1)), np.zeros((held, 2)))
        assert judged(domain, -seen[:1], np.zeros((1, 2)))[0].unlike == known


def test_distances_and_energies_by_hand():
    rows = np.array([[1, 0], [0, 1]], "float16")
    np.testing.assert_allclose(neighbour_distances(rows, [[3, 4], [-1, 0]]), [0.2, 1.0], atol=1e-6)
    assert neighbour_distances(rows, [[0.0, 0.0]])[0] == 1.0
    np.testing.assert_allclose(energies([[1e3, 0], [0, 0]]), [-1e3, -np.log(2)])
    assert Familiarity(0.5, 0.5, False)._fields == ("neighbours", "energy", "unlike")
    with pytest.raises(InputError, match="do not fit each other"):
        domain_of(np.zeros((2, 3)), np.zeros((2, 4)), np.zeros((2, 2)))


def test_an_ensemble_promises_nothing_of_its_own():
    task = get_task("classify")
    assert task.joint([{"temperature": 2.0, "coverage": 0.9}] * 2) == {}
    assert get_task("tag").joint([{"thresholds": [0.2, 0.4]}, {"thresholds": [0.4, 0.4]}]) == {
        "thresholds": pytest.approx([0.3, 0.4])
    }


def test_a_model_with_hidden_layers_has_logits_too():
    from tl_keras.builders.head_logits import has_plain_head, head_logits

    keras.utils.set_random_seed(0)
    model = tl.build_classifier("mobilenet_025", 3, image_size=32, weights=None, hidden=(8,))
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype("float32")
    rows = tl.builders.features_model(model).predict(images, verbose=0)
    shares = np.exp(head_logits(model)(rows))
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(shares / shares.sum(1, keepdims=True), expected, atol=1e-6)
    tagger = tl.builders.build_tagger("mobilenet_025", 3, image_size=32, weights=None)
    assert has_plain_head(model) and not has_plain_head(tagger)
