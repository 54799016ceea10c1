"""The classifier: its options, its halves, what it refuses; training with the BatchNorm policy."""

import keras
import numpy as np
import pytest

from tl_keras.backbones.freezing import freeze, trainable_stages, unfreeze
from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import stage_map
from tl_keras.builders.classifier import (
    build_classifier,
    features_model,
    head_model,
    without_augmentation,
)
from tl_keras.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype("uint8")
LABELS = np.arange(8) % 3


def build(**options):
    keras.utils.set_random_seed(0)
    options = {"image_size": 32, "weights": None, **options}
    return build_classifier("mobilenet_v2_035", 3, **options)


def predict(model, images=IMAGES):
    """Without compiling a graph, which would take most of the suite's time."""
    return np.asarray(model(images, training=False))


def names(model):
    return [layer.name for layer in model.layers]


def test_layers_in_order():
    model = build(pooling="avg_max", hidden=(8, 4), augmentation=keras.layers.RandomFlip())
    assert names(model) == [
        "image", "augmentation", "preprocessing", "mobilenet_v2_035", "pooling_avg", "pooling_max",
        "pooling", "dropout", "hidden_1", "dropout_1", "hidden_2", "dropout_2", "predictions",
    ]  # fmt: skip
    assert names(build(dropout=0)) == [
        "image", "preprocessing", "mobilenet_v2_035", "pooling", "predictions",
    ]  # fmt: skip


def test_pooling_is_what_it_says():
    widths = {kind: features_model(build(pooling=kind)).output_shape[-1] for kind in ("avg", "max")}
    assert widths == {"avg": 1280, "max": 1280}
    model = build(pooling="avg_max", image_size=64)
    images = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    base = find_backbone(model)
    feature_map = np.asarray(base(images / 127.5 - 1))
    expected = np.concatenate([feature_map.mean((1, 2)), feature_map.max((1, 2))], axis=-1)
    features = predict(features_model(model), images)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_softmax_or_logits():
    probabilities = predict(build())
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-5)
    logits = predict(build(logits=True))  # the same seed, so the same weights
    np.testing.assert_allclose(keras.ops.softmax(logits), probabilities, rtol=1e-4, atol=1e-6)


def test_half_precision_keeps_pixels_and_predictions_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build()
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("preprocessing").compute_dtype == "float32"
    assert find_backbone(model).get_layer("Conv1").compute_dtype == "bfloat16"
    assert predict(model).dtype == np.float32


def test_halves_compose_to_the_whole_and_share_its_layers():
    model = build(hidden=(8,), pooling="avg_max", augmentation=keras.layers.RandomFlip())
    plain = without_augmentation(model)
    features = predict(features_model(model))
    head = head_model(model)
    whole = predict(plain)
    np.testing.assert_allclose(predict(head, features), whole, rtol=1e-5, atol=1e-6)
    head.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy")
    head.fit(features, LABELS, epochs=2, verbose=0)
    after = predict(plain)
    assert np.abs(after - whole).max() > 1e-3
    np.testing.assert_allclose(predict(head, features), after, rtol=1e-5, atol=1e-6)


def test_halves_of_a_reloaded_model(tmp_path):
    model = without_augmentation(build(augmentation=keras.layers.RandomFlip()))
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    features = predict(features_model(reloaded))
    whole = predict(model)
    predictions = predict(head_model(reloaded), features)
    np.testing.assert_allclose(predictions, whole, rtol=1e-5, atol=1e-6)
    assert find_backbone(reloaded).name == "mobilenet_v2_035"


def test_without_augmentation_shares_layers_and_trains_on():
    model = build(augmentation=keras.Sequential([keras.layers.RandomBrightness(0.5)]))
    plain = without_augmentation(model)
    assert names(plain) == [name for name in names(model) if name != "augmentation"]
    assert plain.input.name == "image"
    assert not plain.compiled
    for layer in plain.layers[1:]:
        assert layer is model.get_layer(layer.name)
    np.testing.assert_array_equal(
        plain.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0)
    )
    assert without_augmentation(plain) is plain
    # Called, not predicted, the augmented one trains its dropout (Keras 3.15.1); the plain not.
    np.testing.assert_array_equal(np.asarray(plain(IMAGES)), np.asarray(plain(IMAGES)))


def test_augmentation_acts_in_training_on_pixels():
    """It is given the very images, and is told of every batch whether it is one of training."""
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, images, training=None):
            if not keras.utils.is_keras_tensor(images) and hasattr(images, "numpy"):
                seen.append((bool(training), images.numpy()))
            return images

    model = build(augmentation=Spy())
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(IMAGES, LABELS, batch_size=4, epochs=2, shuffle=False, verbose=0)
    model.predict(IMAGES, batch_size=8, verbose=0)
    assert [training for training, _ in seen] == [True] * 4 + [False]
    for whole in (seen[:2], seen[2:4], seen[4:]):
        np.testing.assert_array_equal(np.concatenate([images for _, images in whole]), IMAGES)


