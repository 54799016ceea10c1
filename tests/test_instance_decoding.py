"""Grouping inside a model says what grouping in numpy says, wherever the model runs."""

import cv2
import keras
import numpy as np
import pytest
from processes import finish, start

from tl_keras.builders.instance_decoding import decoded_instances, group_pixels, instances_model
from tl_keras.builders.instance_segmenter import build_instance_segmenter
from tl_keras.data.instance_targets import instance_targets
from tl_keras.data.samples import generate_sample
from tl_keras.errors import InputError
from tl_keras.evaluation.grouping import group_instances

CLASSES = 3


def noise(seed, height=56, width=64, classes=CLASSES, reach=20.0):
    """Maps of a model that knows nothing: blobs of classes and heat, offsets that lead astray."""
    rng = np.random.default_rng(seed)
    maps = rng.random((height, width, classes + 4)).astype("float32")
    maps = cv2.GaussianBlur(maps, (0, 0), 2)
    odds = np.exp(40 * maps[..., : classes + 1])
    maps[..., : classes + 1] = odds / odds.sum(axis=-1, keepdims=True)
    heat = maps[..., classes + 1]
    maps[..., classes + 1] = (heat - heat.min()) / (heat.max() - heat.min())
    maps[..., -2:] = (maps[..., -2:] - 0.5) * reach
    return maps


def trained(index, wrong, size=96):
    """Maps as of a trained model: the truth, some of it wrong."""
    sample = generate_sample(index, 0, size)
    masks = sample.instance_mask == np.arange(1, len(sample.boxes) + 1)[:, None, None]
    truth = instance_targets(masks, sample.box_labels % CLASSES)
    labels = truth[..., 0].astype(int)
    right = np.eye(CLASSES + 1, dtype="float32")[np.where(labels == 255, 0, labels)]
    maps = np.concatenate([right, truth[..., 1:4]], axis=-1)
    astray = noise(index, size, size)
    maps[..., :-2] = (1 - wrong) * maps[..., :-2] + wrong * astray[..., :-2]
    maps[..., -2:] += wrong * astray[..., -2:]
    return maps


def undecided(maps, settings):
    """Pixels that point half way between two centres, to a thousandth of a square pixel."""
    from tl_keras.evaluation.grouping import _centres

    centres = _centres(maps[..., -3], settings["threshold"], settings["window"], settings["most"])
    if len(centres) < 2:
        return np.zeros(maps.shape[:2], bool)
    rows, columns = np.mgrid[: maps.shape[0], : maps.shape[1]]
    points = np.stack([columns + maps[..., -2], rows + maps[..., -1]], -1).astype("float64")
    squares = np.sort(((points[..., None, :] - centres[:, ::-1]) ** 2).sum(-1), axis=-1)
    return squares[..., 1] - squares[..., 0] < 1e-3


def assert_same(maps, ids, things, **options):
    """Both ways find the same; returns how many things there are."""
    settings = {"threshold": 0.1, "window": 7, "most": 100, "smallest": 4, **options}
    count = 0
    for one, own, rows, found in zip(
        maps, ids, things, decoded_instances(ids, things), strict=True
    ):
        true = group_instances(one, **settings)
        assert len(found) == len(true)
        same = own == true.ids
        assert (same | undecided(one, settings)).all() and same.mean() > 0.999
        np.testing.assert_array_equal(found.classes, true.classes)
        np.testing.assert_allclose(found.scores, true.scores, atol=2e-6)
        for k in range(len(true)):
            y, x = np.nonzero(own == k + 1)
            assert rows[k, :4].tolist() == [x.min(), y.min(), x.max() + 1, y.max() + 1]
        assert (rows[len(true) :] == [0, 0, 0, 0, -1, 0]).all()
        count += len(true)
    return count


def on_maps(shape, **options):
    """The model, behind maps instead of a base."""
    image = keras.Input(shape)
    return instances_model(keras.Model(image, keras.layers.Identity()(image)), **options)


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, 6))]
)
def test_of_noise_it_makes_the_same_things(seed):
    maps = np.stack([noise(2 * seed), noise(2 * seed + 1, reach=200.0)])
    found = on_maps(maps.shape[1:]).predict_on_batch(maps)
    assert found["ids"].dtype == np.int32 and found["things"].dtype == np.float32
    assert assert_same(maps, **found) > 20


@pytest.mark.parametrize(
    "wrong", [0.0, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.15, 0.4))]
)
def test_of_a_trained_models_maps_it_makes_the_same_things(wrong):
    maps = np.stack([trained(index, wrong) for index in range(8)])
    found = on_maps(maps.shape[1:]).predict_on_batch(maps)
    assert assert_same(maps, **found) >= 8


