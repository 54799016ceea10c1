"""The detector: assignment and loss by hand, suppression against numpy, what it learns."""

import keras
import numpy as np
import pytest
from processes import finish, start
from tiny_backbone import NAME

from tl_keras.backbones.freezing import trainable_stages
from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import stage_map
from tl_keras.builders.detector import build_detector, detector_strides
from tl_keras.builders.suppression import decode_cells, detection_model
from tl_keras.callbacks.staged_unfreezing import StagedUnfreezing
from tl_keras.data.boxes import Boxes
from tl_keras.data.main_box import localization_targets
from tl_keras.data.samples import SAMPLE_CLASSES, generate_sample
from tl_keras.errors import InputError
from tl_keras.evaluation.box_metrics import box_iou
from tl_keras.evaluation.detection_metrics import evaluate_detection
from tl_keras.tasks.box_targets import detection_targets
from tl_keras.tasks.cell_assignment import TOP_CELLS, assign_cells, cell_grid
from tl_keras.tasks.detection_metric import DetectionAveragePrecision
from tl_keras.tasks.detection_objective import DetectionLoss

SIZE = 96


def samples(numbers, size=SIZE):
    made = [generate_sample(number, 0, size) for number in numbers]
    boxes = [Boxes.of(sample.boxes, sample.box_labels) for sample in made]
    return np.stack([sample.image for sample in made]), detection_targets(boxes, 4)


def small(**options):
    keras.utils.set_random_seed(0)
    defaults = {"image_size": 64, "weights": None, "width": 16}
    return build_detector(NAME, 3, **{**defaults, **options})


def pixels(count, size=64):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype("uint8")


def maps_of(model):
    """From images to the base's maps, and from these to the output: quick to train on."""
    base = find_backbone(model)
    maps = base._inbound_nodes[-1].outputs
    return keras.Model(model.input, maps), keras.Model(maps, model.output)


def one_by_one(predictions, size, score_threshold, iou_threshold, max_boxes, candidates):
    """Non-maximum suppression as it is written down everywhere."""
    found = np.zeros((len(predictions), max_boxes, 6))
    found[..., 4] = -1
    for rows, out in zip(predictions, found, strict=True):
        scores = 1 / (1 + np.exp(-rows[:, 4:].astype("float64")))
        order = np.argsort(-scores, axis=None, kind="stable")[:candidates]
        kept = []
        for cell, label in zip(*np.unravel_index(order, scores.shape), strict=True):
            box = rows[cell, :4].clip(0, size)
            if scores[cell, label] > score_threshold and all(
                other[4] != label or box_iou(box, other[:4]) <= iou_threshold for other in kept
            ):
                kept.append([*box, label, scores[cell, label]])
        out[: len(kept)] = kept[:max_boxes] if kept else 0
        if len(kept) == 0:
            out[:, 4] = -1
    return found


@pytest.mark.parametrize("iou_threshold", [0.3, 0.5, 0.7])
def test_suppression_is_that_of_one_by_one(iou_threshold):
    """Crowded boxes, many of a class on each other."""
    rng = np.random.default_rng(0)
    middles, sides = rng.uniform(0, 64, (6, 150, 2)), rng.uniform(10, 40, (6, 150, 2))
    boxes = np.concatenate([middles - sides / 2, middles + sides / 2], -1)
    cells = np.concatenate([boxes, rng.normal(-2, 2, (6, 150, 2))], -1).astype("float32")
    options = {
        "score_threshold": 0.4, "iou_threshold": iou_threshold, "max_boxes": 60, "candidates": 200,
    }  # fmt: skip
    expected = one_by_one(cells, 64, **options)
    found = np.asarray(decode_cells(cells, 64, **options))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert 5 < (expected[..., 5] > 0).sum(1).mean() < 60


