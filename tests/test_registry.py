"""The registry: listing without Keras, unknown names, a base of one's own, the table."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import tl_keras as tl
from tl_keras.backbones import registry
from tl_keras.backbones.base import build_backbone
from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.backbones.registry import (
    find_backbone,
    get_backbone,
    list_backbones,
    register_backbone,
)
from tl_keras.backbones.table import backbone_table, measurement_method
from tl_keras.errors import InputError


@pytest.fixture
def clean_registry(monkeypatch):
    monkeypatch.setattr(registry, "_RECORDS", dict(registry._RECORDS))


def test_listing_does_not_import_keras():
    code = (
        "import sys, tl_keras; from tl_keras.backbones.table import backbone_table;"
        "assert len(backbone_table()) >= 50; assert len(tl_keras.list_backbones()) >= 50;"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    root = str(Path(__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=dict(os.environ))


def test_filters():
    assert list_backbones(family="densenet") == ["densenet121", "densenet169", "densenet201"]
    small = list_backbones(max_parameters=1_000_000)
    assert set(small) == {
        "mobilenet_025", "mobilenet_050", "mobilenet_v2_035", "mobilenet_v2_050",
        "mobilenet_v3_small_075", "mobilenet_v3_small",
    }  # fmt: skip
    assert "xception" not in list_backbones(image_size=70)
    assert "xception" in list_backbones(image_size=71)
    assert tl.list_backbones is list_backbones
    with pytest.raises(InputError, match="DenseNet"):
        list_backbones(family="dense")
    with pytest.raises(InputError, match="'imagenet' or 'bundled'"):
        list_backbones(weights="coco")


def test_records_name_just_the_weights_that_ship():
    assert set(list_backbones(weights="bundled")) == set(bundled_backbones())


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MobileNetV2", "mobilenet_v2"),
        ("resnet-50", "resnet50"),
        ("efficientnetb0", "efficientnet"),
    ],
)
def test_an_unknown_name_brings_the_nearest(name, nearest):
    with pytest.raises(InputError, match=rf"unknown backbone '{name}'; did you mean .*{nearest}"):
        get_backbone(name)


def own_base(input_shape, width=8):
    """Four strides, by a user's own layer, a squeeze-and-excite gate of bare operations, a nest."""

    class Patches(keras.layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(4, 4, 3, width), name="kernel")

        def call(self, images):
            return keras.ops.conv(images, self.kernel, strides=4, padding="same")

    image = keras.Input(input_shape)
    x = Patches(name="patches")(image)
    gate = keras.ops.mean(x, axis=(1, 2), keepdims=True)
    gate = keras.layers.Conv2D(width, 1, activation="sigmoid", name="gate")(gate)
    x = x * gate
    x = keras.Sequential(
        [
            keras.layers.LayerNormalization(name="norm"),
            keras.layers.Conv2D(width, 2, 2, name="down"),
        ],
        name="nest",
    )(x)
    x = keras.layers.MaxPooling2D(name="unit_1_pool")(x)
    return keras.Model(image, keras.layers.Conv2D(width, 1, name="unit_1_conv")(x))


def test_a_base_of_ones_own_in_one_call_gets_everything(clean_registry, tmp_path):
    register_backbone(
        name="own", builder=own_base, arguments={"width": 6}, image_size=64, minimum_size=16,
        preprocessing="tf", block_patterns=(r"^unit_\d",),
    )  # fmt: skip
    assert list_backbones(family="own") == ["own"]
    assert "own" not in list_backbones(max_parameters=10**12)  # unknown, so not known to be small
    base = build_backbone("own", weights=None)
    assert base.output_shape == (None, 4, 4, 6)

    stages = tl.stage_map(base)
    assert [
        (stage.name, stage.stride, [layer.name for layer in stage.layers]) for stage in stages
    ] == [
        ("stage2", 4, ["patches", "gate", "norm"]),
        ("stage3", 8, ["down"]),
        ("stage4", 16, ["unit_1_pool", "unit_1_conv"]),
    ]
    assert [block.name for block in stages["stage4"].blocks] == ["unit_1"]
    assert [stage.output.shape[1] for stage in stages] == [16, 8, 4]

    model = tl.build_classifier("own", 3, weights=None, image_size=32)
    assert find_backbone(model).name == "own"
    assert tl.unfreeze(model, 1) == ["stage4"]
    assert len(model.trainable_variables) == 4
    with pytest.raises(InputError, match="no ImageNet weights are known for own"):
        build_backbone("own")
    with pytest.raises(InputError, match="no weights of own are bundled; use backbone mobilenet"):
        build_backbone("own", weights="bundled")


