"""The localizer: what it returns, what it learns, its loss by hand, and that it needs nobody."""

import keras
import numpy as np
import pytest
from processes import finish, start
from tiny_backbone import NAME

from tl_keras.backbones.freezing import trainable_stages
from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import stage_map
from tl_keras.builders.box_geometry import box_overlap, pairwise_iou
from tl_keras.builders.localizer import build_localizer
from tl_keras.callbacks.staged_unfreezing import StagedUnfreezing
from tl_keras.data.samples import SAMPLE_CLASSES, generate_sample
from tl_keras.errors import InputError
from tl_keras.evaluation.box_metrics import box_iou, evaluate_localization
from tl_keras.tasks.localization_objective import (
    AccuracyAtIoU,
    BoxIoU,
    ClassAccuracy,
    LocalizationLoss,
)

SIZE = 128


def samples(numbers):
    """Images, and a row per image: box, class, flag."""
    made = [generate_sample(number, 0, SIZE) for number in numbers]
    rows = [[*sample.boxes[0], sample.label, 1] for sample in made]
    return np.stack([sample.image for sample in made]), np.array(rows, "float32")


def small(classes=3, **options):
    keras.utils.set_random_seed(0)
    return build_localizer(NAME, classes, **{"image_size": 64, "weights": None, **options})


def head_on_features(model):
    """The base, and what stands on it, which trains far quicker on features kept."""
    maps = [model.get_layer(f"lateral_{stride}").input for stride in (8, 16, 32)]
    return keras.Model(model.input, maps), keras.Model(maps, model.output)


def random_boxes(seed, count=200):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 50, (count, 2))
    return np.concatenate([low, low + rng.uniform(1, 50, (count, 2))], -1).astype("float32")


def test_overlaps_by_hand():
    box = [0.0, 0, 2, 2]
    for other, iou, giou, ciou in (
        ([0.0, 0, 2, 2], 1, 1, 1),
        ([1.0, 0, 3, 2], 1 / 3, 1 / 3, 1 / 3 - 1 / 13),  # centres 1 apart, hull 3 by 2
        ([4.0, 0, 6, 2], 0, -1 / 3, -16 / 40),
        # Same centre, half as wide: the angles are atan 1 and atan 1/2.
        ([0.5, 0, 1.5, 2], 0.5, 0.5, None),
    ):
        assert float(box_overlap(box, other, "iou")) == pytest.approx(iou)
        assert float(box_overlap(box, other, "giou")) == pytest.approx(giou)
        if ciou is not None:
            assert float(box_overlap(box, other, "ciou")) == pytest.approx(ciou)
    v = 4 / np.pi**2 * (np.arctan(1) - np.arctan(0.5)) ** 2
    assert float(box_overlap(box, [0.5, 0, 1.5, 2], "ciou")) == pytest.approx(
        0.5 - v * v / (0.5 + v), rel=1e-5
    )


def test_overlaps_are_those_of_numpy_and_within_bounds():
    first, second = random_boxes(0), random_boxes(1)
    np.testing.assert_allclose(box_overlap(first, second, "iou"), box_iou(first, second), atol=1e-5)
    np.testing.assert_allclose(
        pairwise_iou(first, second), box_iou(first[:, None], second[None]), atol=1e-5
    )
    iou = np.asarray(box_overlap(first, second, "iou"))
    for kind in ("giou", "ciou"):
        values = np.asarray(box_overlap(first, second, kind))
        assert (values <= iou + 1e-5).all()
        np.testing.assert_allclose(values, box_overlap(second, first, kind), atol=1e-5)


def test_output_is_a_box_in_the_image_and_a_distribution():
    model = small(image_size=96)
    images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3)).astype("uint8")
    output = np.asarray(model(images))
    assert output.shape == (2, 7)
    np.testing.assert_allclose(output[:, 4:].sum(-1), 1, rtol=1e-5)
    # Untrained, the box is about half of the image, around its middle.
    assert (output[:, :2] < 48).all()
    assert (output[:, 2:4] > 48).all()
    parts = keras.Model(model.input, [model.get_layer(n).output for n in ("box", "classes")])
    np.testing.assert_allclose(np.concatenate(parts(images), -1), output, rtol=1e-5)


@pytest.mark.parametrize("size", [64, 60])
def test_the_box_head_says_where_by_its_own_weights(size):
    """Cells are of 8 px, also where they stick out of the image."""
    model = small(image_size=size)
    distances, attention = (model.get_layer(f"box_{n}") for n in ("distances", "attention"))
    kernel = np.zeros_like(distances.kernel)
    distances.set_weights([kernel, np.full(4, np.log(np.e - 1), "float32")])  # softplus: 1
    attention.set_weights([kernel, np.zeros(4, "float32")])
    output = np.asarray(model(np.zeros((1, size, size, 3), "uint8")))[0, :4]
    # The 8 x 8 cells all count the same, and their mean centre is 32.
    np.testing.assert_allclose(output, [32 - size / 3] * 2 + [32 + size / 3] * 2, rtol=1e-5)


