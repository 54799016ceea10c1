"""Where training runs, in which precision, and that what comes back is the plain model."""

from pathlib import Path

import keras
import numpy as np
import placed_training
import pytest
from processes import finish, start

import tl_keras as tl
from tl_keras.errors import InputError
from tl_keras.training.placement import Placement, choose_placement
from tl_keras.training.placing import collect, placed
from tl_keras.training.precision import choose_precision, computing_in
from tl_keras.training.replica_batches import (
    FilledBatches,
    SharedBatches,
    SharedOrder,
    replica_batches,
    steps_in,
)
from tl_keras.training.tf_devices import cluster_task, mirrored_strategy

PROGRAM = Path(placed_training.__file__)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return placed_training.build()


def test_auto_says_in_one_line_what_it_picked_and_why():
    placement = choose_placement()
    assert placement.kind in ("cpu", "gpu") and placement.replicas == 1 and placement.chief
    assert str(placement).startswith(f"{placement.kind}: ") and "\n" not in str(placement)
    assert choose_placement(placement) is placement


@pytest.mark.parametrize(
    ("kind", "capability", "expected"),
    [
        ("cpu", None, "float32"),
        ("tpu", None, "mixed_bfloat16"),
        ("gpu", 9.0, "mixed_bfloat16"),
        ("gpu", 8.0, "mixed_bfloat16"),
        ("gpu", 7.5, "mixed_float16"),
        ("gpu", 6.1, "float32"),
        ("gpu", None, "float32"),
    ],
)
def test_precision_follows_the_hardware(kind, capability, expected):
    precision, why = choose_precision(kind, capability)
    assert precision == expected and why


def test_what_cannot_be_had_is_said():
    for wrong in ("gpus", 3):
        with pytest.raises(InputError, match="give one of"):
            choose_placement(wrong)
    with pytest.raises(InputError, match="mixed_bfloat16"):
        choose_placement("cpu", precision="bf16")
    with pytest.raises(InputError, match="no TPU"):
        choose_placement("tpu")
    with pytest.raises(InputError, match="TF_CONFIG"):
        choose_placement("multi_worker")
    with pytest.raises(InputError, match="at the beginning"):
        mirrored_strategy(64)


def test_cluster_task_reads_tf_config(monkeypatch):
    assert cluster_task() == (1, 0)
    task = '{"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": %s}'
    for given, expected in (
        ('{"type": "chief", "index": 0}', 0),
        ('{"type": "worker", "index": 1}', 2),
    ):
        monkeypatch.setenv("TF_CONFIG", task % given)
        assert cluster_task() == (3, expected)
    for broken in ("cluster", "[1]"):
        monkeypatch.setenv("TF_CONFIG", broken)
        with pytest.raises(InputError, match="not the JSON"):
            cluster_task()


def test_batch_and_rate_scale_by_the_stated_rule():
    four = Placement("mirrored", "float32", "", replicas=4)
    assert four.global_batch(32) == 128
    assert four.learning_rate(0.1, adaptive=False) == pytest.approx(0.4)
    assert four.learning_rate(1e-3) == pytest.approx(2e-3)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_computes_so_and_leaves_float32(model, precision):
    tl.unfreeze(model, "all")
    images = np.random.default_rng(0).integers(0, 255, (8, 16, 16, 3)).astype("float32")
    before = model.predict(images, verbose=0)
    variables = [id(v) for v in model.variables]
    with placed(model, Placement("gpu", precision, "")) as working:
        assert working is model
        base = tl.backbones.registry.find_backbone(model)
        half = precision.removeprefix("mixed_")
        assert {layer.compute_dtype for layer in base.layers if layer.weights} == {half}
        assert model.get_layer("predictions").compute_dtype == "float32"
        model.compile(keras.optimizers.SGD(1e-6), "sparse_categorical_crossentropy")
        assert hasattr(model.optimizer, "inner_optimizer") == (precision == "mixed_float16")
        outputs = model.predict(images, verbose=0)
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, before, atol=0.05)
        assert not np.array_equal(outputs, before)
        model.fit(images, np.zeros(8, "int32"), epochs=2, verbose=0)
        assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert [id(v) for v in model.variables] == variables
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}
    np.testing.assert_allclose(model.predict(images, verbose=0), before, atol=1e-4)


def test_precision_is_given_back_after_an_error(model):
    with pytest.raises(RuntimeError), computing_in(model, "mixed_bfloat16"):
        raise RuntimeError
    assert {layer.dtype_policy.name for layer in model._flatten_layers()} == {"float32"}


def test_collect_leaves_the_model_itself_alone(model):
    before = [v.numpy() for v in model.variables]
    collect(model, model)
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(old, variable.numpy())


@pytest.mark.parametrize(
    ("count", "batch", "replicas"),
    [(27, 8, 2), (25, 8, 2), (25, 8, 4), (9, 9, 4), (6, 5, 4), (64, 16, 8)],
)
def test_every_image_once_an_epoch_and_equal_in_the_gradient(count, batch, replicas):
    seen, gradient = [], np.zeros(count)
    for device in range(replicas):
        order = SharedOrder(
            count, batch, replicas=replicas, first=device, local=1, shuffle=True, seed=1
        )
        weights = order.weights()
        for number in range(len(order)):
            rows = order.batch(5, number)
            assert len(rows) >= 1
            seen.extend(rows)
            # Keras averages over the share's rows, then over the devices.
            total = order._bounds[number + 1] - order._bounds[number]
            gradient[rows] = weights[number] / len(rows) / replicas * total
        assert len(order) == order.steps
    assert sorted(seen) == list(range(count))
    np.testing.assert_allclose(gradient, 1, rtol=1e-6)


