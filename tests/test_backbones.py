"""Conformance: what every backbone of the registry promises, checked on the smallest image."""

import gc
import itertools
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tl_keras.backbones.base import build_backbone
from tl_keras.backbones.freezing import freeze, trainable_stages, unfreeze
from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.registry import find_backbone, get_backbone, list_backbones
from tl_keras.backbones.stages import stage_map
from tl_keras.builders.classifier import build_classifier
from tl_keras.errors import InputError

# One of each family, and of each preprocessing, in every run; the others with `-m slow`.
QUICK = {
    "vgg16", "resnet50", "resnet50_v2", "inception_v3", "xception", "mobilenet_025",
    "mobilenet_v2_035", "mobilenet_v3_small_075", "densenet121", "nasnet_mobile",
    "efficientnet_b0", "efficientnet_v2_b0", "convnext_tiny",
}  # fmt: skip
BUILT_IN = [name for name in list_backbones() if get_backbone(name).weights]
ALL = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in BUILT_IN]

BARE = """
import json, sys
sys.modules["tl_keras"] = None  # importing it fails
import keras, numpy as np
for line in sys.stdin:
    model, images, out = json.loads(line)
    reloaded = keras.models.load_model(model, compile=False)
    np.save(out, np.asarray(reloaded(np.load(images), training=False)))
    keras.backend.clear_session()
    print("done", flush=True)
"""