@pytest.mark.parametrize(
    "options",
    [{"max_things": 1}, {"max_things": 7}, {"threshold": 0.7}, {"window": 1}, {"window": 15},
     {"smallest": 1}, {"smallest": 90}, {"threshold": 0.0, "max_things": 33}],
)  # fmt: skip
def test_settings_mean_the_same(options):
    maps = np.stack([noise(40), noise(41), trained(3, 0.2, 64)[:56]])
    found = on_maps(maps.shape[1:], **options).predict_on_batch(maps)
    if "max_things" in options:
        options = {**options, "most": options["max_things"]}
        assert found["things"].shape == (3, options.pop("max_things"), 6)
    assert assert_same(maps, **found, **options) > 0


def test_equal_heat_side_by_side_is_one_centre_and_few_pixels_are_no_things_at_all():
    maps = np.zeros((3, 12, 12, 6), "float32")
    maps[..., 0] = 1
    maps[0, 2:10, 2:10, :3] = (0.1, 0.2, 0.7)
    maps[0, 5:7, 5:7, 3] = 0.6  # four equal middle pixels
    maps[1, :, :, 3] = 0.9  # heat everywhere, nothing there
    maps[2, 2:10, 2:10, :3] = (0.1, 0.2, 0.7)  # something, but no heat
    found = on_maps((12, 12, 6)).predict_on_batch(maps)
    assert assert_same(maps, **found) == 1
    assert (found["ids"][0] == 1).sum() == 64 and not found["ids"][1:].any()
    np.testing.assert_allclose(found["things"][0, 0], [2, 2, 10, 10, 1, 0.42], rtol=1e-6)


def test_fewer_pixels_than_things():
    maps = np.stack([noise(9, 4, 5)])
    found = on_maps((4, 5, CLASSES + 4)).predict_on_batch(maps)
    assert found["things"].shape == (1, 20, 6)
    assert_same(maps, **found)


ON_JAX = """
import sys
import numpy as np
import keras

assert keras.backend.backend() == "jax"
sys.modules["tl_keras"] = None
for name, given in (("maps", "maps"), ("whole", "images")):
    model = keras.models.load_model(f"{name}.keras")
    found = model.predict(np.load(f"{given}.npy"), verbose=0)
    np.savez(f"{name}.npz", **found)
"""


@pytest.mark.slow
def test_saved_it_says_the_same_on_jax_without_us(tmp_path):
    maps = np.stack([noise(1), noise(2, reach=100.0), trained(2, 0.2, 64)[:56]])
    decoder = on_maps(maps.shape[1:])
    keras.utils.set_random_seed(0)
    segmenter = build_instance_segmenter("mobilenet_025", 2, image_size=64, weights=None)
    for name, scale in (("classes", 2e4), ("centre", 5e4), ("offsets", 5e3)):
        layer = segmenter.get_layer(f"{name}_scores")  # untrained, it says nothing
        layer.set_weights([scale * layer.get_weights()[0], *layer.get_weights()[1:]])
    whole = instances_model(segmenter, max_things=30, threshold=0.005)
    images = np.stack([generate_sample(index, 0, 64).image for index in range(2)])
    decoder.save(tmp_path / "maps.keras")
    whole.save(tmp_path / "whole.keras")
    np.save(tmp_path / "maps.npy", maps)
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "run.py").write_text(ON_JAX)
    finish([start("run.py", cwd=tmp_path, KERAS_BACKEND="jax")])
    assert assert_same(maps, **np.load(tmp_path / "maps.npz")) > 20
    both = keras.Model(whole.input, {**whole.output, "maps": segmenter.output})
    here = both.predict_on_batch(images)
    assert assert_same(here.pop("maps"), **here, most=30, threshold=0.005) > 4
    there = np.load(tmp_path / "whole.npz")
    assert (here["ids"] == there["ids"]).mean() > 0.99
    np.testing.assert_allclose(here["things"][..., 4:], there["things"][..., 4:], atol=1e-3)


def test_its_arguments_and_outputs_are_checked():
    model = build_instance_segmenter("mobilenet_025", 2, image_size=64, weights=None)
    for options, message in (
        ({"window": 4}, "window=4 has no middle; give an odd number"),
        ({"window": 0}, "window=0 cannot be used; give an odd number"),
        ({"max_things": 0}, "max_things=0 cannot be used; give 1 or more"),
        ({"smallest": 0}, "smallest=0 cannot be used; give 1 or more"),
        ({"threshold": 1.0}, "threshold=1.0 is no share"),
    ):
        with pytest.raises(InputError, match=message):
            instances_model(model, **options)
    for what in (keras.Model(i := keras.Input((8,)), i), "model"):
        with pytest.raises(InputError, match="is no instance segmenter"):
            instances_model(what)
    for ids, things in (((2, 4, 4), (1, 3, 6)), ((4, 4), (3, 6)), ((1, 4, 4), (1, 3, 5))):
        with pytest.raises(InputError, match="expected"):
            decoded_instances(np.zeros(ids), np.zeros(things))


def test_eager_tensors_do_too():
    maps = noise(5)[None]
    options = {"max_things": 100, "threshold": 0.1, "window": 7, "smallest": 4}
    ids, things = map(np.asarray, group_pixels(maps, **options))
    assert assert_same(maps, ids, things) > 10
