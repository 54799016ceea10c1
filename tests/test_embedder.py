"""The embedder: unit vectors, poolings by hand, out of other models, whitened, reloaded."""

import keras
import numpy as np
import pytest
from processes import finish, start
from tiny_backbone import NAME

from tl_keras.backbones.freezing import trainable_stages, unfreeze
from tl_keras.backbones.registry import find_backbone
from tl_keras.builders.class_cosines import margin_head
from tl_keras.builders.classifier import build_classifier, build_tagger, features_model
from tl_keras.builders.embedder import build_embedder, embedder_of, vectors_of
from tl_keras.builders.whitening import with_whitening
from tl_keras.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype("uint8")


def small(dimension=6, **options):
    keras.utils.set_random_seed(0)
    return build_embedder(NAME, dimension, **{"image_size": 64, "weights": None, **options})


def unit(vectors):
    vectors = np.asarray(vectors, "float64")
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_vectors_have_length_1_and_layers_their_names():
    model = small(dropout=0.3)
    found = np.asarray(model(IMAGES))
    assert found.shape == (3, 6)
    assert found.dtype == np.float32
    np.testing.assert_allclose((found**2).sum(-1), 1, rtol=1e-5)
    assert model.name == "embedder"
    names = [layer.name for layer in model.layers]
    assert names == ["image", "preprocessing", NAME, "pooling", "dropout", "projection",
                     "predictions"]  # fmt: skip
    assert find_backbone(model).name == NAME
    assert trainable_stages(model) == []
    unfreeze(model, 1)
    assert trainable_stages(model) == ["stage5"]


@pytest.mark.parametrize("pooling", ["avg", "max", "gem"])
def test_pooling_is_the_formula(pooling):
    model = small(None, pooling=pooling)
    base = find_backbone(model)
    features = np.asarray(base(IMAGES / np.float32(127.5) - 1), "float64")
    if pooling == "gem":
        expected = (np.maximum(features, 1e-6) ** 3).mean((1, 2)) ** (1 / 3)
    else:
        expected = getattr(features, {"avg": "mean", "max": "max"}[pooling])((1, 2))
    np.testing.assert_allclose(features_model(model)(IMAGES), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model(IMAGES), unit(expected), rtol=1e-4, atol=1e-5)


def test_slopes_of_gem_stay_finite_where_nothing_is_seen():
    """Features all below zero, and all just above: the root of a mean of nearly nothing."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the tape is TensorFlow's")
    import tensorflow as tf

    model = small(pooling="gem")
    norm = find_backbone(model).get_layer("bn5")
    for shift, seen in ((-1.0, False), (1e-5, True)):
        _, _, mean, variance = norm.get_weights()
        norm.set_weights([np.full(20, 1e-7), np.full(20, shift), mean, variance])
        images = tf.Variable(IMAGES.astype("float32"))
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(model(images)[:, 0])
        slopes = np.asarray(tape.gradient(value, images))
        assert np.isfinite(slopes).all()
        assert slopes.any() == seen


def test_the_embedding_of_a_classifier_is_its_features():
    model = build_classifier(NAME, 3, image_size=64, weights=None, hidden=[5])
    np.testing.assert_allclose(
        embedder_of(model)(IMAGES), unit(features_model(model)(IMAGES)), rtol=1e-4, atol=1e-5
    )
    last = keras.Model(model.input, model.get_layer("hidden_1").output)
    found = embedder_of(model, "last")
    np.testing.assert_allclose(found(IMAGES), unit(last(IMAGES)), rtol=1e-4, atol=1e-5)
    assert not any("dropout_1" in layer.name for layer in found.layers)
    plain = build_tagger(NAME, 3, image_size=64, weights=None)
    np.testing.assert_array_equal(embedder_of(plain, "last")(IMAGES), embedder_of(plain)(IMAGES))


def test_the_embedding_of_an_augmented_classifier_leaves_augmentation_out():
    flip = keras.layers.RandomFlip(seed=0)
    model = build_classifier(NAME, 3, image_size=64, weights=None, augmentation=flip)
    found = embedder_of(model)
    assert "augmentation" not in [layer.name for layer in found.layers]
    np.testing.assert_array_equal(found(IMAGES, training=True), found(IMAGES))


def test_an_embedder_is_its_own_and_a_margin_head_gives_it_back():
    model = small()
    for of in (model, margin_head(model, 4)):
        found = embedder_of(of)
        assert found.name == "embedder"
        np.testing.assert_array_equal(found(IMAGES), model(IMAGES))
        assert found.get_layer("projection") is model.get_layer("projection")


def test_half_precision_keeps_digits_where_they_count():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small(pooling="gem")
        whole = small(None)
    finally:
        keras.config.set_dtype_policy("float32")
    for one in (model, whole):
        found = np.asarray(one(IMAGES))
        assert found.dtype == np.float32
        np.testing.assert_allclose((found**2).sum(-1), 1, rtol=1e-5)


def test_whitened_vectors_are_uncorrelated_by_hand():
    """The Dense layer on the vectors that taught it: no mean, and a covariance of 1."""
    model = small()
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 0.5)
    for dimension in (6, 3):
        whitened = with_whitening(model, vectors, dimension)
        kernel, bias = whitened.get_layer("whitening").get_weights()
        new = vectors @ kernel + bias
        np.testing.assert_allclose(new.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(new.T @ new / len(new), np.eye(dimension), atol=1e-3)
        found = np.asarray(whitened(IMAGES))
        np.testing.assert_allclose(found, unit(np.asarray(model(IMAGES)) @ kernel + bias),
                                   rtol=1e-3, atol=1e-4)  # fmt: skip
        assert whitened.name == "embedder"
        assert not whitened.get_layer("whitening").trainable
        assert vectors_of(whitened).shape == (None, dimension)
    # The directions kept are those of most variance.
    spread = np.linalg.eigvalsh(np.cov(vectors.T, bias=True))[::-1]
    np.testing.assert_allclose(((kernel**2).sum(0)) ** -1, spread[:3], rtol=1e-3)


PROGRAM = """
import sys, keras, numpy as np
for number in range(4):
    model = keras.models.load_model(f"model{number}.keras")
    np.save(f"out{number}.npy", np.asarray(model(np.load("images.npy"))))
