"""Augmentation in the pipeline: what one example becomes depends on (seed, epoch, index) alone."""

import importlib.util

import keras
import numpy as np
import pytest
from test_data_pipeline import collect, of_backend, run_python, write_folder

from tl_keras.data import PRESETS, from_folder, load_image
from tl_keras.data.augment.mixing import Mixing
from tl_keras.data.loading import BatchLoader
from tl_keras.errors import InputError


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return from_folder(write_folder(tmp_path_factory.mktemp("mixed") / "data"), progress=False)


def in_order(examples, dataset, seed, epochs):
    """Images and targets of shuffled epochs, back in the order of the table."""
    found = []
    for epoch in range(epochs):
        images, targets = collect(dataset)
        back = np.argsort(np.random.default_rng([seed, epoch]).permutation(len(examples)))
        found.append((images[back], targets[back]))
    return found


MIXED = ["light+mixup", "standard+cutmix", "strong+mixup+cutmix"]


@pytest.mark.parametrize("name", [*(name for name in PRESETS if name != "none"), *MIXED])
def test_both_pipelines_any_batch_size_any_order(examples, name):
    target = "one_hot" if "+" in name else "labels"
    options = {"augment": name, "seed": 3}
    loader = BatchLoader(examples, 16, "crop", 3, name, target=target)
    rows = np.arange(len(examples))
    expected = [loader(rows, epoch) for epoch in range(2)]
    assert not (expected[0][0] == expected[1][0]).all()
    tf_like = in_order(
        examples,
        of_backend(examples, shuffle=True, batch_size=5, target=target, **options), 3, 2,
    )  # fmt: skip
    keras_like = in_order(examples, keras_of(loader, examples, batch_size=3), 3, 2)
    for found in (tf_like, keras_like):
        for (images, targets), (wanted, wanted_targets) in zip(found, expected, strict=True):
            assert (images == wanted).all() and (targets == wanted_targets).all()


def keras_of(loader, examples, batch_size):
    from tl_keras.data.ordering import EpochOrder
    from tl_keras.data.py_batches import ImageBatches

    return ImageBatches(loader, EpochOrder(len(examples), batch_size, shuffle=True, seed=3))


def test_a_mixed_image_is_what_its_target_says(examples):
    plain = BatchLoader(examples, 16, "crop", 1, "light")  # both sides are augmented
    one_hot = np.eye(2)[examples.labels]
    loader = BatchLoader(examples, 16, "crop", 1, "light+mixup", target="one_hot")
    both = 0
    for epoch in range(5):
        images, _ = plain(np.arange(len(examples)), epoch)
        mixed, targets = loader(np.arange(len(examples)), epoch)
        assert targets.dtype == np.float32
        np.testing.assert_allclose(targets.sum(-1), 1, atol=1e-6)
        for index in range(len(examples)):
            partner, share, window = loader._mix(index, epoch)
            assert window is None
            blend = share * images[index] + (1 - share) * images[partner]
            assert np.abs(mixed[index] - blend).max() <= 0.51
            expected = share * one_hot[index] + (1 - share) * one_hot[partner]
            np.testing.assert_allclose(targets[index], expected, atol=1e-6)
            both += targets[index].min() > 0.01
    assert both > 3