def test_devices_of_one_worker_take_turns():
    both = SharedOrder(12, 6, replicas=4, first=2, local=2)
    assert [both.batch(0, i).tolist() for i in range(len(both))] == [[4], [5], [10], [11]]


def test_parts_for_one_device_without_tensorflow():
    images, labels = np.arange(22.0).reshape(11, 2), np.arange(11, dtype="int32")
    order = SharedOrder(11, 4, replicas=1, first=0, local=1, accumulate=2)
    batches = SharedBatches(lambda indices, epoch: (images[indices], labels[indices]), order)
    parts = [batches[number] for number in range(len(batches))]
    assert [part[1].tolist() for part in parts] == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10]]
    assert [part[2].tolist() for part in parts[-2:]] == [
        pytest.approx([4 / 3, 4 / 3]),
        pytest.approx([2 / 3]),
    ]


def test_more_devices_than_images_are_refused():
    with pytest.raises(InputError, match="one device"):
        SharedOrder(3, 8, replicas=4, first=0, local=1)


def test_filled_batches_keep_averages_exact():
    images, labels = np.arange(11.0)[:, None], np.arange(11, dtype="int32")
    pairs = [(images[:4], labels[:4]), (images[4:8], labels[4:8]), (images[8:], labels[8:])]
    one = Placement("data_parallel", "float32", "", replicas=2)

    class Listed(list):
        pass

    for training, batches in ((t, FilledBatches(Listed(pairs), 11, 4, one, t)) for t in (0, 1)):
        parts = [batches[number] for number in range(len(batches))]
        assert {len(weights) for _, _, weights in parts} == {4}
        if training:
            means = [np.mean(labels * weights) for _, labels, weights in parts]
            np.testing.assert_allclose(means, [1.5, 5.5, 9])
        else:
            np.testing.assert_allclose(np.mean([np.mean(y * w) for _, y, w in parts]), 5)


def test_one_device_gets_the_plain_batches():
    placement = choose_placement("cpu")
    images, labels = np.zeros((5, 8, 8, 3), "uint8"), np.zeros(5, int)
    batches = replica_batches((images, labels), placement, batch_size=2, image_size=8)
    assert steps_in(batches) == len(batches) == 3 and len(batches[0]) == 2


def check_same(file, tolerance=1e-5):
    """Several devices did what one does: weights and validation; the artefact is plain Keras."""
    result = np.load(file)
    assert result["replicas"] == 2
    weights = [name for name in result.files if name.startswith("w")]
    for name in weights:
        other = result[f"alone{name[1:]}"]
        np.testing.assert_allclose(result[name], other, rtol=tolerance, atol=tolerance)
    for name in ("val_loss", "val_accuracy"):
        np.testing.assert_allclose(result[name], result[f"alone_{name}"], rtol=1e-5)
    assert len(weights) == 12 and result["val_loss"][-1] < 0.8 * result["val_loss"][0]
    saved = keras.models.load_model(str(file).replace(".npz", ".keras"))
    assert {layer.dtype_policy.name for layer in saved._flatten_layers()} == {"float32"}
    norms = [v for v in saved._flatten_layers() if isinstance(v, keras.layers.BatchNormalization)]
    assert norms and not any(norm.synchronized for norm in norms)
    for name, variable in zip(weights, saved.variables, strict=True):
        np.testing.assert_array_equal(result[name], variable.numpy())


@pytest.fixture
def pictures(tmp_path):
    placed_training.draw(tmp_path / "pictures")
    return tmp_path / "pictures"


@pytest.mark.slow
def test_two_devices_do_what_one_does(pictures, tmp_path):
    """BatchNorm trains and is synchronised, the last batch is 3 of 8, the base joins later."""
    out = tmp_path / "out.npz"
    said = finish([start(PROGRAM, "mirrored", "float32", pictures, out)])[0]
    assert "2 logical devices of the CPU share each batch" in said
    check_same(out)


@pytest.mark.slow
def test_two_devices_in_half_precision_end_as_a_float32_model(pictures, tmp_path):
    out = tmp_path / "out.npz"
    finish([start(PROGRAM, "mirrored", "mixed_bfloat16", pictures, out)])
    assert "bfloat16" in np.load(out)["compute"]
    saved = keras.models.load_model(tmp_path / "out.keras")
    assert {layer.dtype_policy.name for layer in saved._flatten_layers()} == {"float32"}


@pytest.mark.slow
def test_two_jax_devices_do_what_one_does(pictures, tmp_path):
    pytest.importorskip("jax", reason="needs JAX")
    out = tmp_path / "out.npz"
    more = {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    finish([start(PROGRAM, "mirrored", "float32", pictures, out, **more)])
    check_same(out, 1e-4)
