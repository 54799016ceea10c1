"""What makes vectors: from bases and artefacts, with a fingerprint that tells them apart."""

import json

import keras
import numpy as np
import pytest
import tiny_backbone
from catalogue_files import artefact, tiny_embedder
from PIL import Image

import tl_keras as tl
from tl_keras.errors import InputError
from tl_keras.retrieval import Embedder, open_embedder

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 255, (40, 50, 60, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def classifier():
    keras.utils.set_random_seed(0)
    return tl.build_classifier(tiny_backbone.NAME, 2, image_size=32, weights=None)


@pytest.fixture(scope="module")
def photos_model(tmp_path_factory, classifier):
    return artefact(tmp_path_factory.mktemp("m") / "photos", classifier, "classify")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for number, pixels in enumerate(PIXELS):
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
    return sorted(folder.iterdir())


def test_vectors_are_the_pooled_features_whatever_the_source(photos_model, classifier, files):
    embedder = open_embedder(photos_model)
    assert isinstance(embedder, Embedder) and embedder.task_name == "classify"
    squares = np.stack([tl.data.load_image(pixels, 32) for pixels in PIXELS])
    pooled = keras.Model(classifier.input, classifier.get_layer("pooling").output)
    expected = keras.ops.convert_to_numpy(pooled(squares, training=False))
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    vectors = embedder.vectors(files)
    assert vectors.shape == (40, embedder.dimension) and vectors.dtype == np.float32
    assert np.allclose(vectors, expected, atol=1e-5)
    assert np.allclose(embedder.vectors(PIXELS), expected, atol=1e-5)
    assert np.allclose(embedder.vectors([f.read_bytes() for f in files]), expected, atol=1e-5)
    assert np.allclose(embedder.vectors(str(files[3])), expected[3:4], atol=1e-5)
    assert embedder.vectors([]).shape == (0, embedder.dimension)
    table = tl.data.from_files(files, ["a", "b"] * 20, progress=False)
    assert np.allclose(embedder.vectors(table), expected, atol=1e-5)


def test_a_fingerprint_is_of_what_decides_about_the_vectors(photos_model, classifier, tmp_path):
    first = open_embedder(photos_model)
    again = open_embedder(json.loads(json.dumps(first.source)))
    assert (
        again.fingerprint == first.fingerprint == open_embedder(tl.load(photos_model)).fingerprint
    )
    padded = artefact(tmp_path / "padded", classifier, "classify", resize="pad")
    trained = keras.models.clone_model(classifier)
    trained.set_weights(classifier.get_weights())
    same = artefact(tmp_path / "same", trained, "classify")
    kernel = trained.get_layer(tiny_backbone.NAME).get_layer("conv3").kernel
    kernel.assign(kernel + 1e-3)
    other = artefact(tmp_path / "other", trained, "classify")
    assert open_embedder(same).fingerprint == first.fingerprint
    assert len({open_embedder(one).fingerprint for one in (photos_model, padded, other)}) == 3


def test_what_an_embedder_was_trained_to_accept_comes_with_it(tmp_path):
    embedder = open_embedder(tiny_embedder(tmp_path / "embed"))
    assert embedder.settings == {"threshold": 0.61, "false_accept_rate": 0.01}
    assert (embedder.dimension, embedder.task_name) == (8, "embed")
    assert embedder.source == {"artefact": str(tmp_path / "embed")}


def test_one_unreadable_file_is_named_or_passed_over(photos_model, files, tmp_path):
    embedder = open_embedder(photos_model)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    sources = [*files[:35], bad, *files[35:]]
    with pytest.raises(InputError, match=r"bad\.jpg: not an image"):
        embedder.vectors(sources)
    failed = []
    found = list(embedder.batches(sources, failed=failed))
    assert [position for positions, _ in found for position in positions] == [
        *range(35),
        *range(36, 41),
    ]
    assert [position for position, _ in failed] == [35]
    vectors = np.concatenate([rows for _, rows in found])
    assert np.allclose(vectors, embedder.vectors(files), atol=1e-5)
    failed.clear()
    assert list(embedder.batches([bad], failed=failed)) == [] and len(failed) == 1


@pytest.mark.slow
def test_a_quicker_runtime_agrees(photos_model, files, monkeypatch):
    """Where many are asked for; here, as if 40 were many."""
    from tl_keras.training import extractors

    embedder = open_embedder(photos_model)
    expected = embedder.vectors(files)
    monkeypatch.setattr(extractors, "_PAYS", 1.0)
    quick = embedder.vectors(files)
    assert len(embedder._runs) == (
        1 if extractors.preferred_runtime(embedder.model, 40) == "keras" else 2
    )
    assert (quick * expected).sum(axis=1).min() > 0.9999


@pytest.mark.parametrize(
    ("source", "named", "message"),
    [
        ("nope", {}, "neither the folder of a trained model nor a base"),
        ("mobilenet_v3_small", {"weights": "none"}, "random weights see nothing"),
        ("mobilenet_v3_small", {"weights": "no.npz"}, "is no file"),
        ("mobilenet_v3_small", {"image_size": 64, "resize": "squeeze"}, "squeeze"),
        ("mobilenet_v3_small", {"image_size": 8}, "32"),
    ],
)
def test_what_is_no_embedder(source, named, message):
    with pytest.raises(InputError, match=message):
        open_embedder(source, **named)


def test_what_an_artefact_decides_and_which_have_no_vector(photos_model, classifier, tmp_path):
    with pytest.raises(InputError, match="image_size and resize: a trained model brings its own"):
        open_embedder(photos_model, image_size=64, resize="pad")
    with pytest.raises(InputError, match="holds no trained model"):
        open_embedder(tmp_path)
    predictor = tl.load(photos_model)
    predictor.task = tl.tasks.registry.get_task("segment")
    with pytest.raises(InputError, match="no vector of the whole"):
        open_embedder(predictor)
