"""Features once: views, the cache and its key, runtimes that have to agree, and what may fail."""

import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import tl_keras as tl
from tl_keras.backbones.calibration import calibrate_batch_norm
from tl_keras.builders.classifier import features_model, head_model
from tl_keras.data import set_epoch
from tl_keras.errors import InputError
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.feature_key import feature_key, model_digest, read_contents, still_the_same
from tl_keras.training.features import extract_features, predict_batches
from tl_keras.training.inputs import batches_of

SIZE = 32


@pytest.fixture(scope="module")
def parts(photos):
    return tl.data.from_folder(photos, progress=False).split(0.3, seed=0)


@pytest.fixture(scope="module")
def model():
    return _model()


@pytest.fixture
def copied(photos, tmp_path):
    """Examples of files that a test may change."""
    shutil.copytree(photos, tmp_path / "photos")
    return tl.data.from_folder(tmp_path / "photos", progress=False)


def _model(**options):
    keras.utils.set_random_seed(0)
    model = tl.build_classifier("mobilenet_025", 2, image_size=SIZE, weights=None, **options)
    # Without it, features of random weights are so small that they would agree with anything.
    calibrate_batch_norm(model, _images(32))
    return model


def _images(count=5):
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype="uint8")


def _extraction(model, cache=None, **options):
    return FeatureExtraction(
        model, image_size=SIZE, batch_size=8, cache=cache, verbose=False, **options
    )


def _view(examples, epoch, seed=0):
    """Pixels of one epoch of the data set's own augmentation, in the table's order."""
    batches = batches_of(examples, batch_size=8, image_size=SIZE, seed=seed, augment="light")
    set_epoch(batches, epoch)
    return np.concatenate([np.asarray(images) for images, _ in batches])


# --- the same as end to end ---------------------------------------------------------------------


class _Pixels(keras.utils.PyDataset):
    """End to end on K views: epoch e shows view e % K in the order of (seed, e)."""

    def __init__(self, views, labels, batch_size, seed):
        super().__init__()
        self.views, self.labels, self.batch_size, self.seed = views, labels, batch_size, seed
        self.epoch = 0

    def __len__(self):
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, number):
        order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.labels))
        rows = order[number * self.batch_size :][: self.batch_size]
        return self.views[self.epoch % len(self.views)][rows], self.labels[rows]


def _trained(network, batches, epochs, callbacks=()):
    network.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy")
    network.fit(batches, epochs=epochs, shuffle=False, verbose=0, callbacks=list(callbacks))


def test_head_on_views_equals_training_end_to_end_on_the_same_views(parts):
    train, _ = parts
    whole, cached = _model(hidden=(8,)), _model(hidden=(8,))
    start = [v.numpy() for v in whole.trainable_variables]
    pixels = _Pixels([_view(train, k) for k in range(2)], train.labels, 8, seed=0)
    count = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, _: setattr(pixels, "epoch", epoch)
    )
    _trained(whole, pixels, 5, [count])

    features = _extraction(cached).run(train, augment="light", views=2)
    assert len(features.views) == features.computed == 2
    _trained(head_model(cached), features.batches(8, shuffle=True, seed=0), 5)

    assert len(whole.trainable_variables) == 4
    for before, a, b in zip(
        start, whole.trainable_variables, cached.trainable_variables, strict=True
    ):
        assert np.abs(a.numpy() - before).max() > 1e-2
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-4)


def test_epoch_and_view_are_those_of_the_augmented_data_set(parts, model):
    train, _ = parts
    features = _extraction(model).run(train, augment="light", views=2)
    own = features.batches(8, shuffle=True, seed=3)
    pixels = train.dataset(8, SIZE, shuffle=True, seed=3, augment="none")
    rows = np.arange(len(train))
    for epoch in (0, 1, 4):
        set_epoch(own, epoch)
        set_epoch(pixels, epoch)
        labels = np.concatenate([np.asarray(y) for _, y in pixels])
        order = np.random.default_rng([3, epoch]).permutation(rows)
        assert np.array_equal(labels, train.labels[order])
        seen = [own[number] for number in range(len(own))]
        assert np.array_equal(np.concatenate([y for _, y in seen]), labels)
        assert np.array_equal(
            np.concatenate([x for x, _ in seen]), features.views[epoch % 2][order]
        )
    assert not np.allclose(features.views[0], features.views[1])


def test_without_augmentation_there_is_one_view_equal_to_extract_features(parts, model):
    _, val = parts
    features = _extraction(model).run(val, views=4)
    rows, labels = extract_features(
        model, batches_of(val, batch_size=8, image_size=SIZE), "val", False
    )
    assert len(features.views) == 1
    np.testing.assert_allclose(features.views[0], rows, atol=1e-5)
    assert np.array_equal(features.labels, labels) and features.labels.dtype == np.int32
    with pytest.raises(InputError, match="views=0"):
        _extraction(model).run(val, views=0)


def test_arrays_are_one_view_whatever_is_asked(parts, model):
    _, val = parts
    images = np.stack([tl.data.load_image(path, SIZE) for path in val.paths])
    features = _extraction(model).run((images, val.labels), augment="light", views=3)
    assert len(features.views) == 1
    expected = _extraction(model).run(val).views[0]
    np.testing.assert_allclose(features.views[0], expected, atol=1e-5)


def test_a_smaller_last_batch_is_filled_up_and_cut(parts, model):
    _, val = parts
    network = features_model(model)
    outputs, labels = predict_batches(network, val.dataset(7, SIZE), "val")
    one, _ = predict_batches(network, val.dataset(1, SIZE), "val")
    assert len(outputs) == len(labels) == len(val) and len(val) % 7
    np.testing.assert_allclose(outputs, one, atol=1e-4)


