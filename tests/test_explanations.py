"""Grad-CAM++, integrated gradients, occlusion: the formulas, the sanity test, the place."""

import keras
import numpy as np
import pytest
import tiny_backbone
from processes import finish, start

import tl_keras as tl
from tl_keras.backbones.registry import get_backbone
from tl_keras.builders.classifier import build_classifier, build_tagger
from tl_keras.builders.localizer import build_localizer
from tl_keras.data.sample_examples import sample_examples
from tl_keras.errors import InputError
from tl_keras.evaluation import (
    explain,
    explanation_sanity,
    grad_cam,
    grad_cam_plus_plus,
    integrated_gradients,
    occlusion,
    pixel_attributions,
)
from tl_keras.evaluation.explaining.class_head import class_head, cut_at_map
from tl_keras.evaluation.explaining.grad_cam import _on_image
from tl_keras.evaluation.explaining.methods import METHODS
from tl_keras.evaluation.explaining.sanity import rank_correlation

CATALOGUE = [name for name in tl.list_backbones() if name != tiny_backbone.NAME]
BASES = [pytest.param(name, marks=[pytest.mark.slow] * (name != "vgg16")) for name in CATALOGUE]
# Of a trained model's map inside the thing, than of that for another class, and upside down.
# Measured: 0.61, 0.44, 0.49; 0.61, 0.56, 0.50; 0.63, 0.61, 0.60.
MORE = {
    "grad_cam": (0.08, 0.04),
    "grad_cam_plus_plus": (0.03, 0.04),
    "integrated_gradients": (0.01, 0.02),
    "occlusion": (0.03, 0.02),
}
CLASSES = np.array([3, 0, 2])
SIZE = 128
SLOW = ("integrated_gradients", "occlusion")
TRAINED = [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in METHODS]


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return build_classifier(tiny_backbone.NAME, 4, image_size=64, weights=None)


def check_maps(maps, count, size):
    assert maps.dtype == np.float32 and maps.shape == (count, size, size)
    assert np.isfinite(maps).all() and maps.min() >= 0 and maps.max() <= 1
    assert all(heat.max() == 1 or not heat.any() for heat in maps)


@pytest.fixture(scope="module")
def trained():
    """A head in closed form on the bundled base, 82 % of 200 images right; and half of these."""
    examples = sample_examples()
    train, val = examples.part("train"), examples.part("val")
    model = build_classifier(
        "mobilenet_v3_small", len(train.class_names), image_size=SIZE, weights="bundled"
    )
    tl.fit(model, train, recipe="ridge", verbose=False)
    val = val.subset(range(0, len(val), 2))
    pictures = np.stack([tl.data.load_image(path, SIZE) for path in val.paths])
    return model, pictures, val


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("build", [build_classifier, build_tagger, build_localizer])
def test_every_class_head(build, method, images):
    keras.utils.set_random_seed(2)
    model = build(tiny_backbone.NAME, 4, image_size=64, weights=None)
    maps = explain(model, images.astype("uint8"), CLASSES, method)
    check_maps(maps, 3, 64)
    assert maps.any(axis=(1, 2)).all()
    assert explain(model, images[:0].astype("uint8"), CLASSES[:0], method).shape == (0, 64, 64)


