"""Runtimes that compute features: used where they agree with Keras and pay, else Keras."""

import keras
import numpy as np
import pytest

import tl_keras as tl
from tl_keras.backbones.calibration import calibrate_batch_norm
from tl_keras.builders.classifier import features_model
from tl_keras.errors import InputError
from tl_keras.training.extractor_runtimes import installed, keras_run
from tl_keras.training.extractors import (
    agreement,
    agrees,
    check_runtime,
    extractor_for,
    multiply_adds,
    preferred_runtime,
)
from tl_keras.training.feature_extraction import FeatureExtraction

SIZE = 32


def _images(count=11):
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype="uint8")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = tl.build_classifier("mobilenet_025", 2, image_size=SIZE, weights=None)
    # Without it, features of random weights are so small that they would agree with anything.
    calibrate_batch_norm(model, _images(32))
    return model


@pytest.mark.parametrize("runtime", ["openvino", "litert"])
def test_a_runtime_that_agrees_is_used_until_the_weights_change(model, runtime, capfd):
    if runtime == "openvino":
        pytest.importorskip("openvino")
    data = (_images(), np.zeros(11, int))
    extraction = FeatureExtraction(model, image_size=SIZE, batch_size=8, runtime=runtime)
    plain = FeatureExtraction(model, image_size=SIZE, runtime="keras", verbose=False)
    features = extraction.run(data)
    assert features.runtime == runtime
    assert f"{runtime} in float32: agrees, cosine 1.0000" in capfd.readouterr().err
    assert agreement(plain.run(data).views[0], features.views[0])[1] < 1e-4

    kernel = features_model(model).weights[0]
    before = kernel.numpy()
    kernel.assign(before * 1.5)
    try:
        changed = extraction.run(data)
        assert changed.runtime == runtime
        assert agrees(plain.run(data).views[0], changed.views[0], "float32")
    finally:
        kernel.assign(before)
    assert not np.allclose(changed.views[0], features.views[0], atol=1e-3)


@keras.saving.register_keras_serializable("tests")
class _GraphDiffers(keras.layers.Layer):
    def call(self, x):
        import tensorflow as tf

        return x if tf.executing_eagerly() else 1.2 * x


@keras.saving.register_keras_serializable("tests")
class _Python(keras.layers.Layer):
    def call(self, x):
        import tensorflow as tf

        rows = tf.numpy_function(lambda value: value, [x], tf.float32)
        return tf.reshape(rows, tf.shape(x))

    def compute_output_shape(self, shape):
        return shape


@pytest.mark.parametrize(("layer", "reason"), [(_GraphDiffers, "disagrees"), (_Python, "failed")])
def test_a_runtime_that_fails_or_disagrees_gives_way_to_keras(layer, reason, capfd):
    image = keras.Input((SIZE, SIZE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(image)
    network = keras.Model(image, layer()(pooled))
    extractor = extractor_for(network, "litert", _images)
    assert extractor.runtime == "keras" and extractor.run(_images()).shape == (11, 3)
    assert f"features by Keras: litert {reason}" in capfd.readouterr().err


def test_agreement_counts_direction_size_zeros_and_nan():
    rows = np.random.default_rng(0).normal(size=(6, 9))
    rows[2] = 0
    assert agreement(rows, rows) == (pytest.approx(1.0), 0.0)
    assert agrees(rows, rows + 1e-5, "float32")
    assert not agrees(rows, rows * 1.2, "float32")
    assert not agrees(rows, rows[::-1], "bfloat16")
    assert not agrees(rows, np.full_like(rows, np.nan), "bfloat16")


def test_auto_converts_only_where_it_pays(model):
    network = features_model(model)
    assert 0.5e6 < multiply_adds(network) < 2e6
    assert preferred_runtime(network, 300) == "keras"
    has = installed("openvino") is not None
    assert preferred_runtime(network, 10**8) == ("openvino" if has else "litert")
    assert preferred_runtime(network, 1, "bfloat16") == "openvino"


def test_keras_fills_a_smaller_batch_up_and_cuts(model):
    network = features_model(model)
    run = keras_run(network)
    images = _images()
    whole, rest = run(images[:8]), run(images[8:])
    assert len(rest) == 3
    expected = np.concatenate([network.predict_on_batch(image[None]) for image in images])
    np.testing.assert_allclose(np.concatenate([whole, rest]), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("runtime", "precision", "match"),
    [
        ("onnx", "float32", "runtime='onnx' is unknown"),
        ("auto", "float16", "precision='float16' is unknown"),
        ("keras", "bfloat16", "OpenVINO only"),
    ],
)
def test_runtimes_that_cannot_be_used_are_refused(runtime, precision, match):
    with pytest.raises(InputError, match=match):
        check_runtime(runtime, precision)