def snapshot(layers):
    return [[v.numpy() for v in layer.variables] for layer in layers]


def moved(before, layers):
    pairs = zip(before, snapshot(layers), strict=True)
    return [any(not np.array_equal(a, b) for a, b in zip(x, y, strict=True)) for x, y in pairs]


@pytest.mark.parametrize("train_batch_norm", [False, True])
def test_a_training_step_moves_what_is_unfrozen_and_nothing_else(train_batch_norm):
    model = build()
    base = find_backbone(model)
    assert unfreeze(model, 2, train_batch_norm=train_batch_norm) == ["stage4", "stage5"]
    stages = stage_map(base)
    groups = {"frozen": [], "open": [], "norm": []}
    for stage in stages:
        for layer in stage.layers:
            if layer.weights:
                norm = isinstance(layer, keras.layers.BatchNormalization)
                opened = stage.name in ("stage4", "stage5")
                groups["frozen" if not opened else "norm" if norm else "open"].append(layer)
    before = {name: snapshot(layers) for name, layers in groups.items()}
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(IMAGES, LABELS, epochs=2, verbose=0)
    assert not any(moved(before["frozen"], groups["frozen"]))  # BatchNorm statistics included
    assert any(moved(before["open"], groups["open"]))
    assert all(moved(before["norm"], groups["norm"])) == train_batch_norm
    assert any(moved(before["norm"], groups["norm"])) == train_batch_norm


def test_a_frozen_base_is_in_inference_mode_while_the_head_trains():
    model = build(dropout=0)
    base = find_backbone(model)
    before = snapshot(base.layers)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.fit(IMAGES, LABELS, epochs=2, verbose=0)
    assert not any(moved(before, base.layers))
    np.testing.assert_allclose(
        np.asarray(base(IMAGES / 127.5 - 1, training=True)),
        np.asarray(base(IMAGES / 127.5 - 1, training=False)),
        rtol=1e-5, atol=1e-6,
    )  # fmt: skip


def test_stages_by_name_count_and_fraction():
    model = build()
    assert trainable_stages(model) == []
    assert freeze(model, 0) == ["stem", "stage2", "stage3", "stage4", "stage5"]
    assert freeze(model, ["stem", "stage3"]) == ["stage2", "stage4", "stage5"]
    assert freeze(model, 0.5) == ["stage4", "stage5"]
    assert freeze(model, 1.0) == []
    assert unfreeze(model, "stage4") == ["stage4"] == trainable_stages(model)
    assert unfreeze(model, 0.0) == []
    assert unfreeze(model) == ["stem", "stage2", "stage3", "stage4", "stage5"]
    assert unfreeze(model, 1) == ["stage5"]
    assert freeze(find_backbone(model), 4) == ["stage5"]


def test_a_stage_without_weights_does_not_count():
    model = build_classifier("vgg16", 2, image_size=32, weights=None)
    assert stage_map(find_backbone(model)).names[-1] == "stage5"  # block5_pool alone
    assert unfreeze(model, 1) == ["stage4"]


@pytest.mark.parametrize("stages", [6, -1, 1.5, True, None, ["stage9"], "block_3"])
def test_stages_that_do_not_exist_are_refused(stages):
    with pytest.raises(InputError, match="; give "):
        unfreeze(build(), stages)


def test_a_model_without_backbone_is_refused():
    image = keras.Input((8, 8, 3))
    flat = keras.Model(image, keras.layers.Flatten()(image))
    for function in (freeze, unfreeze, trainable_stages, find_backbone, head_model, features_model):
        with pytest.raises(InputError, match="; give one"):
            function(flat)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes=1"),
        ({"num_classes": 2.5}, "num_classes=2.5"),
        ({"pooling": "sum"}, "avg, max, avg_max"),
        ({"dropout": 1.0}, "0 <= dropout < 1"),
        ({"dropout": "half"}, "0 <= dropout < 1"),
        ({"hidden": 256}, r"such as \(256,\)"),
        ({"hidden": (0,)}, "widths of 1 or more"),
        ({"image_size": 31}, "give 32 or more"),
        ({"image_size": 32.5}, "whole number"),
        ({"augmentation": "flip"}, "keras.Layer"),
        ({"backbone": "mobilenetv2"}, "did you mean mobilenet_v2"),
        ({"backbone": "zzz"}, "tl-keras backbones"),
        ({"weights": "imagnet"}, "imagenet, bundled, none"),
    ],
)
def test_bad_input_is_refused_in_one_line(options, message):
    arguments = {
        "backbone": "mobilenet_v2_035", "num_classes": 3, "image_size": 32, "weights": None,
        **options,
    }  # fmt: skip
    with pytest.raises(InputError, match=message) as caught:
        build_classifier(**arguments)
    assert "\n" not in str(caught.value)