# --- the key ------------------------------------------------------------------------------------


def _key(examples, network, **changes):
    arguments = {
        "image_size": SIZE, "resize": "crop", "augment": "light", "seed": 0, "view": 0,
        "runtime": ("keras", "3", "float32"), **changes,
    }  # fmt: skip
    return feature_key(read_contents(examples), model_digest(network), **arguments)


def test_another_key_for_anything_that_could_change_a_feature(parts, model):
    train, val = parts
    network = features_model(model)
    key = _key(train, network)
    assert key == _key(train, network)
    others = [
        _key(val, network),
        _key(train.subset(range(len(train))[::-1]), network),
        _key(train, network, image_size=96),
        _key(train, network, resize="pad"),
        _key(train, network, augment="none"),
        _key(train, network, seed=1),
        _key(train, network, view=1),
        _key(train, network, runtime=("openvino", "3", "float32")),
        _key(train, network, runtime=("keras", "4", "float32")),
        _key(train, network, runtime=("keras", "3", "bfloat16")),
        _key(train, features_model(_model(pooling="max"))),
    ]
    assert len({key, *others}) == len(others) + 1
    plain = {"augment": "none"}
    assert _key(train, network, **plain) == _key(train, network, **plain, seed=1, view=1)


def test_key_follows_the_bytes_whatever_size_and_time_say(copied, model):
    network = features_model(model)
    key, contents = _key(copied, network), read_contents(copied)
    path = Path(copied.paths[3])
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert not still_the_same(copied, contents)
    assert _key(copied, network) != key


def test_a_touched_file_is_still_the_same(copied):
    contents = read_contents(copied)
    os.utime(copied.paths[0])
    assert still_the_same(copied, contents)
    Path(copied.paths[0]).unlink()
    assert not still_the_same(copied, contents)


def test_digest_of_a_model_knows_weights_and_dtypes_but_no_names():
    def network(activation="relu", dtype="float32", name="a"):
        keras.utils.set_random_seed(0)
        image = keras.Input((4, 4, 3), name=f"image_{name}")
        policy = keras.DTypePolicy(dtype)
        x = keras.layers.Conv2D(2, 3, activation=activation, dtype=policy, name=name)(image)
        x = keras.layers.Dropout(0.5, name=f"dropout_{name}")(x, training=False)
        return keras.Model(image, keras.layers.Flatten(name=f"flat_{name}")(x))

    first = model_digest(network())
    assert first == model_digest(network(name="b"))
    assert first != model_digest(network(activation="gelu"))
    assert first != model_digest(network(dtype="mixed_bfloat16"))
    changed = network()
    kernel = changed.weights[0].numpy()
    kernel[0, 0, 0, 0] = np.nextafter(kernel[0, 0, 0, 0], 1, dtype="float32")
    changed.weights[0].assign(kernel)
    assert first != model_digest(changed)


# --- the cache ----------------------------------------------------------------------------------


def test_features_are_computed_once_and_found_in_another_run(parts, tmp_path):
    train, _ = parts
    first = _extraction(_model(), FeatureCache(tmp_path))
    features = first.run(train, augment="light", views=2)
    assert first.run(train, augment="light", views=3).computed == 1
    again = _extraction(_model(), FeatureCache(tmp_path)).run(train, augment="light", views=3)
    assert again.computed == 0
    for a, b in zip(features.views, again.views, strict=False):
        assert np.array_equal(a, b)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".npy"] * 3


def test_new_weights_in_the_same_model_are_new_features(parts):
    train, _ = parts
    model = _model()
    extraction = _extraction(model)
    before = extraction.run(train).views[0]
    network = features_model(model)
    network.weights[0].assign(network.weights[0].numpy() * 1.1)
    after = extraction.run(train)
    assert after.computed == 1 and not np.allclose(before, after.views[0])


def test_a_file_changed_while_features_are_computed_is_not_kept(copied, model, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    contents = read_contents(copied)

    def blocks():
        yield np.zeros((1, 2))
        shutil.copy(copied.paths[0], copied.paths[1])
        yield np.ones((1, 2))

    rows = cache.fill("0" * 64, (2, 2), blocks(), lambda: still_the_same(copied, contents))
    assert rows.tolist() == [[0, 0], [1, 1]]
    assert cache.get("0" * 64) is None and not list((tmp_path / "cache").iterdir())


def test_kept_features_that_the_model_does_not_confirm_are_computed_again(parts, tmp_path):
    train, _ = parts
    right = _extraction(_model(), FeatureCache(tmp_path)).run(train).views[0]
    (path,) = tmp_path.iterdir()
    np.save(path, right * 1.5)
    again = _extraction(_model(), FeatureCache(tmp_path)).run(train)
    assert again.computed == 1
    np.testing.assert_allclose(again.views[0], right, atol=1e-5)
    path.write_bytes(path.read_bytes()[:-4])
    assert _extraction(_model(), FeatureCache(tmp_path)).run(train).computed == 1


def test_a_disk_that_fails_costs_one_warning(parts, model, tmp_path):
    train, val = parts
    folder = tmp_path / "cache"
    cache = FeatureCache(folder)
    folder.rmdir()
    extraction = _extraction(model, cache)
    with pytest.warns(UserWarning, match="not cached on disk") as found:
        features = extraction.run(train)
        extraction.run(val)
    assert len([w for w in found if w.category is UserWarning]) == 1
    assert len(features.views[0]) == len(train)
    assert extraction.run(train).computed == 0
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        FeatureCache(tmp_path / "file")
