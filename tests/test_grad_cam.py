"""Grad-CAM: the formula, the place, and whether it finds what a trained model looks at."""

import keras
import numpy as np
import pytest
import tiny_backbone
from processes import finish, start

from tl_keras.builders.classifier import build_classifier, build_tagger
from tl_keras.builders.detector import build_detector
from tl_keras.builders.localizer import build_localizer
from tl_keras.errors import InputError
from tl_keras.evaluation import grad_cam
from tl_keras.evaluation.explaining.class_head import cut_at_map
from tl_keras.evaluation.explaining.grad_cam import _on_image


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return build_classifier(tiny_backbone.NAME, 4, image_size=64, weights=None)


def weighted(model, images, classes, kernel):
    """Behind an average over the cells and one Dense layer, the weights are the slopes: there
    Grad-CAM is the class activation map of Zhou et al. 2016 (arXiv:1512.04150)."""
    parts = cut_at_map(model)
    maps = np.asarray(parts.front(images, training=False))
    sums = np.einsum("nhwk,kn->nhw", maps, kernel[:, classes])
    return [_on_image(np.maximum(x, 0), 64, parts.centre, parts.stride) for x in sums]


@pytest.mark.parametrize("build", [build_classifier, build_tagger, build_localizer])
def test_it_is_the_class_activation_map_behind_one_dense_layer(build, images):
    keras.utils.set_random_seed(2)
    model = build(tiny_backbone.NAME, 4, image_size=64, weights=None)
    name = "classes" if build is build_localizer else "predictions"
    kernel = np.asarray(model.get_layer(name).kernel)
    classes = np.array([3, 0, 2])
    found = grad_cam(model, images, classes)
    assert found.dtype == np.float32 and found.shape == (3, 64, 64)
    for heat, expected in zip(found, weighted(model, images, classes, kernel), strict=True):
        assert expected.max() > 0
        np.testing.assert_allclose(heat, expected / expected.max(), atol=1e-4)


def test_hidden_layers_and_other_poolings_are_seen_through(images):
    keras.utils.set_random_seed(3)
    model = build_classifier(
        tiny_backbone.NAME, 3, image_size=64, weights=None, pooling="avg_max", hidden=(8,)
    )
    classes = np.array([0, 1, 2])
    found = grad_cam(model, images, classes)
    parts = cut_at_map(model)
    maps = np.asarray(parts.front(images, training=False))
    step, slopes = 1e-3, np.zeros_like(maps)
    for place in np.ndindex(maps.shape[1:]):  # the slopes by differences
        scores = []
        for sign in (1, -1):
            moved = maps.copy()
            moved[:, *place] += sign * step
            vectors = np.asarray(parts.head.body(moved, training=False))
            scores.append((vectors @ np.asarray(parts.head.dense.kernel))[np.arange(3), classes])
        slopes[:, *place] = (scores[0] - scores[1]) / (2 * step)
    sums = (slopes.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=-1)
    for heat, cells in zip(found, sums, strict=True):
        expected = _on_image(np.maximum(cells, 0), 64, parts.centre, parts.stride)
        np.testing.assert_allclose(heat, expected / (expected.max() or 1), atol=0.02)


def test_another_head_sees_elsewhere(model, images):
    classes = np.zeros(3, int)
    before = grad_cam(model, images, classes)
    head = model.get_layer("predictions")
    kept = head.get_weights()
    head.set_weights([np.random.default_rng(5).normal(size=kept[0].shape), kept[1]])
    assert np.abs(grad_cam(model, images, classes) - before).max() > 0.3
    head.set_weights([np.zeros_like(kept[0]), kept[1]])
    assert not grad_cam(model, images, classes).any()  # nothing speaks for the class
    head.set_weights(kept)
    np.testing.assert_array_equal(grad_cam(model, images, classes), before)


def test_a_cell_lies_where_its_receptive_field_is():
    cells = np.zeros((4, 4), "float32")
    cells[1, 2] = 1
    heat = _on_image(cells, 128, 20.5, 32)  # centres at 20.5, 52.5, 84.5 ...: pixel 52 is at 52.5
    assert np.unravel_index(heat.argmax(), heat.shape) == (52, 84)
    assert heat[52, 84] == pytest.approx(1, abs=1e-3)
    assert heat[52 + 16, 84] == pytest.approx(0.5, abs=1e-3) and not heat[:20].any()


def test_reloaded_or_with_augmentation_it_is_the_same(images, tmp_path):
    keras.utils.set_random_seed(4)
    flip = keras.layers.RandomFlip()
    model = build_classifier(
        tiny_backbone.NAME, 3, image_size=64, weights=None, augmentation=flip
    )  # fmt: skip
    before = grad_cam(model, images, [0, 1, 2])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(grad_cam(again, images, [0, 1, 2]), before, atol=1e-5)


def test_more_images_than_are_looked_at_together(model, images):
    many = np.concatenate([images] * 6)
    found = grad_cam(model, many, np.arange(18) % 4)
    alone = grad_cam(model, many[17:], [17 % 4])
    np.testing.assert_allclose(found[17], alone[0], atol=1e-5)
    assert grad_cam(model, images[:0], np.zeros(0, int)).shape == (0, 64, 64)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((1, 32, 32, 3))}, r"shape \(1, 32, 32, 3\); the model needs .*64, 64"),
        ({"classes": [0]}, "a whole number for each of the 3 images"),
        ({"classes": [0.0, 1.0, 2.0]}, "classes are float64"),
        ({"classes": [0, 1, 4]}, "classes run from 0 to 4; the model knows 0 to 3"),
        ({"classes": [0, 1, -1]}, "classes run from -1"),
    ],
)
def test_what_does_not_fit_is_refused(model, images, change, words):
    with pytest.raises(InputError, match=words):
        grad_cam(model, **{"images": images, "classes": [0, 1, 2], **change})


def test_a_head_on_maps_is_refused(images):
    model = build_detector(tiny_backbone.NAME, 2, image_size=64, weights=None)
    with pytest.raises(InputError, match="detector' has no class head on one vector an image"):
        grad_cam(model, images, [0, 0, 0])


JAX = """
import keras, numpy as np
assert keras.backend.backend() == "jax"
from tl_keras.evaluation import grad_cam
model = keras.saving.load_model("model.keras")
np.save("found.npy", grad_cam(model, np.load("images.npy"), [0, 1, 2]))
"""


@pytest.mark.slow
def test_on_jax_it_says_the_same(model, images, tmp_path):
    pytest.importorskip("jax")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "run.py").write_text(JAX)
    finish([start("run.py", cwd=tmp_path, KERAS_BACKEND="jax")])
    expected = grad_cam(model, images, [0, 1, 2])
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-4)