def test_loss_by_hand():
    loss = LocalizationLoss(10, reduction="none")
    truth = np.float32(
        [[0, 0, 10, 10, 1, 1], [0, 0, 10, 10, 1, 0], [0, 0, 10, 10, -1, 1], [0, 0, 0, 0, -1, 0]]
    )
    said = np.float32([[0, 0, 10, 5, 0.75, 0.25]] * 4)
    bent = 0.5 - 0.05  # one side is off by half the image
    box, name = bent + 0.5, -np.log(0.25)
    np.testing.assert_allclose(loss(truth, said), [box + name, name, box, 0], rtol=1e-5)
    twice = LocalizationLoss(10, reduction="none", box_weight=2, overlap="iou")
    np.testing.assert_allclose(twice(truth, said)[2], 2 * box, rtol=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(twice))
    np.testing.assert_allclose(again(truth, said), twice(truth, said))


def test_metrics_are_those_of_the_evaluation():
    rng = np.random.default_rng(0)
    truth = np.concatenate(
        [random_boxes(2, 60), rng.integers(-1, 3, (60, 1)), rng.integers(0, 2, (60, 1))], -1
    ).astype("float32")
    said = truth[:, :4] + rng.normal(0, 4, (60, 4))
    said = np.concatenate([said, rng.dirichlet([1] * 3, 60)], -1).astype("float32")
    figures = evaluate_localization(truth, said, ["a", "b", "c"])
    for metric, name in (
        (BoxIoU(), "mean_iou"),
        (AccuracyAtIoU(), "accuracy_at_iou50"),
        (ClassAccuracy(), "accuracy"),
    ):
        for part in np.split(np.arange(60), 3):
            metric.update_state(truth[part], said[part])
        assert float(metric.result()) == pytest.approx(figures[name]["value"], abs=1e-5)


@pytest.mark.slow
def test_it_learns_boxes_and_classes_of_the_sample_set():
    """With floors that the same head on random weights fails."""
    keras.utils.set_random_seed(0)
    model = build_localizer(
        "mobilenet_v3_small", len(SAMPLE_CLASSES), image_size=SIZE, weights="bundled"
    )
    images, targets = samples(range(300))
    front, head = head_on_features(model)
    features = front.predict(images, verbose=0)
    head.compile(keras.optimizers.Adam(2e-3), LocalizationLoss(SIZE))
    head.fit([kept[:200] for kept in features], targets[:200], batch_size=20, epochs=15, verbose=0)
    figures = evaluate_localization(
        targets[200:], model.predict(images[200:], verbose=0), SAMPLE_CLASSES
    )
    # Three seeds: 0.67 to 0.70, 0.71 to 0.73; with random weights 0.60, 0.10.
    assert figures["mean_iou"]["value"] > 0.64 > figures["guessed_iou"]
    assert figures["accuracy_at_iou50"]["value"] > 0.5


def test_staged_unfreezing_trains_its_base():
    model = small()
    base = find_backbone(model)
    assert trainable_stages(model) == []
    before = [v.numpy() for v in base.variables]
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3)).astype("uint8")
    targets = np.float32([[8, 8, 40, 40, 1, 1]] * 3 + [[0, 0, 0, 0, 2, 0]])
    model.compile("adam", LocalizationLoss(64), metrics=[BoxIoU(), AccuracyAtIoU()])
    staged = StagedUnfreezing({0: 0, 1: 1})
    history = model.fit(images, targets, epochs=2, verbose=0, callbacks=[staged])
    assert np.isfinite(history.history["loss"]).all()
    assert trainable_stages(model) == ["stage5"]
    stage = {v.path for layer in stage_map(base)["stage5"].layers for v in layer.variables}
    moved = {
        v.path for v, old in zip(base.variables, before, strict=True)
        if not np.array_equal(v.numpy(), old)
    }  # fmt: skip
    assert moved
    assert moved <= stage


PROGRAM = """
import sys, keras, numpy as np
model = keras.models.load_model(sys.argv[1])
assert "tl_keras" not in sys.modules
images = np.load(sys.argv[2])
np.save(sys.argv[3], np.asarray(model(images)))
"""


def test_it_loads_where_this_package_is_not_installed(tmp_path):
    model = small()
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "load.py").write_text(PROGRAM)
    names = ("load.py", "model.keras", "images.npy", "out.npy")
    finish([start(*(tmp_path / name for name in names), cwd=tmp_path, PYTHONPATH="")])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), model(images), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "num_classes=0"),
        ({"dropout": 1}, "0 <= dropout < 1"),
        ({"image_size": 31}, "give 32 or more"),
        ({"backbone": "mobilenetv2"}, "did you mean"),
    ],
)
def test_bad_input_is_refused_in_one_line(options, message):
    arguments = {"backbone": "mobilenet_025", "num_classes": 2, "weights": None, **options}
    with pytest.raises(InputError, match=message):
        build_localizer(**arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "above 0"),
        ({"overlap": "diou"}, "iou, giou, ciou"),
        ({"box_weight": -1}, "0 or more"),
        ({"label_smoothing": 1}, "label_smoothing=1"),
    ],
)
def test_the_loss_refuses_what_makes_none(options, message):
    with pytest.raises(InputError, match=message):
        LocalizationLoss(**{"image_size": 64, **options})