assert "tl_keras" not in sys.modules
"""


def test_it_loads_where_this_package_is_not_installed(tmp_path):
    trained = margin_head(small(pooling="gem"), 3)
    vectors = unit(np.random.default_rng(0).normal(size=(50, 6)))
    models = [
        embedder_of(trained),
        small(None, pooling="max", dropout=0.2),
        embedder_of(build_classifier(NAME, 3, image_size=64, weights=None)),
        with_whitening(small(), vectors, 4),
    ]
    np.save(tmp_path / "images.npy", IMAGES)
    for number, model in enumerate(models):
        model.save(tmp_path / f"model{number}.keras")
    (tmp_path / "load.py").write_text(PROGRAM)
    finish([start("load.py", cwd=tmp_path, PYTHONPATH="")])
    for number, model in enumerate(models):
        np.testing.assert_allclose(
            np.load(tmp_path / f"out{number}.npy"), model(IMAGES), rtol=1e-4, atol=1e-5
        )
    again = keras.models.load_model(tmp_path / "model0.keras")
    assert embedder_of(again).output_shape == (None, 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 1}, "dimension=1"),
        ({"dimension": 2.5}, "dimension=2.5"),
        ({"pooling": "mean"}, "avg, max, gem"),
        ({"dropout": 1}, "0 <= dropout < 1"),
        ({"image_size": 31}, "give 32 or more"),
        ({"backbone": "mobilenetv2"}, "did you mean"),
    ],
)
def test_bad_input_is_refused_in_one_line(options, message):
    arguments = {"backbone": "mobilenet_025", "weights": None, **options}
    with pytest.raises(InputError, match=message):
        build_embedder(**arguments)


def test_models_without_an_embedding_are_refused():
    image = keras.Input((64, 64, 3))
    stranger = keras.Model(image, keras.layers.Flatten()(image), name="stranger")
    with pytest.raises(InputError, match="'stranger' has no layer named 'pooling'"):
        embedder_of(stranger)
    with pytest.raises(InputError, match="no layer named 'predictions'"):
        embedder_of(stranger, "last")
    with pytest.raises(InputError, match="features='best'"):
        embedder_of(small(), "best")
    with pytest.raises(InputError, match="no embedder"):
        with_whitening(stranger, np.ones((9, 4)))


@pytest.mark.parametrize(
    ("vectors", "dimension", "message"),
    [
        (np.ones((9, 5)), None, r"\(9, 5\) are none of this embedder"),
        (np.full((9, 6), np.nan), None, "hold NaN"),
        (np.ones((0, 6)), None, "0 vectors vary in 0 directions"),
        (np.ones((9, 6)), 2, "9 vectors vary in 0 directions, too few for 2; give more of them$"),
        (np.eye(4, 6), None, "4 vectors vary in 3 directions, too few for 6.*dimension=3 or less"),
        (np.eye(6), 7, "give 2 to 6"),
        (np.eye(6), 1, "dimension=1"),
    ],
)
def test_vectors_that_teach_no_whitening_are_refused(vectors, dimension, message):
    with pytest.raises(InputError, match=message):
        with_whitening(small(), vectors, dimension)


def test_whitening_twice_is_refused():
    vectors = unit(np.random.default_rng(0).normal(size=(50, 6)))
    with pytest.raises(InputError, match="whitened already"):
        with_whitening(with_whitening(small(), vectors), vectors)
