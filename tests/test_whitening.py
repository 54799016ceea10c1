"""Projections in closed form: what they even out, what classes never seen gain, and in a run."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import tl_keras as tl
from tl_keras.data.sample_examples import sample_examples
from tl_keras.errors import InputError
from tl_keras.training.whitening import learned_whitening, share_within


def faces(people, images, dimension, seed):
    """What differs between people lies in half of the directions; light, far stronger, in two."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(dimension, dimension))
    labels = np.repeat(np.arange(people), images)
    x = rng.normal(size=(people, dimension))[labels] * (np.arange(dimension) % 2)
    x += 0.3 * rng.normal(size=x.shape)
    x[:, :2] += 8 * rng.normal(size=(len(x), 2))
    return (x @ mixing + 5).astype("float32"), labels


def told_apart(x, labels):
    """The share of nearest neighbours that show the same person."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = x @ x.T - 2 * np.eye(len(x))
    return (labels[cosines.argmax(1)] == labels).mean()


def test_classes_vary_alike_in_all_directions():
    x, labels = faces(40, 30, 8, seed=0)
    kernel, bias = learned_whitening(x, labels, 8, 1e-9)
    vectors = x @ kernel + bias
    np.testing.assert_allclose(vectors.mean(0), 0, atol=1e-3)
    means = np.stack([vectors[labels == one].mean(0) for one in range(40)])
    within = vectors - means[labels]
    np.testing.assert_allclose(within.T @ within / len(x), np.eye(8), atol=2e-3)
    # The widest come first, and are those of fewer dimensions.
    spread = vectors.std(0)
    assert (np.diff(spread) <= 1e-4).all() and spread[0] > 2 * spread[-1]
    np.testing.assert_allclose(learned_whitening(x, labels, 3, 1e-9)[0], kernel[:, :3], rtol=1e-3)


def test_people_never_seen_are_told_apart():
    kernel, bias = learned_whitening(*faces(20, 10, 16, seed=1), 16, 0.01)
    x, labels = faces(20, 10, 16, seed=2)
    assert told_apart(x, labels) < 0.35
    assert told_apart(x @ kernel + bias, labels) > 0.96
    assert share_within(x @ kernel + bias, labels) < 0.5 * share_within(x, labels)
    # Who is who must be right for that.
    mixed = np.random.default_rng(0).permutation(np.repeat(np.arange(20), 10))
    kernel, bias = learned_whitening(faces(20, 10, 16, seed=1)[0], mixed, 16, 0.01)
    assert told_apart(x @ kernel + bias, labels) < 0.93


def test_few_images_have_few_directions_and_the_rest_is_zero():
    x, labels = faces(3, 2, 16, seed=0)
    kernel, bias = learned_whitening(x, labels, 12)
    assert kernel.shape == (16, 12) and bias.shape == (12,)
    assert np.abs(kernel[:, :5]).max(0).min() > 0 and not kernel[:, 5:].any()
    assert np.isfinite(kernel).all() and np.isfinite(bias).all()


def test_what_cannot_be_whitened_is_said():
    x, labels = faces(4, 3, 6, seed=0)
    for arguments, said in (
        ((x, np.zeros(12, int), 4), "12 images of 1 classes"),
        ((x, np.arange(12), 4), "two images that differ"),
        ((np.zeros_like(x), labels, 4), "two images that differ"),
        ((np.full_like(x, np.nan), labels, 4), "finite features"),
        ((x, labels[:5], 4), "finite features"),
    ):
        with pytest.raises(InputError, match=said):
            learned_whitening(*arguments)


@pytest.fixture(scope="module")
def apart():
    """Training images of five classes, and others of three."""
    examples = sample_examples()
    sides = []
    for chosen in (range(5), range(5, 8)):
        rows = np.flatnonzero(np.isin(examples.labels, chosen))[:60]
        side = examples.subset(rows)
        names = tuple(examples.class_names[number] for number in chosen)
        sides.append(replace(side, labels=side.labels - chosen[0], class_names=names))
    return sides


def embedder(**options):
    keras.utils.set_random_seed(0)
    given = {"image_size": 64, "weights": "bundled", "stride": 16, **options}
    return tl.build_embedder("mobilenet_v3_small", 48, **given)


def test_a_run_computes_the_projection(apart, tmp_path):
    stages = [
        tl.Stage("whitening", epochs=1, solver="whitening", augment="light", views=2),
        tl.Stage("top", epochs=1, unfreeze=1, learning_rate=1e-5),
    ]
    run = tl.fit(embedder(), *apart, recipe=stages[:1], verbose=False)
    projection = run.model.get_layer("projection")
    kernel = np.asarray(projection.kernel)
    assert [row["stage"] for row in run.history] == ["whitening"]
    reached = run.history[0]["val_mean_average_precision"]
    assert run.metrics["retrieval"]["mean_average_precision"]["value"] == pytest.approx(reached)
    assert 0 < run.history[0]["loss"] < 1
    saved = tl.load(run.save(tmp_path / "run"))
    paths = apart[1].paths[:3]
    vectors = [answer.vector for answer in saved.predict(paths)]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert (saved.task.name, saved.settings) == ("embed", run.settings)
    # A stage behind it trains on from there.
    run = tl.fit(embedder(), *apart, recipe=stages, verbose=False)
    assert [row["stage"] for row in run.history] == ["whitening", "top"]
    assert np.abs(np.asarray(run.model.get_layer("projection").kernel) - kernel).max() < 0.1


def test_a_map_before_the_last_is_pooled():
    model = embedder()
    base = tl.backbones.find_backbone(model)
    assert base.output_shape[1] == 4 and model.output_shape == (None, 48)
    assert tl.unfreeze(model, 1) == ["stage4"]
    assert not embedder().trainable_weights[2:]
    with pytest.raises(InputError, match="no feature map of stride 64; give of"):
        embedder(stride=64)


def test_solvers_are_for_their_tasks(apart):
    ridge = [tl.Stage("head", 1, solver="ridge")]
    with pytest.raises(InputError, match="'ridge' is not for --task embed"):
        tl.fit(embedder(), *apart, recipe=ridge, verbose=False)
    model = tl.build_classifier("mobilenet_v3_small", 5, image_size=64, weights="bundled")
    with pytest.raises(InputError, match="'whitening' is not for --task classify"):
        tl.fit(model, apart[0], recipe="whitening", verbose=False)
    with pytest.raises(InputError, match="loss would have no effect"):
        tl.fit(embedder(), *apart, recipe="whitening", loss="triplet", verbose=False)
    with pytest.raises(InputError, match="epochs=1"):
        tl.Stage("whitening", 2, solver="whitening")
    with pytest.raises(InputError, match="this embedder is without"):
        bare = tl.build_embedder(
            "mobilenet_v3_small", None, image_size=64, weights="bundled", stride=16
        )
        tl.fit(bare, *apart, recipe="whitening", verbose=False)
