"""Instances: targets, grouping, loss, figures, and a model that learns to tell things apart."""

import keras
import numpy as np
import pytest

from tl_keras.builders.instance_segmenter import build_instance_segmenter
from tl_keras.data.instance_targets import instance_targets
from tl_keras.data.instances import Instances, instances_of
from tl_keras.data.samples import generate_sample
from tl_keras.errors import InputError
from tl_keras.evaluation.grouping import group_instances
from tl_keras.tasks.instance_objective import InstanceLoss

NAMES = [f"kind {k}" for k in range(8)]


def things_of(sample):
    masks = sample.instance_mask == np.arange(1, len(sample.boxes) + 1)[:, None, None]
    return masks, sample.box_labels


def perfect(maps, classes):
    """The prediction that a model without fault would give for these targets."""
    labels = maps[..., 0].astype(int)
    one_hot = np.eye(classes + 1, dtype="float32")[np.where(labels == 255, 0, labels)]
    return np.concatenate([one_hot, maps[..., 1:4]], axis=-1)


def score(pairs, names=NAMES, **options):
    pytest.importorskip("pycocotools")
    from tl_keras.evaluation.instance_metrics import evaluate_instances

    return evaluate_instances(pairs, names, **options)


def test_things_on_one_map():
    masks = np.zeros((4, 3, 4), bool)
    masks[0, :, :2] = True
    masks[1, 0, 0] = True  # covered by the next
    masks[2, 0, :3] = True
    ignore = np.zeros((3, 4), bool)
    ignore[0, 2:] = True
    seen = instances_of(masks, [3, 4, 5, 6], ignore)
    assert seen.ids.tolist() == [[2, 2, 2, -1], [1, 1, 0, 0], [1, 1, 0, 0]]
    assert seen.classes.tolist() == [3, 5] and seen.masks.sum() == 7
    nothing = instances_of(np.zeros((0, 2, 2), bool), [])
    assert len(nothing) == 0 and not nothing.ids.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 3, 3)), [0]), r"masks of shape \(2, 3, 3\) and 1 classes"),
        ((np.zeros((3, 3)), [0]), r"masks of shape \(3, 3\)"),
        ((np.zeros((1, 3, 3)), [0], np.zeros((2, 2))), r"ignore of shape \(2, 2\)"),
    ],
)
def test_shapes_that_do_not_fit(arguments, message):
    with pytest.raises(InputError, match=message):
        instances_of(*arguments)


def test_targets_by_hand():
    masks = np.zeros((1, 8, 8), bool)
    masks[0, 2:5, 1:6] = True  # centre at row 3, column 3
    ignore = np.zeros((8, 8), bool)
    ignore[7] = True
    maps = instance_targets(masks, [2], ignore=ignore, sigma=2.0)
    assert maps.shape == (8, 8, 5) and maps.dtype == np.float32
    assert (maps[7, :, 0] == 255).all() and (maps[masks[0], 0] == 3).all()
    assert maps[0, 0, 0] == 0
    rows, columns = np.mgrid[:8, :8]
    distance = (rows - 3) ** 2 + (columns - 3) ** 2
    np.testing.assert_allclose(maps[..., 1], np.exp(-distance / 8), atol=1e-6)
    ways = np.stack([3 - columns, 3 - rows], axis=-1)
    np.testing.assert_allclose(maps[masks[0]][:, 2:4], ways[masks[0]])
    assert not maps[~masks[0]][:, 2:].any()
    np.testing.assert_array_equal(maps[..., 4], masks[0])


def test_centres_at_the_border_and_side_by_side():
    masks = np.zeros((3, 20, 30), bool)
    masks[0, 0, 0] = masks[1, 19, 29] = masks[2, 19, 27] = True
    heat = instance_targets(masks, [0, 0, 0], sigma=1.5)[..., 1]
    assert heat[0, 0] == heat[19, 29] == heat[19, 27] == 1 == heat.max()
    assert heat[10, 15] == 0 and 0.7 < heat[19, 28] < 1


def test_no_thing_at_all():
    maps = instance_targets(np.zeros((0, 4, 4), bool), [])
    assert not maps.any()
    assert len(group_instances(perfect(maps, 3))) == 0


@pytest.mark.parametrize("index", range(12))
def test_a_perfect_prediction_gives_the_things_back(index):
    """Encoding and grouping are each other's inverse, for things that show a few pixels."""
    masks, labels = things_of(generate_sample(index, image_size=128))
    true = instances_of(masks, labels)
    found = group_instances(perfect(instance_targets(masks, labels), 8), smallest=1)
    assert sorted(found.classes.tolist()) == sorted(true.classes.tolist())
    for mask, label in zip(true.masks, true.classes, strict=True):
        overlaps = [(mask & other).sum() / (mask | other).sum() for other in found.masks]
        best = int(np.argmax(overlaps))
        assert overlaps[best] == 1 and found.classes[best] == label
    assert (np.diff(found.scores) <= 0).all()


