"""Losses of embeddings: by hand, against numpy, at extremes, on both backends; what they learn."""

from pathlib import Path

import keras
import numpy as np
import pytest
from processes import finish, start
from tiny_backbone import NAME

from tl_keras.builders.class_cosines import ClassCosines, margin_head
from tl_keras.builders.classifier import features_model, head_model
from tl_keras.builders.embedder import build_embedder, embedder_of
from tl_keras.builders.unit_vectors import unit_vectors
from tl_keras.errors import InputError
from tl_keras.tasks.embedding_objective import EMBEDDING_LOSSES

RNG = np.random.default_rng(0)
LABELS = np.array([0, 0, 0, 2, 2, 3, 3, 1])  # of 5 classes; one image alone, one class absent
COSINES = RNG.uniform(-0.95, 0.95, (8, 5)).astype("float32")
VECTORS = RNG.normal(size=(8, 6)).astype("float32")


def log_sum(values):
    return np.log(np.sum(np.exp(np.asarray(values, "float64"))))


def arcface(cosines, m, s):
    losses = []
    for row, label in zip(cosines.astype("float64"), LABELS, strict=True):
        logits = s * row
        logits[label] = s * np.cos(np.arccos(row[label]) + m)
        losses.append(log_sum(logits) - logits[label])
    return np.mean(losses)


def cosface(cosines, m, s):
    losses = []
    for row, label in zip(cosines.astype("float64"), LABELS, strict=True):
        logits = s * row
        logits[label] -= s * m
        losses.append(log_sum(logits) - logits[label])
    return np.mean(losses)


def proxy_anchor(cosines, delta, alpha):
    pull, push = [], []
    for k in range(cosines.shape[1]):
        mine = np.equal(LABELS, k)
        own, rest = cosines[mine, k], cosines[~mine, k]
        if len(own):
            pull.append(np.log1p(np.exp(-alpha * (own.astype("float64") - delta)).sum()))
        push.append(np.log1p(np.exp(alpha * (rest.astype("float64") + delta)).sum()))
    return np.mean(pull) + np.mean(push)


def unit(vectors):
    vectors = np.asarray(vectors, "float64")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def triplet(vectors, margin):
    distance = ((unit(vectors)[:, None] - unit(vectors)[None]) ** 2).sum(-1)
    gaps = []
    for a in range(len(LABELS)):
        negatives = distance[a, ~np.equal(LABELS, LABELS[a])]
        for p in range(len(LABELS)):
            if p != a and LABELS[p] == LABELS[a]:
                beyond = negatives[negatives > distance[a, p]]
                chosen = beyond.min() if len(beyond) else negatives.max()
                gaps.append(max(0, distance[a, p] - chosen + margin))
    return np.mean(gaps)


def contrastive(vectors, temperature):
    logits = unit(vectors) @ unit(vectors).T / temperature
    losses = []
    for i in range(len(LABELS)):
        alike = [p for p in range(len(LABELS)) if p != i and LABELS[p] == LABELS[i]]
        if alike:
            others = log_sum(np.delete(logits[i], i))
            losses.append(np.mean([others - logits[i, p] for p in alike]))
    return np.mean(losses)


@pytest.mark.parametrize(
    ("name", "reference", "settings"),
    [
        ("arcface", arcface, {"margin": 0.3, "scale": 4}),
        ("cosface", cosface, {"margin": 0.35, "scale": 64}),
        ("proxy_anchor", proxy_anchor, {"margin": 0.1, "scale": 32}),
        ("proxy_anchor", proxy_anchor, {"margin": 0.3, "scale": 2}),
        ("triplet", triplet, {"margin": 0.2}),
        ("triplet", triplet, {"margin": 1.5}),
        ("supervised_contrastive", contrastive, {"temperature": 0.1}),
        ("supervised_contrastive", contrastive, {"temperature": 0.7}),
    ],
)
def test_losses_are_the_formulas(name, reference, settings):
    loss = EMBEDDING_LOSSES[name](**settings)
    given = COSINES if loss.of_cosines else VECTORS
    if name == "arcface":
        assert (np.arccos(given[np.arange(8), LABELS]) + 0.3 < np.pi).all()
    expected = reference(given, *settings.values())
    assert expected > 0
    for labels in (LABELS, LABELS[:, None], LABELS.astype("float32")):
        assert float(loss(labels, given)) == pytest.approx(expected, rel=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(LABELS, given)) == float(loss(LABELS, given))