def test_cells_lie_where_they_say():
    centres, strides = cell_grid(40, (8, 16))
    assert len(centres) == 5 * 5 + 3 * 3
    assert centres[7].tolist() == [20, 12]
    assert centres[25 + 5].tolist() == [40, 24]
    assert strides[24:26].tolist() == [8, 16]
    model = small(image_size=40, strides=(8, 16))
    output = np.asarray(model(pixels(1, 40)))[0]
    assert output.shape == (34, 7)
    boxes = output[:, :4]
    assert (boxes[:, :2] < centres).all()
    assert (boxes[:, 2:] > centres).all()


def test_scores_start_at_the_prior():
    output = np.asarray(small()(pixels(2)))
    np.testing.assert_allclose(1 / (1 + np.exp(-output[..., 4:])), 0.01, rtol=0.5)


def assigned(targets, boxes, scores, size=32, strides=(8,)):
    centres, steps = cell_grid(size, strides)
    found = assign_cells(np.float32([targets]), np.float32([scores]), np.float32([boxes]),
                         centres, steps)  # fmt: skip
    return [np.asarray(part)[0] for part in found]


def test_assignment_by_hand():
    centres, _ = cell_grid(32, (8,))
    said = np.concatenate([centres - 8, centres + 8], -1)  # a box of 16 px round every centre
    scores = np.full((16, 2), 0.5)
    # Holds the centres of cells 0, 1, 4 and 5, and cell 5's box lies best on it.
    classes, boxes, counts = assigned([[0, 0, 20, 20, 1, 1], [0] * 6], said, scores)
    assert np.flatnonzero(classes.any(1)).tolist() == [0, 1, 4, 5]
    assert not classes[:, 0].any()
    iou = box_iou(said, [0, 0, 20, 20])
    np.testing.assert_allclose(classes[:, 1].max(), iou[5], rtol=1e-5)
    np.testing.assert_allclose(classes[1, 1], iou[5] * (iou[1] / iou[5]) ** 4, rtol=1e-4)
    assert (boxes[[0, 1, 4, 5]] == [0, 0, 20, 20]).all()
    assert not boxes[[2, 3, 15]].any()
    assert (counts == 1).all()


def test_a_box_too_small_for_any_centre_has_its_cell():
    centres, _ = cell_grid(32, (8,))
    said = np.concatenate([centres - 4, centres + 4], -1)
    classes, _, _ = assigned([[9, 1, 11, 3, 0, 1]], said, np.full((16, 1), 0.5))
    assert np.flatnonzero(classes[:, 0]).tolist() == [1]


def test_at_most_so_many_cells_and_the_best_of_them():
    rng = np.random.default_rng(0)
    centres, _ = cell_grid(64, (8,))
    said = np.concatenate([centres - 20, centres + 20], -1)
    scores = rng.uniform(0.1, 0.9, (64, 1))
    classes, _, _ = assigned([[0, 0, 64, 64, 0, 1]], said, scores, 64)
    chosen = np.flatnonzero(classes[:, 0])
    assert len(chosen) == TOP_CELLS
    fit = scores[:, 0] * box_iou(said, [0, 0, 64, 64]) ** 4
    assert set(chosen) == set(np.argsort(-fit)[:TOP_CELLS])


def test_a_cell_wanted_by_two_takes_the_one_it_overlaps():
    centres, _ = cell_grid(32, (8,))
    said = np.concatenate([centres - 6, centres + 6], -1)
    classes, boxes, _ = assigned(
        [[0, 0, 12, 12, 0, 1], [0, 0, 32, 32, 1, 1]], said, np.full((16, 2), 0.5)
    )
    assert boxes[0].tolist() == [0, 0, 12, 12]
    assert classes[0, 1] == 0
    assert classes[:, 1].any()


def test_cells_on_ignored_boxes_need_say_nothing():
    centres, _ = cell_grid(32, (8,))
    said = np.concatenate([centres - 6, centres + 6], -1)
    classes, _, counts = assigned([[0, 0, 16, 16, 0, -1]], said, np.full((16, 1), 0.5))
    assert not classes.any()
    assert np.flatnonzero(counts == 0).tolist() == [0, 1, 4, 5]