def test_a_cut_image_shows_the_share_its_target_says(examples):
    """With one class black and the other white, the pixels are the target."""
    size, seen = 40, []
    black, white = np.zeros((size, size, 3), np.uint8), np.full((size, size, 3), 255, np.uint8)
    for seed in range(300):
        mix = Mixing(("cutmix",)).draw(np.random.default_rng(seed), 9, size)
        image = black.copy()
        mix.images(image, white)
        target = mix.targets(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
        assert target[1] == pytest.approx((image == 255).mean(), abs=1e-6)
        assert 0 <= mix.partner < 9
        seen.append(target[1])
    assert min(seen) < 0.05 and max(seen) > 0.6


def test_shares_and_partners_are_spread():
    draws = [Mixing(("mixup", "cutmix")).draw(np.random.default_rng(s), 5, 32) for s in range(400)]
    assert 140 < sum(mix.window is None for mix in draws) < 260
    assert np.bincount([mix.partner for mix in draws], minlength=5).min() > 50
    own = [mix.share for mix in draws if mix.window is None]
    assert min(own) >= 0.5 and 0.85 < np.mean(own) < 0.94  # of Beta(0.2, 0.2) the larger: 0.90


def test_partners_and_views_are_each_example_s_own(examples):
    loader = BatchLoader(examples, 16, "crop", 0, "light+mixup", target="one_hot")
    drawn = [loader._mix(index, 0) for index in range(len(examples))]
    assert len({mix.share for mix in drawn}) == len(examples)
    assert len({mix.partner for mix in drawn}) > len(examples) // 3
    assert loader._mix(0, 0) != loader._mix(0, 1)
    matrices = {loader.change(index, 0).matrix.tobytes() for index in range(len(examples))}
    assert len(matrices) == len(examples)


@pytest.mark.parametrize("name", ["standard", "light+cutmix"])
def test_an_example_drawn_twice_in_an_epoch_is_augmented_twice(examples, name):
    from tl_keras.data.balancing import balance_classes

    rare = examples.subset([0, 1, *np.flatnonzero(examples.labels == 1)])
    target = "one_hot" if "+" in name else "labels"
    loader = BatchLoader(rare, 16, "crop", 3, name, target=target)
    found = []
    for dataset in (
        of_backend(rare, shuffle=True, augment=name, seed=3, target=target),
        keras_of(loader, rare, batch_size=4),
    ):
        balance_classes(dataset, rare.labels, "balanced")
        images, targets = collect(dataset)
        assert len({image.tobytes() for image in images}) == len(rare)
        order = dataset.epoch_order.indices(0)
        assert order.max() >= len(rare)
        for index, image, row in zip(order.tolist(), images, targets, strict=True):
            assert (image == loader.load(index, 0)).all()
            assert (row == loader.targets_of(np.array([index]), 0)[0]).all()
        if target == "labels":
            assert (targets == rare.labels[order % len(rare)]).all()
        found.append(images)
    assert (found[0] == found[1]).all()


def test_a_tag_that_one_side_does_not_know_is_not_known():
    mix = Mixing(("mixup",)).draw(np.random.default_rng(0), 2, 8)._replace(share=0.75)
    mixed = mix.targets(np.array([1.0, -1.0, 0.0, 1.0]), np.array([0.0, 1.0, -1.0, 1.0]))
    assert mixed.dtype == np.float32 and mixed.tolist() == [0.75, -1, -1, 1]


def test_one_hot_without_mixing_and_what_cannot_be_mixed(examples):
    images, targets = collect(of_backend(examples, target="one_hot"))
    assert (targets == np.eye(2)[examples.labels]).all() and targets.dtype == np.float32
    assert (images[0] == load_image(examples.paths[0], 16)).all()
    with pytest.raises(InputError, match="target='one_hot'"):
        examples.dataset(augment="light+mixup")
    unlabelled = type(examples)(
        examples.paths, np.full(len(examples), -1), ("a", "b"), examples.digests, examples.splits
    )
    with pytest.raises(InputError, match="14 of 14 images bear no label"):
        unlabelled.dataset(target="one_hot")
    with pytest.raises(InputError, match="bring"):
        examples.dataset(augment="light+cutmix", target="tags")


def test_keras_trains_on_mixed_batches(examples):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten(),
         keras.layers.Dense(2, activation="softmax")]
    )  # fmt: skip
    model.compile("adam", keras.losses.CategoricalCrossentropy(), metrics=["accuracy"])
    history = model.fit(
        of_backend(examples, augment="light+mixup+cutmix", target="one_hot", shuffle=True),
        validation_data=of_backend(examples, target="one_hot"), epochs=2, verbose=0, shuffle=False,
    ).history  # fmt: skip
    assert np.isfinite(history["loss"]).all() and 0 <= history["val_accuracy"][-1] <= 1


def test_no_tensorflow_no_other_draws(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("needs JAX: python -m pip install jax")
    write_folder(tmp_path / "data")
    code = """
import sys, hashlib, numpy as np
from tl_keras.data import from_folder
batches = from_folder(sys.argv[1], progress=False).dataset(
    4, 16, shuffle=True, seed=1, augment="strong+cutmix", target="one_hot")
total = hashlib.sha256()
for images, targets in batches:
    total.update(np.asarray(images).tobytes() + np.asarray(targets).tobytes())
print(type(batches).__name__, "tensorflow" in sys.modules, total.hexdigest())
"""
    elsewhere = run_python(code, tmp_path / "data", KERAS_BACKEND="jax").split()
    import hashlib

    total = hashlib.sha256()
    here = from_folder(tmp_path / "data", progress=False)
    options = {"shuffle": True, "seed": 1, "augment": "strong+cutmix", "target": "one_hot"}
    for images, targets in of_backend(here, **options):
        total.update(np.asarray(images).tobytes() + np.asarray(targets).tobytes())
    assert elsewhere == ["ImageBatches", "False", total.hexdigest()]


def test_the_cache_comes_before_augmentation(examples, tmp_path):
    options = {"augment": "texture+cutmix", "target": "one_hot", "shuffle": True}
    plain = collect(of_backend(examples, **options))
    for _ in range(2):
        kept = collect(of_backend(examples, cache=tmp_path / "cache", **options))
        assert (kept[0] == plain[0]).all() and (kept[1] == plain[1]).all()