def test_margins_by_hand():
    # An angle of 60 degrees to the true class counts as one of 90; the others stay.
    loss = EMBEDDING_LOSSES["arcface"](margin=np.pi / 6, scale=2)
    assert float(loss([1], [[0.5, 0.5]])) == pytest.approx(np.log(1 + np.exp(2 * 0.5)), rel=1e-5)
    # Beyond 180 degrees less a margin: cos - m sin m, and no jump up where the two meet.
    opposite = float(loss([0], [[-1.0, 0.0]]))
    assert opposite == pytest.approx(np.log(1 + np.exp(2 * (1 + np.pi / 12))), rel=1e-5)
    falling = [float(loss([0], [[c, 0.0]])) for c in np.linspace(-1, 1, 41)]
    assert (np.diff(falling) < 0).all()
    loss = EMBEDDING_LOSSES["cosface"](margin=0.25, scale=4)
    assert float(loss([0], [[0.75, 0.5]])) == pytest.approx(np.log(2), rel=1e-5)


def test_triplets_by_hand():
    """On a circle: anchor at 0, its pair at 90 degrees (distance 2), others at 60 and 120."""
    at = np.deg2rad([0, 90, 60, 120])
    vectors = np.stack([np.cos(at), np.sin(at)], -1)
    loss = EMBEDDING_LOSSES["triplet"](margin=1.5, reduction="none")
    found = np.asarray(loss([0, 0, 1, 2], vectors)) / 4 * 2  # undo the mean over 2 pairs of 4
    # From 0: 120 degrees is the next one beyond (distance 3), 60 is nearer than the pair.
    # From 90: both others are 30 degrees away, so none is beyond; the farthest, 2 - sqrt 3.
    expected = [2 - 3 + 1.5, 2 - (2 - np.sqrt(3)) + 1.5, 0, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def gradient(loss, labels, given):
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients on JAX are those of the program at the end")
    given = tf.Variable(given)
    with tf.GradientTape() as tape:
        value = loss(labels, given)
    return float(value), np.asarray(tape.gradient(value, given))


@pytest.mark.parametrize("name", EMBEDDING_LOSSES)
def test_gradients_are_the_slopes(name):
    loss = EMBEDDING_LOSSES[name](**({"scale": 3.0} if EMBEDDING_LOSSES[name].of_cosines else {}))
    given = COSINES if loss.of_cosines else VECTORS
    _, slopes = gradient(loss, LABELS, given)
    for place in [(0, 0), (3, 2), (7, 1), (5, 4)]:
        moved = np.stack([given, given]).astype("float64")
        moved[0][place] += 1e-2
        moved[1][place] -= 1e-2
        change = float(loss(LABELS, moved[0])) - float(loss(LABELS, moved[1]))
        assert slopes[place] == pytest.approx(change / 2e-2, abs=3e-3)


@pytest.mark.parametrize("name", EMBEDDING_LOSSES)
def test_extremes_are_finite(name):
    """Exactly alike, opposite, zero, rounded over 1; no pair, one class, one image."""
    loss = EMBEDDING_LOSSES[name]()
    one = np.float32(1.0000002)
    if loss.of_cosines:
        cases = [np.full((4, 5), value, "float32") for value in (-one, -1, 0, 1, one)]
        cases.append(np.eye(4, 5, dtype="float32"))
    else:
        cases = [np.full((4, 6), value, "float32") for value in (0, 1, 1e-25, 1e15)]
        cases += [np.eye(4, 6, dtype="float32"), np.float32([[1] * 6, [-1] * 6] * 2)]
    for given in cases:
        for labels in ([0, 0, 1, 1], [0, 1, 2, 3], [2, 2, 2, 2]):
            value, slopes = gradient(loss, np.array(labels), given)
            assert np.isfinite(value), (given, labels)
            assert value >= -1e-5
            assert np.isfinite(slopes).all(), (given, labels)
        assert np.isfinite(gradient(loss, np.array([1]), given[:1])[1]).all()
    if not loss.of_cosines:
        assert float(loss(np.array([0, 1, 2, 3]), cases[4])) == 0


def test_unit_vectors_and_their_slopes():
    given = RNG.normal(size=(20, 5)) * 10.0 ** RNG.integers(-16, 15, (20, 1))
    np.testing.assert_allclose(
        unit_vectors(given.astype("float32")), unit(given), rtol=1e-5, atol=1e-6
    )
    for size, slope in (
        (0, [0, 0, 0]),
        (1e-25, [0, 0, 0]),
        (1e-17, [1e17, 0, 0]),
        (1e17, [1e-17, 0, 0]),
    ):
        # Along the vector nothing changes; across it, by the angle.
        given = np.float32([[0, size, 0]])
        _, slopes = gradient(lambda _, x: unit_vectors(x)[0, 0], None, given)
        np.testing.assert_allclose(slopes, [slope], rtol=1e-5)


def test_class_cosines_are_cosines():
    layer = ClassCosines(3)
    found = np.asarray(layer(VECTORS))
    np.testing.assert_allclose(found, unit(VECTORS) @ unit(layer.proxies.numpy().T).T, atol=1e-6)
    with pytest.raises(InputError, match="classes=1"):
        ClassCosines(1)


def halves_and_colours(count, seed):
    """Four kinds of pictures that differ by colour and place."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    images = rng.integers(0, 60, (count, 64, 64, 3))
    for image, label in zip(images, labels, strict=True):
        top = 0 if label < 2 else 32
        image[top : top + 32, :, label % 2] += 180
    return images.astype("uint8"), labels


@pytest.mark.parametrize("name", EMBEDDING_LOSSES)
def test_training_brings_classes_together(name):
    """Through ``fit``, on features computed once; the embedder comes out of what was trained."""
    keras.utils.set_random_seed(0)
    images, labels = halves_and_colours(48, 0)
    embedder = build_embedder(NAME, 8, image_size=64, weights=None)
    loss = EMBEDDING_LOSSES[name]()
    model = margin_head(embedder, 4) if loss.of_cosines else embedder
    features, head = features_model(embedder).predict(images, verbose=0), head_model(model)
    head.compile(keras.optimizers.Adam(0.02), loss)

    def gap():
        vectors = embedder.predict(images, verbose=0, batch_size=48)
        cosines, same = vectors @ vectors.T, labels[:, None] == labels
        return cosines[same].mean() - cosines[~same].mean()

    before = gap()
    history = head.fit(features, labels, batch_size=16, epochs=40, verbose=0, shuffle=False)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert gap() > before + 0.3
    taken = embedder_of(model)
    np.testing.assert_array_equal(
        taken.predict(images[:4], verbose=0), embedder.predict(images[:4], verbose=0)
    )
    assert "class_cosines" not in [layer.name for layer in taken.layers]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("arcface", {"margin": 0}, "margin=0 cannot"),
        ("arcface", {"margin": 28.6}, "radians"),
        ("cosface", {"scale": -1}, "scale=-1"),
        ("proxy_anchor", {"scale": float("inf")}, "scale=inf"),
        ("triplet", {"margin": True}, "margin=True"),
        ("supervised_contrastive", {"temperature": "0.1"}, "temperature='0.1'"),
    ],
)
def test_settings_that_make_no_loss_are_refused(name, settings, message):
    with pytest.raises(InputError, match=message):
        EMBEDDING_LOSSES[name](**settings)


def test_a_head_needs_an_embedder():
    image = keras.Input((8, 8, 3))
    with pytest.raises(InputError, match="no embedder"):
        margin_head(keras.Model(image, keras.layers.Flatten()(image)), 3)
    with pytest.raises(InputError, match="num_classes=1"):
        margin_head(build_embedder(NAME, 8, image_size=64, weights=None), 1)


ON_JAX = """
import sys
import keras, numpy as np, jax
sys.path.insert(0, {tests!r})
from tiny_backbone import NAME
from tl_keras.builders.embedder import build_embedder, embedder_of
from tl_keras.builders.class_cosines import margin_head
from tl_keras.tasks.embedding_objective import EMBEDDING_LOSSES
assert keras.backend.backend() == "jax"
data = np.load("given.npz")
values = {{}}
for name, kind in EMBEDDING_LOSSES.items():
    loss = kind()
    given = data["cosines" if loss.of_cosines else "vectors"]
    both = jax.jit(jax.value_and_grad(lambda x: loss(data["labels"], x)))
    values[name] = np.asarray(both(given)[0])
    for edge in (given, np.zeros_like(given), np.ones_like(given), -np.ones_like(given)):
        assert np.isfinite(np.asarray(both(edge)[1])).all(), name
np.savez("values.npz", **values)
images = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3)).astype("uint8")
embedder = build_embedder(NAME, 8, image_size=64, weights=None, pooling="gem")
model = margin_head(embedder, 5)
model.compile("adam", EMBEDDING_LOSSES["arcface"](scale=8))
before = embedder.predict(images, verbose=0)
assert np.isfinite(model.fit(images, data["labels"], verbose=0).history["loss"]).all()
after = embedder.predict(images, verbose=0)
assert np.abs(after - before).max() > 1e-4
model.save("margin.keras")
again = embedder_of(keras.models.load_model("margin.keras"))
np.testing.assert_allclose(again.predict(images, verbose=0), after, atol=1e-6)
"""


@pytest.mark.slow
def test_the_same_on_jax(tmp_path):
    np.savez(tmp_path / "given.npz", labels=LABELS, cosines=COSINES, vectors=VECTORS)
    (tmp_path / "train.py").write_text(ON_JAX.format(tests=str(Path(__file__).parent)))
    finish([start("train.py", cwd=tmp_path, KERAS_BACKEND="jax")])
    values = np.load(tmp_path / "values.npz")
    for name, kind in EMBEDDING_LOSSES.items():
        loss = kind()
        here = loss(LABELS, COSINES if loss.of_cosines else VECTORS)
        np.testing.assert_allclose(values[name], here, rtol=1e-5)