def test_touching_things_of_one_kind_are_told_apart():
    masks = np.zeros((2, 20, 40), bool)
    masks[0, 4:16, 5:20] = masks[1, 4:16, 20:35] = True
    maps = instance_targets(masks, [0, 0])
    assert len(group_instances(perfect(maps, 1))) == 2
    # ... by their offsets: without them, the nearer centre takes a pixel, here the same.
    lost = maps.copy()
    lost[..., 1] = np.where(np.arange(40) < 20, lost[..., 1], 0)
    assert len(group_instances(perfect(lost, 1))) == 1


def prediction(height=16, width=16, classes=2):
    maps = np.zeros((height, width, classes + 4), np.float32)
    maps[..., 0] = 1
    return maps


def test_two_equal_middle_pixels_are_one_centre():
    maps = prediction()
    maps[4:12, 4:12, :3] = (0.1, 0.2, 0.7)
    maps[7:9, 7:9, 3] = 0.6
    found = group_instances(maps)
    assert len(found) == 1 and found.classes.tolist() == [1]
    assert found.scores[0] == pytest.approx(0.6 * 0.7)
    assert found.masks[0].sum() == 64


def test_threshold_window_most_and_smallest():
    maps = prediction()
    maps[:, :, :3] = (0.0, 0.0, 1.0)
    for row, column, heat in ((2, 2, 0.9), (2, 6, 0.8), (12, 12, 0.3), (12, 2, 0.05)):
        maps[row, column, 3] = heat
    assert len(group_instances(maps)) == 3
    assert len(group_instances(maps, threshold=0.01)) == 4
    assert len(group_instances(maps, window=9)) == 2  # (2, 6) stands in the shadow of (2, 2)
    assert group_instances(maps, most=1).scores.tolist() == pytest.approx([0.9])
    assert (group_instances(maps, most=1).ids == 1).all()
    largest = group_instances(maps, smallest=100)
    assert len(largest) == 1 and (largest.ids == 0).any()


def test_the_class_is_that_of_most_pixels():
    maps = prediction()
    maps[4:12, 4:12, :3] = (0.0, 0.8, 0.2)
    maps[4:7, 4:12, :3] = (0.0, 0.1, 0.9)
    maps[8, 8, 3] = 1.0
    found = group_instances(maps)
    assert found.classes.tolist() == [0]
    assert found.scores[0] == pytest.approx((40 * 0.8 + 24 * 0.1) / 64)


def test_many_centres_and_pixels_in_pieces_agree_with_all_distances():
    rng = np.random.default_rng(0)
    maps = rng.random((300, 310, 6)).astype("float32")
    maps[..., -2:] = rng.normal(0, 9, (300, 310, 2))
    maps[..., 3] *= rng.random((300, 310)) < 0.001
    found = group_instances(maps, smallest=0, most=60)
    assert 30 < len(found) <= 60
    heat = maps[..., 3]
    centres = np.argwhere(heat > 0.1)
    centres = centres[np.argsort(-heat[tuple(centres.T)], kind="stable")]
    kept = []
    for row, column in centres:
        if all(max(abs(row - r), abs(column - c)) > 3 for r, c in kept) and len(kept) < 60:
            kept.append((row, column))
    rows, columns = np.nonzero(maps[..., :3].argmax(-1))
    points = np.stack([rows, columns], 1) + maps[rows, columns][:, :3:-1]
    owner = ((points[:, None] - np.array(kept)) ** 2).sum(-1).argmin(1)
    for k in range(len(kept)):
        mine = np.zeros((300, 310), bool)
        mine[rows[owner == k], columns[owner == k]] = True
        if mine.any():
            assert len(np.unique(found.ids[mine])) == 1
            assert (found.ids == found.ids[mine][0]).sum() == mine.sum()


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 8, 8, 6), {}, "of one image"),
        ((8, 8, 4), {}, "classes \\+ 4"),
        ((8, 8, 6), {"window": 4}, "odd window"),
        ((8, 8, 6), {"most": 0}, "at least one centre"),
    ],
)
def test_what_cannot_be_grouped(shape, options, message):
    with pytest.raises(InputError, match=message):
        group_instances(np.zeros(shape), **options)