@pytest.fixture(scope="module")
def bare():
    """One process without tl_keras that loads saved models and predicts, for all backbones."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", BARE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip

    def predict(folder, images):
        np.save(folder / "images.npy", images)
        names = [str(folder / name) for name in ("model.keras", "images.npy", "out.npy")]
        process.stdin.write(json.dumps(names) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n", "the bare process could not load the model"
        return np.load(folder / "out.npy")

    yield predict
    process.stdin.close()
    process.wait(timeout=60)


@pytest.fixture(scope="module", params=ALL)
def built(request):
    """A classifier on one backbone, at its smallest size, shared by the tests below."""
    record = get_backbone(request.param)
    keras.utils.set_random_seed(0)
    model = build_classifier(record.name, 3, image_size=record.minimum_size, weights=None)
    yield SimpleNamespace(record=record, model=model, base=find_backbone(model))
    del model
    keras.backend.clear_session()
    gc.collect()


def leaf_layers(model):
    inner = (keras.layers.InputLayer, keras.Model)
    return [x for x in model._flatten_layers(include_self=False) if not isinstance(x, inner)]


def parents_by_name(base):
    """Edges of the graph as Keras itself writes them into the saved configuration."""

    def sources(node):
        if isinstance(node, dict):
            if "keras_history" in node:
                return [node["keras_history"][0]]
            node = list(node.values())
        return [name for item in node for name in sources(item)] if isinstance(node, list) else []

    return {layer["name"]: sources(layer["inbound_nodes"]) for layer in base.get_config()["layers"]}


def test_every_base_of_keras_applications_is_registered():
    functions = {get_backbone(name).builder.partition(":")[2] for name in BUILT_IN}
    published = {name for name in dir(keras.applications) if name[0].isupper()}
    assert functions == published


def test_base_and_classifier_have_the_promised_shape(built):
    record, base, model = built.record, built.base, built.model
    assert base.name == record.name
    assert base.count_params() == record.parameters
    assert base.input_shape == (None, record.minimum_size, record.minimum_size, 3)
    assert len(base.output_shape) == 4
    assert min(base.output_shape[1:3]) >= 1
    assert model.output_shape == (None, 3)
    assert not model.get_layer(record.name).trainable
    head = model.get_layer("predictions").trainable_variables
    assert {id(v) for v in model.trainable_variables} == {id(v) for v in head}


def test_below_the_smallest_size_is_refused_and_keras_agrees(built):
    record = built.record
    with pytest.raises(InputError, match=f"give {record.minimum_size} or more"):
        build_backbone(record.name, record.minimum_size - 1, weights=None)
    function = getattr(keras.applications, record.builder.partition(":")[2])
    small = (record.minimum_size - 1, record.minimum_size - 1, 3)
    with pytest.raises(ValueError, match="at least"):
        function(input_shape=small, weights=None, **record.arguments)


def test_stage_map_covers_every_layer_once_in_order(built):
    stages = stage_map(built.base)
    covered = [layer for stage in stages for layer in stage.layers]
    assert len({id(layer) for layer in covered}) == len(covered)
    assert {id(layer) for layer in covered} == {id(layer) for layer in leaf_layers(built.base)}

    place = {layer.name: i for i, layer in enumerate(covered)}
    for layer in built.base.layers:
        if isinstance(layer, keras.Model):  # a nested one: its first and last leaf stand for it
            inner = [place[leaf.name] for leaf in leaf_layers(layer)]
            assert inner == sorted(inner)
            place[layer.name] = max(inner)
    edges = parents_by_name(built.base)

    def latest(name):
        """The place of a layer; of a bare operation, that of the last layer before it."""
        return place.get(name, max((latest(parent) for parent in edges[name]), default=-1))

    for name, parents in edges.items():
        assert all(latest(parent) <= latest(name) for parent in parents), name

    strides = [stage.stride for stage in stages]
    assert strides == sorted(set(strides))
    assert strides[-1] == 32
    assert set(stages.names) <= {"stem", "stage2", "stage3", "stage4", "stage5"}


def test_blocks_part_each_stage(built):
    for stage in stage_map(built.base):
        blocks = [layer for block in stage.blocks for layer in block.layers]
        assert sorted(map(id, blocks)) == sorted(map(id, stage.layers))
        names = [block.name for block in stage.blocks]
        assert len(set(names)) == len(names)
    blocks = {block.name for stage in stage_map(built.base) for block in stage.blocks}
    assert len(blocks) > 4


def test_stage_outputs_form_a_pyramid(built):
    stages = list(stage_map(built.base))
    taps = keras.Model(built.base.input, [stage.output for stage in stages])
    sides = [shape[1] for shape in taps.output_shape]
    size = built.record.minimum_size
    assert all(a > b for a, b in itertools.pairwise(sides))
    assert stages[-1].output is built.base.output
    for stage, side in zip(stages, sides, strict=True):
        # Convolutions without padding (Inception, NASNet) lose a few pixels at each border.
        assert side <= -(-size // stage.stride)
        assert side >= size / stage.stride / 2 or side == 1


@pytest.mark.parametrize("train_batch_norm", [False, True])
def test_freezing_k_stages_leaves_exactly_the_others_trainable(built, train_batch_norm):
    batch_norm = keras.layers.BatchNormalization
    weighted = [
        stage for stage in stage_map(built.base) if any(layer.weights for layer in stage.layers)
    ]
    head = {id(v) for v in built.model.get_layer("predictions").trainable_variables}
    for k in range(len(weighted) + 1):
        expected = set(head)
        for stage in weighted[k:]:
            for layer in stage.layers:
                if train_batch_norm or not isinstance(layer, batch_norm):
                    moving = ("moving_mean", "moving_variance", "seed_generator_state")
                    expected |= {id(v) for v in layer.variables if v.name not in moving}
        names = freeze(built.model, k, train_batch_norm=train_batch_norm)
        assert names == trainable_stages(built.model) == [stage.name for stage in weighted[k:]]
        assert {id(v) for v in built.model.trainable_variables} == expected
        # The same said from the other end.
        last = len(weighted) - k
        assert unfreeze(built.model, last, train_batch_norm=train_batch_norm) == names
        assert {id(v) for v in built.model.trainable_variables} == expected
        for layer in leaf_layers(built.base):
            if isinstance(layer, batch_norm) and not train_batch_norm:
                assert not layer.trainable
    freeze(built.model)
    assert {id(v) for v in built.model.trainable_variables} == head


def test_preprocessing_equals_the_familys_own(built):
    """Against ``preprocess_input`` and then whatever the family keeps inside its own model."""
    record, size = built.record, built.record.minimum_size
    function = getattr(keras.applications, record.builder.partition(":")[2])
    own = {**record.arguments}
    own.pop("include_preprocessing", None)
    theirs = function(input_shape=(size, size, 3), weights=None, **own)
    inside = (keras.layers.InputLayer, keras.layers.Rescaling, keras.layers.Normalization)
    start = next(layer for layer in theirs.layers if not isinstance(layer, inside))
    kept = keras.Model(theirs.input, start.input)
    if record.family == "EfficientNet":
        # Its published files hold these; the graph for them divides once more by the root of the
        # deviation (keras.applications.efficientnet, tensorflow issue 49930).
        deviation = np.array([0.229, 0.224, 0.225], "float32")
        kept.layers[-1].set_weights([np.array([0.485, 0.456, 0.406]), deviation, np.array(0)])
        kept.layers[-1].finalize_state()
        image = keras.Input((size, size, 3))
        kept = keras.Model(image, keras.layers.Rescaling(list(deviation**-0.5))(kept(image)))

    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype("float32")
    pixels[0, 0, 0], pixels[0, 0, 1] = 0, 255
    preprocess_input = sys.modules[function.__module__].preprocess_input
    expected = np.asarray(kept(preprocess_input(pixels.copy())))

    image = keras.Input((size, size, 3))
    ours = keras.Model(image, apply_preprocessing(record, image))
    np.testing.assert_allclose(np.asarray(ours(pixels)), expected, rtol=1e-5, atol=2e-5)
    # Not an identity by accident: the pixels do reach the base in another range.
    assert abs(expected.min() - pixels.min()) > 0.5


def test_saves_and_predicts_the_same_where_tl_keras_is_absent(built, bare, tmp_path):
    size = built.record.minimum_size
    images = np.random.default_rng(1).integers(0, 256, (2, size, size, 3)).astype("uint8")
    # Called, not predict(): compiling a graph for each would take most of the suite's time.
    expected = np.asarray(built.model(images, training=False))
    built.model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(bare(tmp_path, images), expected, rtol=1e-5, atol=1e-6)
    (tmp_path / "model.keras").unlink()