def test_loss_by_hand():
    centres, _ = cell_grid(32, (16,))
    boxes = np.concatenate([centres - 8, centres + 8], -1)
    logits = np.float32([[0, -3], [-2, 1], [0, 0], [-9, -9]])
    said = np.concatenate([boxes, logits], -1)[None].astype("float32")
    truth = np.float32([[[0, 0, 16, 12, 0, 1], [0] * 6]])
    p, target = 1 / (1 + np.exp(-logits)), np.zeros((4, 2))
    target[0, 0] = 0.75
    entropy = -(target * np.log(p) + (1 - target) * np.log(1 - p))
    focal = (np.abs(target - p) ** 2 * entropy).sum()
    # One image; the sum of the targets is 0.75, raised to 1.
    loss = DetectionLoss(32, (16,), overlap="iou")
    assert float(loss(truth, said)) == pytest.approx(focal + 2 * 0.75 * 0.25, rel=1e-5)
    plain = DetectionLoss(32, (16,), overlap="iou", focus=0, box_weight=0)
    assert float(plain(truth, said)) == pytest.approx(entropy.sum(), rel=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(plain))
    assert float(again(truth, said)) == pytest.approx(float(plain(truth, said)))


def test_an_image_without_boxes_still_teaches_and_padding_does_not():
    model = small()
    loss = DetectionLoss.of(model)
    said = np.asarray(model(pixels(2)))
    empty = np.zeros((2, 3, 6), "float32")
    assert float(loss(empty, said)) > 0
    boxes = empty.copy()
    boxes[:, 0] = [4, 4, 40, 40, 1, 1]
    more = np.concatenate([boxes, np.zeros((2, 5, 6), "float32")], 1)
    assert float(loss(boxes, said)) == pytest.approx(float(loss(more, said)), rel=1e-5)


def test_the_metric_is_near_cocos():
    rng = np.random.default_rng(0)
    centres, _ = cell_grid(64, (8,))
    metric = DetectionAveragePrecision(2, 64)
    targets, found = [], []
    for _ in range(10):
        low = rng.uniform(0, 40, (8, 3, 2))
        true = np.concatenate(
            [low, low + rng.uniform(8, 24, (8, 3, 2)), rng.integers(0, 2, (8, 3, 1)),
             rng.choice([1, 1, 1, -1, 0], (8, 3, 1))], -1,
        ).astype("float32")  # fmt: skip
        cells = np.concatenate([np.tile(np.tile(centres, 2), (8, 1, 1)), np.zeros((8, 64, 2))], -1)
        cells[..., 4:] = rng.normal(-4, 1, (8, 64, 2))
        for i in range(8):
            for k in range(12):
                row = true[i, k % 3]
                cells[i, k, :4] = row[:4] + rng.normal(0, 2, 4)
                cells[i, k, 4 + int(row[4])] = rng.normal(0, 2)
        cells = cells.astype("float32")
        metric.update_state(true, cells)
        targets.append(true)
        found.append(
            decode_cells(cells, 64, score_threshold=0.01, iou_threshold=0.6, max_boxes=100,
                         candidates=300)
        )  # fmt: skip
    targets = np.concatenate(targets)
    figures = evaluate_detection(targets, np.concatenate(found), ["a", "b"])
    assert 0.2 < figures["ap50"]["value"] < 0.9
    assert float(metric.result()) == pytest.approx(figures["ap50"]["value"], abs=0.03)
    metric.reset_state()
    assert float(metric.result()) == 0