def test_a_reloaded_base_is_found_where_it_is_not_registered(monkeypatch, clean_registry, tmp_path):
    def plain(input_shape):
        image = keras.Input(input_shape)
        return keras.Model(image, keras.layers.Conv2D(4, 3, 2, padding="same")(image))

    register_backbone(name="plain_base", builder=plain, minimum_size=8, image_size=16)
    model = tl.build_classifier("plain_base", 2, weights=None)
    model.save(tmp_path / "model.keras")
    del registry._RECORDS["plain_base"]
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    assert find_backbone(reloaded).name == "plain_base"
    images = np.ones((1, 16, 16, 3), "float32")
    np.testing.assert_allclose(np.asarray(reloaded(images)), np.asarray(model(images)), rtol=1e-6)
    assert tl.unfreeze(reloaded) == ["stem"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "resnet50"}, "registered already"),
        ({"name": "My Net"}, "lower-case"),
        ({"builder": "somewhere"}, "module:function"),
        ({"preprocessing": "zero_one"}, "tf, tf128, torch, caffe, none"),
        ({"minimum_size": 500}, "minimum_size <= image_size"),
        ({"weights": ("coco",)}, "imagenet"),
        ({"block_patterns": ("(",)}, "regular expression"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_unusable_fields_are_refused(clean_registry, fields, message):
    with pytest.raises(InputError, match=message):
        register_backbone(**{"name": "mine", "builder": own_base, **fields})


@pytest.mark.parametrize("builder", ["no_such_module:base", "keras.applications:NoSuchNet"])
def test_a_builder_that_cannot_be_imported_is_named(clean_registry, builder):
    register_backbone(name="mine", builder=builder)
    with pytest.raises(InputError, match="cannot be imported"):
        build_backbone("mine", weights=None)


def test_a_builder_that_returns_no_feature_map_is_refused(clean_registry):
    def pooled(input_shape):
        image = keras.Input(input_shape)
        return keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))

    register_backbone(name="mine", builder=pooled)
    with pytest.raises(InputError, match="output was expected"):
        build_backbone("mine", weights=None)


def test_table_has_a_row_and_a_latency_for_every_backbone():
    built_in = [name for name in list_backbones() if get_backbone(name).weights]
    rows = {row["name"]: row for row in backbone_table()}
    assert set(built_in) <= set(rows)
    for name in built_in:
        assert rows[name]["latency_ms"] > 0, name
        size = get_backbone(name).parameters * 4 / 1e6
        assert rows[name]["size_mb"] == pytest.approx(size, abs=0.06)
        assert rows[name]["use"] and rows[name]["licence"]
    assert rows["mobilenet_v2_035"]["latency_ms"] < rows["resnet152"]["latency_ms"]
    assert "batch 1" in measurement_method() and "threads" in measurement_method()


def test_stages_at_the_default_size_are_the_known_ones():
    shapes = {
        "resnet50": [(112, 64), (56, 256), (28, 512), (14, 1024), (7, 2048)],
        "mobilenet_v2": [(112, 96), (56, 144), (28, 192), (14, 576), (7, 1280)],
        "vgg16": [(112, 128), (56, 256), (28, 512), (14, 512), (7, 512)],
    }
    for name, expected in shapes.items():
        stages = tl.stage_map(build_backbone(name, weights=None))
        assert [stage.output.shape[2:] for stage in stages] == expected