def test_the_loss_by_hand():
    rng = np.random.default_rng(0)
    masks = np.zeros((2, 6, 8), bool)
    masks[0, 1:4, 1:4] = masks[1, 3:6, 4:8] = True
    ignore = np.zeros((6, 8), bool)
    ignore[0] = True
    maps = instance_targets(masks, [0, 1], ignore=ignore)
    probabilities = rng.dirichlet(np.ones(3), (6, 8))
    given = np.concatenate([probabilities, rng.random((6, 8, 1)), rng.normal(0, 3, (6, 8, 2))], -1)
    known, thing = maps[..., 0] < 255, maps[..., 4] == 1
    chosen = np.take_along_axis(
        probabilities, np.where(known, maps[..., 0], 0).astype(int)[..., None], -1
    )[..., 0]
    wanted = (
        2 * -np.log(chosen)[known].mean()
        + 100 * ((given[..., 3] - maps[..., 1]) ** 2)[known].sum() / maps[known][:, 1].sum()
        + 5 / 6 * np.abs(given[..., 4:] - maps[..., 2:4]).sum(-1)[thing].mean()
    )
    loss = InstanceLoss(semantic=2, centre=100, offset=5)
    given = given.astype("float32")
    assert float(loss(maps[None], given[None])) == pytest.approx(wanted, rel=1e-5)
    # An image without a thing adds nothing for offsets; the mean is over images.
    none = instance_targets(np.zeros((0, 6, 8), bool), [])
    both = float(loss(np.stack([maps, none]), np.stack([given, perfect(none, 2)])))
    assert both == pytest.approx(wanted / 2, rel=1e-4)
    # Where there is hardly a thing, false heat is a share of a thousandth of the image.
    false = perfect(none, 2)
    false[0, 0, 3] = 0.5
    assert float(loss(none[None], false[None])) == pytest.approx(100 * 0.25 / 0.048, rel=1e-3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again(maps[None], given[None])) == pytest.approx(wanted, rel=1e-5)
    assert float(loss(maps[None], perfect(maps, 2)[None])) < 1e-4
    with pytest.raises(InputError, match="offset=-1"):
        InstanceLoss(offset=-1)


def grid(rectangles, classes, scores=None, size=(60, 60)):
    ids = np.zeros(size, np.int32)
    for k, (x1, y1, x2, y2) in enumerate(rectangles):
        ids[y1:y2, x1:x2] = k + 1
    scores = np.ones(len(rectangles)) if scores is None else np.asarray(scores, float)
    return Instances(ids, np.asarray(classes, np.int32), scores)


def test_panoptic_quality_by_hand():
    true = grid([(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), (0, 40, 10, 50)], [0, 0, 0, 1])
    found = grid(
        [(0, 0, 10, 8), (20, 0, 30, 4), (40, 40, 50, 50), (0, 40, 10, 50)], [0, 0, 0, 0],
        [0.9, 0.8, 0.7, 0.6],
    )  # fmt: skip
    # Class 0: one match of IoU 0.8, three found without one, two true without one; class 1: one
    # true without.
    figures = score([(true, found)], ["a", "b"], score_threshold=0.5)
    assert figures["panoptic_quality"]["value"] == pytest.approx((0.8 / (1 + 1.5 + 1) + 0) / 2)
    assert figures["segmentation_quality"]["value"] == pytest.approx(0.8)
    assert figures["recognition_quality"]["value"] == pytest.approx((1 / 3.5 + 0) / 2)
    assert figures["precision"]["value"] == pytest.approx(1 / 4)
    assert figures["recall"]["value"] == pytest.approx(1 / 4)
    assert figures["count_error"]["value"] == pytest.approx((abs(4 - 3) + abs(0 - 1)) / 2)
    assert [row["found"] for row in figures["per_class"]] == [4, 0]
    assert figures["per_image"] == [
        {"true": 4, "found": 4, "panoptic_quality": pytest.approx(0.8 / (1 + 1.5 + 1.5))}
    ]
    # From a higher score on, the false ones are gone, and what is missed stays so.
    strict = score([(true, found)], ["a", "b"], score_threshold=0.85)
    assert strict["panoptic_quality"]["value"] == pytest.approx(0.8 / (1 + 1) / 2)
    # One image says nothing of others.
    assert figures["panoptic_quality"]["low"] is None


def test_unknown_pixels_count_neither_way():
    true = grid([(0, 0, 10, 10)], [0])
    true.ids[:, 30:] = -1
    on_unknown = grid([(0, 0, 10, 10), (25, 20, 50, 40)], [0, 0], [0.9, 0.8])
    beside = grid([(0, 0, 10, 10), (12, 20, 40, 40)], [0, 0], [0.9, 0.8])
    figures = [score([(true, f)], ["a"], score_threshold=0.1) for f in (on_unknown, beside)]
    assert figures[0]["panoptic_quality"]["value"] == 1.0
    assert figures[1]["panoptic_quality"]["value"] == pytest.approx(1 / 1.5)
    # What reaches into the unknown is compared where something is known.
    edge = grid([(0, 0, 10, 10)], [0])
    edge.ids[:, 8:] = -1
    figures = score([(edge, grid([(0, 0, 20, 10)], [0]))], ["a"], score_threshold=0.1)
    assert figures["panoptic_quality"]["value"] == figures["ap"]["value"] == 1.0