def trained(numbers, epochs, size=SIZE, weights="bundled", batch=8, seed=0):
    """A detector whose head learned on the maps of these pictures."""
    keras.utils.set_random_seed(seed)
    model = build_detector(
        "mobilenet_v3_small", len(SAMPLE_CLASSES), image_size=size, weights=weights
    )
    images, targets = samples(numbers, size)
    front, head = maps_of(model)
    maps = front.predict(images, verbose=0)
    steps = epochs * len(images) // batch
    rate = keras.optimizers.schedules.CosineDecay(
        1e-4, steps * 9 // 10, warmup_target=2e-3, warmup_steps=steps // 10
    )
    head.compile(keras.optimizers.AdamW(rate, global_clipnorm=5.0), DetectionLoss.of(model))
    head.fit(maps, targets, batch_size=batch, epochs=epochs, verbose=0)
    return model, images, targets


@pytest.mark.slow
def test_it_overfits_eight_pictures():
    model, images, targets = trained(range(8), 80)
    found = detection_model(model).predict(images, verbose=0)
    figures = evaluate_detection(targets, found, SAMPLE_CLASSES)
    assert figures["ap50"]["value"] > 0.97
    turned = found[..., [1, 0, 3, 2, 4, 5]]
    assert evaluate_detection(targets, turned, SAMPLE_CLASSES)["ap50"]["value"] < 0.8


def test_staged_unfreezing_trains_its_base():
    model = small()
    base = find_backbone(model)
    assert trainable_stages(model) == []
    before = [v.numpy() for v in base.variables]
    targets = np.zeros((4, 2, 6), "float32")
    targets[:, 0] = [8, 8, 40, 40, 1, 1]
    model.compile("adam", DetectionLoss.of(model), metrics=[DetectionAveragePrecision(3, 64)])
    history = model.fit(
        pixels(4), targets, epochs=2, verbose=0, callbacks=[StagedUnfreezing({0: 0, 1: 1})]
    )
    assert np.isfinite(history.history["loss"]).all()
    assert trainable_stages(model) == ["stage5"]
    stage = {v.path for layer in stage_map(base)["stage5"].layers for v in layer.variables}
    moved = {
        v.path for v, old in zip(base.variables, before, strict=True)
        if not np.array_equal(v.numpy(), old)
    }  # fmt: skip
    assert moved
    assert moved <= stage


LOADING = """
import sys, keras, numpy as np
images = np.load("images.npy")
for name in ("cells", "final"):
    model = keras.models.load_model(f"{name}.keras")
    assert "tl_keras" not in sys.modules
    np.save(f"{name}.npy", model.predict(images, verbose=0))
"""


@pytest.mark.slow
def test_it_loads_where_this_package_is_not_installed(tmp_path):
    model = small()
    final = detection_model(model, score_threshold=0.0, max_boxes=20)
    images = samples([0, 1], 64)[0]
    model.save(tmp_path / "cells.keras")
    final.save(tmp_path / "final.keras")
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "load.py").write_text(LOADING)
    finish([start("load.py", cwd=tmp_path, PYTHONPATH="")])
    for name, here in (("cells", model), ("final", final)):
        np.testing.assert_allclose(
            np.load(tmp_path / f"{name}.npy"), here(images), rtol=1e-3, atol=2e-3
        )


ON_JAX = """
import sys, keras, numpy as np
assert keras.backend.backend() == "jax"
sys.modules["tensorflow"] = None
from tl_keras.builders.detector import build_detector
from tl_keras.builders.localizer import build_localizer
from tl_keras.builders.suppression import detection_model
from tl_keras.callbacks.staged_unfreezing import StagedUnfreezing
from tl_keras.tasks.detection_metric import DetectionAveragePrecision
from tl_keras.tasks.detection_objective import DetectionLoss
from tl_keras.tasks.localization_objective import AccuracyAtIoU, BoxIoU, LocalizationLoss

images, boxes, here = (np.load(f"{name}.npy") for name in ("images", "boxes", "here"))
said = keras.models.load_model("final.keras").predict(images, verbose=0)
np.testing.assert_allclose(said, here, rtol=1e-3, atol=2e-3)
options = {"image_size": 64, "weights": "bundled"}
model = build_detector("mobilenet_v3_small", 8, width=16, **options)
loss, metrics = DetectionLoss.of(model), [DetectionAveragePrecision(8, 64)]
other = build_localizer("mobilenet_v3_small", 8, **options)
for one, targets, loss, metrics in (
    (model, boxes, loss, metrics),
    (other, boxes[:, 0], LocalizationLoss(64), [BoxIoU(), AccuracyAtIoU()]),
):
    one.compile(keras.optimizers.Adam(3e-3), loss, metrics=metrics)
    staged = StagedUnfreezing({0: 0, 8: 1})
    told = one.fit(images, targets, epochs=10, verbose=0, callbacks=[staged]).history
    assert told["loss"][-1] < 0.9 * told["loss"][0], told
"""


