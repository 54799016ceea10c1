"""Tiled prediction: one result whatever the tiles, where the margin covers what a pixel sees."""

import keras
import numpy as np
import pytest

from tl_keras.errors import InputError
from tl_keras.evaluation.tiling import predict_tiled


def pooling_model(size):
    """Down to stride 8 and back; a pixel depends on others up to 32 px away at most."""
    layers = keras.layers
    image = x = keras.Input((size, size, 3))
    for width in (4, 6, 8):
        x = layers.Conv2D(width, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(5, 3, padding="same")(x)
    x = layers.UpSampling2D(8, interpolation="bilinear")(x)
    return keras.Model(image, x)


@pytest.fixture(scope="module")
def models():
    keras.utils.set_random_seed(0)
    sizes = {size: pooling_model(size) for size in (128, 160, 256)}
    for model in sizes.values():
        model.set_weights(sizes[128].get_weights())
    return sizes


def picture(height, width):
    return np.random.default_rng(1).uniform(0, 255, (height, width, 3)).astype("float32")


@pytest.mark.parametrize("shape", [(300, 217), (64, 500), (33, 20), (1, 1), (256, 256)])
def test_the_result_does_not_depend_on_the_tile_size(models, shape):
    image = picture(*shape)
    results = [
        predict_tiled(model.predict_on_batch, image, size, margin=32, batch_size=3)
        for size, model in models.items()
    ]
    assert results[0].shape == (*shape, 5) and results[0].std() > 0.1
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-4, atol=1e-3)


def test_with_too_small_a_margin_it_does_depend_on_it(models):
    image = picture(300, 217)
    small, large = (
        predict_tiled(models[size].predict_on_batch, image, size, margin=0) for size in (128, 256)
    )
    assert np.abs(small - large).max() > 1


def test_inside_a_picture_it_is_what_the_model_says_of_the_whole(models):
    image = picture(256, 256)
    whole = models[256].predict_on_batch(image[None])[0]
    tiled = predict_tiled(models[128].predict_on_batch, image, 128, margin=32)
    inner = slice(64, 192)
    np.testing.assert_allclose(tiled[inner, inner], whole[inner, inner], rtol=1e-4, atol=1e-3)


def test_a_tile_is_kept_where_it_belongs_for_random_sizes():
    rng = np.random.default_rng(0)
    for _ in range(40):
        height, width = rng.integers(1, 260, 2)
        tile, margin = int(rng.integers(3, 9)) * 32 + int(rng.integers(0, 32)), 32
        image = rng.integers(0, 256, (height, width, 3)).astype("uint8")
        found = predict_tiled(lambda x: x, image, tile, margin=margin, batch_size=4)
        np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((5, 5)), {}, r"an image of shape \(5, 5\)"),
        (np.zeros((0, 5, 3)), {}, r"an image of shape"),
        (np.zeros((5, 5, 3)), {"margin": 40}, "margin of 64 px leaves less than 32 px"),
        (np.zeros((5, 5, 3)), {"margin": -32}, "margin of -32 px"),
    ],
)
def test_bad_input(image, options, message):
    with pytest.raises(InputError, match=message):
        predict_tiled(lambda x: x, image, 128, **options)


def test_a_model_of_another_size_is_named():
    with pytest.raises(InputError, match="gave maps of shape"):
        predict_tiled(lambda x: x[:, :64, :64], np.zeros((5, 5, 3)), 128)