def test_mask_ap_of_rectangles_is_their_box_ap():
    from tl_keras.evaluation.detection_metrics import evaluate_detection

    pytest.importorskip("pycocotools")
    rng = np.random.default_rng(0)
    pairs, targets, detections = [], np.zeros((12, 9, 6)), np.zeros((12, 9, 6))
    for i in range(12):
        corners = [(20 * a, 20 * b) for a in range(3) for b in range(3)]
        rows = []
        for chance, jitter in ((0.7, 0), (0.7, 4)):
            kept = [c for c in corners if rng.random() < chance] or corners[:1]
            sides = rng.integers(8, 16, (len(kept), 2))
            moved = rng.integers(0, jitter + 1, (len(kept), 2))
            rows.append(
                [(x + a, y + b, x + a + w, y + b + h)
                 for (x, y), (w, h), (a, b) in zip(kept, sides, moved, strict=True)]
            )  # fmt: skip
        labels = [rng.integers(0, 2, len(r)) for r in rows]
        scores = rng.permutation(len(rows[1])) / 10 + 0.05
        pairs.append((grid(rows[0], labels[0]), grid(rows[1], labels[1], scores)))
        for table, r, c, s in (
            (targets, rows[0], labels[0], np.ones(len(rows[0]))),
            (detections, rows[1], labels[1], scores),
        ):
            table[i, : len(r)] = np.column_stack([r, c, s])
    masks = score(pairs, ["a", "b"])
    boxes = evaluate_detection(targets, detections, ["a", "b"])
    for name in ("ap", "ap50", "ap75"):
        assert 0 < boxes[name]["value"] < 1 or name == "ap75"
        assert masks[name]["value"] == pytest.approx(boxes[name]["value"])
    assert masks["score_threshold"] == boxes["score_threshold"]


def test_a_perfect_answer_and_none():
    true = [grid([(0, 0, 9, 9), (20, 20, 40, 33)], [0, 1]) for _ in range(6)]
    figures = score([(t, t) for t in true], ["a", "b", "c"])
    for name in ("ap", "ap50", "panoptic_quality", "recognition_quality"):
        assert figures[name] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert figures["count_error"]["value"] == 0
    assert figures["notes"] == ["No image has c: left out of the mean AP."]
    assert figures["per_class"][2]["panoptic_quality"]["value"] is None
    nothing = grid([], [])
    figures = score([(t, nothing) for t in true], ["a", "b", "c"])
    assert figures["ap"]["value"] == figures["panoptic_quality"]["value"] == 0


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ((grid([(0, 0, 9, 9)], [0]), grid([], [], size=(30, 60))), "image 0: .* image's size"),
        ((grid([(0, 0, 9, 9)], [3]), grid([], [])), "a true thing of class 3"),
        ((grid([(0, 0, 9, 9)], [0]), grid([(0, 0, 9, 9)], [2])), "a found thing of class 2"),
        ((grid([], []), grid([], [])), "no image has a thing"),
    ],
)
def test_what_cannot_be_measured(pair, message):
    with pytest.raises(InputError, match=message):
        score([pair], ["a", "b"])


def learned(seed=0, weights="bundled", size=96, count=96, epochs=10):
    from tl_keras.backbones.calibration import calibrate_batch_norm

    samples = [generate_sample(i, image_size=size) for i in range(count)]
    images = np.stack([s.image for s in samples])
    maps = np.stack([instance_targets(*things_of(s)) for s in samples])
    keras.utils.set_random_seed(seed)
    model = build_instance_segmenter("mobilenet_v3_small", 8, image_size=size, weights=weights)
    if weights is None:
        calibrate_batch_norm(model, images[:32].astype("float32"))
    steps = epochs * -(-count // 16)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)), InstanceLoss()
    )
    model.fit(images, maps, batch_size=16, epochs=epochs, verbose=0)
    held_out = [generate_sample(i, image_size=size) for i in range(1000, 1048)]
    given = model.predict(np.stack([s.image for s in held_out]), verbose=0)
    return [instances_of(*things_of(s)) for s in held_out], given


def things_alone(true):
    """With kinds put aside: whether things are found, and told apart."""
    return Instances(true.ids, np.zeros(len(true), np.int32), true.scores)