@pytest.mark.slow
def test_on_jax_it_trains_and_says_the_same(tmp_path):
    model = build_detector("mobilenet_v3_small", 8, image_size=64, weights="bundled", width=16)
    final = detection_model(model, score_threshold=0.0, max_boxes=20)
    images, boxes = samples(range(4), 64)
    final.save(tmp_path / "final.keras")
    for name, array in (("images", images), ("boxes", boxes), ("here", final(images))):
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "train.py").write_text(ON_JAX)
    finish([start("train.py", cwd=tmp_path, KERAS_BACKEND="jax")], 900)


def test_strides_are_told_by_the_model():
    assert detector_strides(small(strides=(4, 8, 16))) == (4, 8, 16)
    loss = DetectionLoss.of(small(strides=(16,)))
    assert (loss.image_size, loss.strides) == (64, (16,))
    for what in (keras.Model(i := keras.Input((8,)), i), "model"):
        with pytest.raises(InputError, match="is no detector"):
            detector_strides(what)
        with pytest.raises(InputError, match="is no detector"):
            detection_model(what)


def test_targets_from_boxes():
    boxes = [
        Boxes.of([(0, 0, 4, 4), (0, 0, 8, 8), (5, 5, 5, 9)], [0, 1, 1], [True, False, False]),
        Boxes.of(),
    ]
    rows = detection_targets(boxes)
    assert rows.shape == (2, 3, 6)
    assert rows[0].tolist() == [[0, 0, 4, 4, 0, -1], [0, 0, 8, 8, 1, 1], [0] * 6]
    with pytest.raises(InputError, match="give 3 or more"):
        detection_targets(boxes, 2)
    assert localization_targets(boxes).tolist() == [[0, 0, 8, 8, 1, 1], [0, 0, 0, 0, -1, 0]]
    assert localization_targets(boxes, [0, 1])[:, 4:].tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "num_classes=0"),
        ({"strides": (8, 32)}, "each twice"),
        ({"strides": 8}, "each twice"),
        ({"strides": (64,)}, "no feature map of stride 64"),
        ({"width": 20}, "multiple of 8"),
        ({"head": "retina"}, "fcos, yolov8"),
        ({"head": "yolov8", "image_size": 80}, "coarsest divides"),
        ({"head": "yolov8", "strides": (16, 32)}, "three strides"),
    ],
)
def test_bad_input_is_refused(options, message):
    arguments = {"backbone": "mobilenet_025", "num_classes": 2, "image_size": 64, "weights": None}
    with pytest.raises(InputError, match=message):
        build_detector(**{**arguments, **options})


def test_a_loss_that_does_not_fit_the_model_says_so():
    with pytest.raises(InputError, match="use DetectionLoss"):
        DetectionLoss(64, (8, 16))(np.zeros((1, 1, 6), "float32"), np.zeros((1, 84, 7), "float32"))
    for bad in ({"strides": ()}, {"image_size": 0}, {"overlap": "l1"}, {"focus": -1}):
        with pytest.raises(InputError):
            DetectionLoss(**{"image_size": 64, "strides": (8,), **bad})