def carry_signal(model, images):
    """Statistics of some images for a base's norms: through new ones a signal fades to nothing."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable, layer.momentum = True, 0.0
        elif isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0  # whole branches of some bases: other values than the norms will see
    # Of six images, some channels have hardly any variance, and rounding grows from norm to norm.
    more = np.random.default_rng(2).uniform(0, 255, (30, *images.shape[1:]))
    model(np.concatenate([images, more]), training=True)


@pytest.mark.parametrize("backbone", BASES)
def test_every_base(backbone):
    """At the smallest size it takes; random weights, so the place says nothing."""
    keras.utils.set_random_seed(3)
    size = get_backbone(backbone).minimum_size
    model = build_classifier(backbone, 16, image_size=size, weights=None)
    images = np.random.default_rng(1).uniform(0, 255, (2, size, size, 3))
    carry_signal(model, images)
    # The mean of Grad-CAM's map before its ReLU is the logit: of 16 the highest is above 0.
    answers = model.predict_on_batch(images).argmax(axis=1)
    for method, (find, _) in METHODS.items():
        few = {"steps": 2} if method == "integrated_gradients" else {}
        few = {"patch": size // 2, "stride": size // 2} if method == "occlusion" else few
        maps = find(model, images, answers, **few)
        check_maps(maps, 2, size)
        if method != "occlusion":  # covering any quarter may make a random model surer
            assert maps.any(axis=(1, 2)).all(), method
    keras.utils.clear_session()


@pytest.mark.parametrize("method", TRAINED)
def test_a_trained_model_looks_at_the_thing(trained, method):
    model, pictures, val = trained
    if method in SLOW:
        pictures, val = pictures[::3], val.subset(range(0, len(val), 3))
    found = explain(model, pictures, val.labels, method)
    inside, areas = shares(found, val)
    other = explain(model, pictures, (val.labels + 1) % len(val.class_names), method)
    elsewhere, upside_down, aside = (
        shares(wrong, val)[0]
        for wrong in (other, found[:, ::-1], np.roll(found, SIZE // 2, axis=(1, 2)))
    )
    told = (method, inside, areas, elsewhere, upside_down, aside)
    assert inside > areas + 0.08, told
    assert inside > elsewhere + MORE[method][0], told
    assert inside > upside_down + MORE[method][1], told
    assert inside > aside + 0.08, told


@pytest.mark.parametrize("method", TRAINED)
def test_maps_do_not_stay_when_weights_are_shuffled(trained, method):
    """The same weights, the same map; other weights, another one (Adebayo et al. 2018)."""
    model, pictures, val = trained
    some, labels = pictures[:8], val.labels[:8]
    kept = model.get_weights()
    before = explain(model, some, labels, method)
    looked_at = ("head", "stem") if method in SLOW else None
    after = explanation_sanity(model, some, labels, method, after=looked_at)
    for one, other in zip(kept, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(explain(model, some, labels, method), before, atol=1e-5)
    stages = ["stage5", "stage4", "stage3", "stage2"]
    assert list(after) == ["head", *([] if method in SLOW else stages), "stem"]
    if method == "grad_cam_plus_plus":  # weights are never below zero: classes share much of a map
        assert after.pop("head") < 0.8  # measured: 0.69
    assert max(after.values()) < 0.5  # measured of Grad-CAM: -0.64 (head) to 0.32 (stage3)


def test_grad_cam_plus_plus_by_its_formula(images):
    """Equation 19 of Chattopadhay et al., with the derivatives of exp(score) written out."""
    keras.utils.set_random_seed(4)
    model = build_classifier(tiny_backbone.NAME, 4, image_size=64, weights=None)
    found = grad_cam_plus_plus(model, images, CLASSES)
    cut = cut_at_map(model)
    values = np.maximum(np.asarray(cut.front(images, training=False), "float64"), 0)
    signed = np.asarray(cut.front(images, training=False), "float64")
    kernel = np.asarray(cut.head.dense.kernel, "float64")
    cells = values.shape[1] * values.shape[2]
    for n, label in enumerate(CLASSES):
        slope = np.broadcast_to(kernel[:, label] / cells, values.shape[1:])
        score = (signed[n].mean(axis=(0, 1)) * kernel[:, label]).sum()
        first, second, third = (np.exp(score) * slope**power for power in (1, 2, 3))
        alpha = second / (2 * second + values[n].sum(axis=(0, 1)) * third)
        weights = (alpha * np.maximum(first, 0)).sum(axis=(0, 1))
        expected = np.maximum((weights * signed[n]).sum(axis=-1), 0).astype("float32")
        heat = _on_image(expected, 64, cut.centre, cut.stride)
        np.testing.assert_allclose(found[n], heat / heat.max(), atol=1e-4)
    assert np.abs(found - grad_cam(model, images, CLASSES)).max() > 0.1  # not the same thing


@pytest.mark.parametrize("baseline", [0.0, (124.0, 117.0, 104.0)])
def test_attributions_sum_to_the_difference_of_the_scores(model, images, baseline):
    found = pixel_attributions(model, images, CLASSES, steps=48, baseline=baseline)
    head = class_head(model)
    plain = np.broadcast_to(np.array(baseline, "float32"), images.shape)
    rise = head.scores(images, CLASSES) - head.scores(np.array(plain), CLASSES)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), rise, atol=0.02 * np.abs(rise).max())
    coarse = pixel_attributions(model, images, CLASSES, steps=2, baseline=baseline)
    gaps = [np.abs(some.sum(axis=(1, 2, 3)) - rise).max() for some in (found, coarse)]
    assert gaps[0] < gaps[1] / 3


def test_attributions_where_the_image_is_the_plain_one(model, images):
    half = images.copy()
    half[:, :32] = 90
    found = pixel_attributions(model, half, CLASSES, steps=4, baseline=90)
    assert not found[:, :32].any() and found[:, 32:].any()
    maps = integrated_gradients(model, half, CLASSES, steps=4, baseline=90)
    sums = np.maximum(found.sum(axis=-1), 0)
    assert ((maps > 0) == (sums > 0)).all()
    assert 0.005 < (maps == 1).mean() < 0.015  # the brightest hundredth


def test_a_linear_model_is_attributed_its_weights(images):
    """There the slopes are the weights whatever the steps: attribution is weight times value."""
    image = keras.Input((64, 64, 3), name="image")
    vector = keras.layers.Flatten()(image)
    keras.utils.set_random_seed(5)
    model = keras.Model(image, keras.layers.Dense(4, name="predictions")(vector))
    kernel = np.asarray(model.get_layer("predictions").kernel)
    found = pixel_attributions(model, images, CLASSES, steps=1)
    for n, label in enumerate(CLASSES):
        expected = kernel[:, label].reshape(64, 64, 3) * images[n]
        np.testing.assert_allclose(found[n], expected, rtol=1e-4, atol=1e-5)


def test_occlusion_patch_by_patch(model, images):
    """Against a plain loop; 24 does not divide the image, so the last patches overlap."""
    found = occlusion(model, images[:1], CLASSES[:1], patch=24, stride=20, fill=7)
    head = class_head(model)
    whole = head.scores(images[:1], CLASSES[:1])
    falls, counts = np.zeros((64, 64)), np.zeros((64, 64))
    for y in (0, 20, 40):
        for x in (0, 20, 40):
            covered = images[:1].copy()
            covered[0, y : y + 24, x : x + 24] = 7
            falls[y : y + 24, x : x + 24] += whole - head.scores(covered, CLASSES[:1])
            counts[y : y + 24, x : x + 24] += 1
    assert counts.min() == 1
    expected = np.maximum(falls / counts, 0)
    np.testing.assert_allclose(found[0], expected / expected.max(), atol=1e-4)


def test_occlusion_finds_the_corner_that_a_model_reads():
    """A score that is the brightness of one corner falls where that corner is covered only."""
    image = keras.Input((32, 32, 3), name="image")
    corner = keras.layers.Cropping2D(((24, 0), (0, 24)))(image)
    vector = keras.layers.GlobalAveragePooling2D()(corner)
    head = keras.layers.Dense(2, kernel_initializer="ones", name="predictions")
    model = keras.Model(image, head(vector))
    shown = np.full((1, 32, 32, 3), 60.0)
    shown[:, 24:, :8] = 200
    heat = occlusion(model, shown, [1], patch=8)[0]
    assert heat[24:, :8].min() > 0 and heat[28:, :4].min() == 1
    assert not heat[:20].any() and not heat[:, 12:].any()


@pytest.mark.parametrize(
    ("find", "options", "words"),
    [
        (integrated_gradients, {"steps": 0}, "steps=0 is no whole number of 1 or more"),
        (integrated_gradients, {"baseline": np.zeros((2, 2))}, "no image of the model; give a num"),
        (integrated_gradients, {"baseline": "black"}, "baseline .* is no image of the model"),
        (occlusion, {"patch": 65}, "patch=65 does not fit; give 1 to 64 px"),
        (occlusion, {"patch": 8, "stride": 9}, "stride=9 does not fit; give 1 to 8 px"),
        (occlusion, {"patch": 8.0}, "patch=8.0 is no whole number"),
        (explanation_sanity, {"after": ("top",)}, "names no parts; give some of head, stage5"),
        (explain, {"method": "lime"}, "'lime' is unknown; give one of grad_cam, grad_cam_plus"),
    ],
)
def test_what_does_not_fit_is_refused(model, images, find, options, words):
    with pytest.raises(InputError, match=words):
        find(model, images, CLASSES, **options)


def test_rank_correlation():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 5, 300)
    scipy = pytest.importorskip("scipy.stats")
    for other in (rng.integers(0, 9, 300), one**3, -one):
        expected = scipy.spearmanr(one, other).statistic
        assert rank_correlation(one, other) == pytest.approx(expected, abs=1e-9)
    assert rank_correlation(one, np.ones(300)) == 0


JAX = """
import keras, numpy as np
assert keras.backend.backend() == "jax"
from tl_keras.evaluation import explain
from tl_keras.evaluation.explaining.methods import METHODS
model, images = keras.saving.load_model("model.keras"), np.load("images.npy")
np.savez("found.npz", **{name: explain(model, images, [3, 0, 2], name) for name in METHODS})
"""


@pytest.mark.slow
def test_on_jax_they_say_the_same(model, images, tmp_path):
    pytest.importorskip("jax")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "run.py").write_text(JAX)
    finish([start("run.py", cwd=tmp_path, KERAS_BACKEND="jax")])
    found = np.load(tmp_path / "found.npz")
    for method in METHODS:
        expected = explain(model, images, CLASSES, method)
        np.testing.assert_allclose(found[method], expected, atol=1e-3, err_msg=method)


def shares(maps, examples):
    """Of heat inside the boxes of the image's class, and of their area; means over the images."""
    heat, area = [], []
    for map_, boxes, label, size in zip(
        maps, examples.boxes, examples.labels, examples.sizes, strict=True
    ):
        inside = np.zeros(map_.shape, bool)
        for x1, y1, x2, y2 in boxes.xyxy[boxes.classes == label] * SIZE / np.array(size)[0]:
            inside[round(y1) : round(y2), round(x1) : round(x2)] = True
        if map_.any() and inside.any():
            heat.append(map_[inside].sum() / map_.sum())
            area.append(inside.mean())
    assert len(heat) > 0.9 * len(maps)
    return np.mean(heat), np.mean(area)
