"""Pictures of truth beside prediction, and the order of the worst images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.data.instances import Instances
from tl_keras.data.samples import SAMPLE_CLASSES, generate_sample
from tl_keras.evaluation.box_pictures import detection_picture, localization_picture
from tl_keras.evaluation.drawing import PANEL_SIDE, Panel
from tl_keras.evaluation.instance_errors import judge_things, things_above
from tl_keras.evaluation.mask_pictures import instances_picture, segmentation_picture
from tl_keras.evaluation.picture_colours import KIND_COLOURS, colour_of
from tl_keras.evaluation.picture_layout import Entry, compose
from tl_keras.evaluation.picture_words import fitted, font_of, text_size
from tl_keras.evaluation.segmentation_metrics import evaluate_segmentation
from tl_keras.evaluation.worst_images import (
    worst_detected,
    worst_instances,
    worst_localized,
    worst_segmented,
)

SIDE = PANEL_SIDE  # images of this size are drawn pixel by pixel
GREY = np.full((SIDE, SIDE, 3), 100, np.uint8)
NAMES = ["ant", "bee", "cow"]
MISSED = KIND_COLOURS["missed"]


def _sides(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two images of a picture, without what surrounds them."""
    top, gap = text_size(SIDE) + 10, 8
    left, right = (picture[top : top + SIDE, x : x + SIDE] for x in (gap, 2 * gap + SIDE))
    return left, right


def _has(part: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (part == np.array(colour, np.uint8)).all(-1)


def _edge(part: np.ndarray, box: list[int]) -> np.ndarray:
    """The pixels of a box's outermost line."""
    x1, y1, x2, y2 = box
    return np.concatenate([
        part[y1, x1:x2], part[y2, x1:x2], part[y1:y2, x1], part[y1:y2, x2],
    ])  # fmt: skip


def test_a_right_answer_has_the_colour_of_its_class_on_both_sides():
    box = [60, 100, 200, 220]
    picture = detection_picture(GREY, [[*box, 2, 1]], [[*box, 2, 0.9]], NAMES, 0.5)
    for part in _sides(picture):
        assert _has(_edge(part, box), colour_of(2)).mean() > 0.8
        assert not _has(part, MISSED).any()


def test_a_missed_box_is_marked_where_it_is_on_both_sides():
    box = [60, 100, 200, 220]
    picture = detection_picture(GREY, [[*box, 0, 1]], [[*box, 0, 0.2]], NAMES, 0.5)
    for part in _sides(picture):
        assert 0.3 < _has(_edge(part, box), MISSED).mean() < 0.8  # dashed
        rows, columns = np.nonzero(_has(part, MISSED))
        assert rows.max() == 220 and columns.min() == 60 and columns.max() == 200
        assert rows.min() >= 100 - text_size(SIDE) - 5  # words stand above


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ([60, 100, 200, 220, 1, 0.9], "wrong_class"),
        ([60, 100, 140, 170, 0, 0.9], "bad_box"),
        ([240, 240, 330, 330, 0, 0.9], "background"),
    ],
)
def test_an_error_has_the_colour_of_its_kind_on_the_predicted_side(answer, kind):
    picture = detection_picture(GREY, [[60, 100, 200, 220, 0, 1]], [answer], NAMES, 0.5)
    true, found = _sides(picture)
    place = [int(v) for v in answer[:4]]
    assert _has(_edge(found, place), KIND_COLOURS[kind]).mean() > 0.3
    assert not _has(true, KIND_COLOURS[kind]).any()
    below = picture[text_size(SIDE) + 10 + SIDE :]
    assert _has(below, KIND_COLOURS[kind]).any()  # in the legend too


def test_a_double_is_marked_and_ignored_and_padded_boxes_are_no_errors():
    box = [60, 100, 200, 220]
    truth = [[*box, 0, 1], [240, 240, 330, 330, 1, -1], [240, 20, 330, 90, 2, 0]]
    answers = [[*box, 0, 0.9], [62, 100, 200, 220, 0, 0.8], [240, 240, 330, 330, 1, 0.9],
               [0, 0, 0, 0, 0, 0]]  # fmt: skip
    true, found = _sides(detection_picture(GREY, truth, answers, NAMES, 0.5))
    assert _has(found, KIND_COLOURS["double"]).any()
    for kind in ("missed", "background", "wrong_class", "bad_box"):
        assert not _has(true, KIND_COLOURS[kind]).any()
        assert not _has(found, KIND_COLOURS[kind]).any()
    assert (true[:95, 230:] == 100).all() and (found[:95, 230:] == 100).all()


def test_among_many_boxes_only_errors_have_words():
    corners = [(40 * (k % 8) + 10, 80 * (k // 8) + 20) for k in range(16)]
    truth = [[x, y, x + 25, y + 25, 0, 1] for x, y in corners]
    answers = [[*row[:4], 0, 0.9] for row in truth]
    inside = slice(30, 38), slice(18, 28)
    true, found = _sides(detection_picture(GREY, truth, answers, NAMES))
    for part in (true, found):
        assert (part[inside] == 100).all() and (part[50:90, :] == 100).all()  # nothing between
    answers[0][4] = 1
    _, found = _sides(detection_picture(GREY, truth, answers, NAMES))
    orange = _has(found, KIND_COLOURS["wrong_class"]).sum()
    assert orange > 4 * 25 * 3  # more than the line: words on their ground


def test_a_localizer_is_drawn_beside_the_truth():
    truth, guess = [60, 100, 200, 220, 0, 1], [80, 120, 220, 240]
    picture = localization_picture(GREY, truth, [*guess, 0.1, 0.8, 0.1], NAMES)
    true, found = _sides(picture)
    assert _has(_edge(true, truth[:4]), colour_of(0)).mean() > 0.8
    assert not _has(true, colour_of(1)).any()
    assert _has(_edge(found, guess), colour_of(1)).mean() > 0.7
    assert _has(_edge(found, truth[:4]), (255, 255, 255)).mean() > 0.2  # the true one, hinted at
    assert not _has(found, colour_of(0)).any()


@pytest.mark.parametrize(
    "truth", [[0, 0, 0, 0, 1, 0], [60, 60, 99, 99, -1, 1], [0, 0, 0, 0, -1, 0]]
)
def test_a_localizer_is_drawn_without_a_true_box_or_class(truth):
    picture = localization_picture(GREY, truth, [20, 20, 90, 90, 0.5, 0.3, 0.2], NAMES)
    assert _has(_sides(picture)[1], colour_of(0)).any()


def test_predicted_pixels_have_the_colours_of_their_classes():
    names = ["background", "ant", "bee"]
    truth = np.zeros((SIDE, SIDE), np.uint8)
    truth[40:140, 40:140] = 1
    truth[300:] = 255
    guess = np.zeros((SIDE, SIDE), np.uint8)
    guess[200:280, 200:300] = 2
    true, found = _sides(segmentation_picture(GREY, truth, guess, names))

    def tinted(part, k):
        return (np.abs(part - (0.6 * np.array(colour_of(k)) + 40)) <= 1).all(-1)

    assert tinted(true, 1)[42:138, 42:138].all() and not tinted(true, 2).any()
    assert tinted(found, 2)[202:278, 202:298].all() and not tinted(found, 1).any()
    assert (true[150:290] == 100).all() and (found[:190] == 100).all()  # background
    stripes = true[300:]
    assert set(np.unique(stripes)) == {90, 150} and (found[300:] == 100).all()
    assert _has(true[40, 40:140], (255, 255, 255)).all()  # outlined


def test_every_pixel_has_a_class_of_its_own_when_scaled():
    small = np.full((45, 45, 3), 100, np.uint8)
    labels = np.zeros((45, 45), np.uint8)
    labels[:, 20:] = 2
    found = _sides(segmentation_picture(small, labels, labels, NAMES))[1]
    tints = [0.6 * np.array(colour_of(k)) + 40 for k in (0, 2)]
    of_class = [(np.abs(found - tint) <= 1).all(-1) for tint in tints]
    outline = _has(found, (255, 255, 255))
    assert (of_class[0] | of_class[1] | outline).all()
    assert all(one.mean() > 0.4 for one in of_class)


def _things(*boxes: tuple[int, int, int, int], classes=None, scores=None) -> Instances:
    ids = np.zeros((SIDE, SIDE), np.int32)
    for k, (x1, y1, x2, y2) in enumerate(boxes):
        ids[y1:y2, x1:x2] = k + 1
    many = len(boxes)
    return Instances(
        ids,
        np.array(classes if classes is not None else [0] * many, np.int32),
        np.array(scores if scores is not None else [1] * many, np.float32),
    )


def test_matching_things_share_a_colour_and_errors_are_outlined():
    a, b, c = (20, 20, 120, 120), (200, 20, 300, 120), (20, 200, 120, 300)
    truth = _things(a, b)
    guess = _things(c, a, b, scores=[0.9, 0.8, 0.1])
    true, found = _sides(instances_picture(GREY, truth, guess, ["cell"], 0.5))
    assert (true[70, 70] == found[70, 70]).all()  # a is the second of those found
    assert (found[250, 70] != true[70, 70]).any() and (found[250, 70] != 100).any()
    assert (found[70, 250] == 100).all()  # below the score
    assert _has(true[20, 200:300], MISSED).all()
    assert _has(true[20, 20:120], (255, 255, 255)).all()
    assert _has(found[200, 20:120], KIND_COLOURS["background"]).all()
    assert not _has(found, MISSED).any()


def test_unknown_pixels_are_hatched_and_hide_what_is_found_there():
    truth = _things((20, 20, 120, 120))
    truth.ids[200:300, 200:300] = -1
    guess = _things((20, 20, 120, 120), (210, 210, 290, 290))
    true, found = _sides(instances_picture(GREY, truth, guess, ["cell"]))
    assert set(np.unique(true[200:300, 200:300])) == {90, 150}
    assert not _has(found, KIND_COLOURS["background"]).any()


@pytest.mark.parametrize(("unknown", "false"), [(60, []), (45, [0])])
def test_a_thing_found_mostly_on_unknown_pixels_is_no_error(unknown, false):
    ids = np.zeros((10, 10), np.int32)
    ids.ravel()[:unknown] = -1
    truth = Instances(ids, np.zeros(0, np.int32), np.zeros(0, np.float32))
    guess = Instances(np.ones((10, 10), np.int32), np.zeros(1, np.int32), np.ones(1, np.float32))
    assert judge_things(truth, guess) == ([], [], false)


ODD = ["", "a\nb\tc", "x" * 500, "血小板", "عربي", "e\u0301", "\udcff.jpg", "a\x00b", "🐞", "$\\x{"]


@pytest.mark.parametrize("name", ODD)
def test_any_name_is_drawn_inside_the_picture(name):
    names = [name, name]
    box = [300, 5, 355, 60]
    width = 2 * SIDE + 24
    ids = _things((300, 5, 355, 60))
    pictures = [
        detection_picture(GREY, [[*box, 0, 1]], [[*box, 1, 0.9]], names),
        detection_picture(GREY, [[*box, 0, 1]], np.zeros((0, 6)), names),
        localization_picture(GREY, [*box, 0, 1], [*box, 0.2, 0.8], names),
        segmentation_picture(GREY, ids.ids % 2, ids.ids % 2, names),
        instances_picture(GREY, ids, ids, names),
    ]
    assert all(picture.shape[1] == width for picture in pictures)
    for worst in (
        worst_detected([[[*box, 0, 1]]], [np.zeros((0, 6))], names),
        worst_localized([[*box, 0, 1]], [[*box, 0.2, 0.8]], names),
        worst_segmented([ids.ids % 2], [ids.ids % 2], names),
    ):
        assert worst[0].caption.isprintable()


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(), max_size=40), st.integers(1, 400))
def test_text_is_cut_to_its_width(text, width):
    font = font_of(16)
    assert font.getlength(fitted(text, font, width)) <= width


@settings(max_examples=40, deadline=None)
@given(st.integers(0, SIDE - 30), st.integers(0, SIDE - 30))
def test_words_stay_whole_wherever_the_box_is(x, y):
    colour = (1, 2, 250)

    def painted(x, y):
        panel = Panel(GREY, "")
        panel.box([x, y, x + 25, y + 25], colour, "a name")
        top = text_size(SIDE) + 10  # the title is not covered
        return _has(compose([panel])[top : top + SIDE], colour).sum()

    assert painted(x, y) == pytest.approx(painted(150, 150), abs=120)  # of about 2,000


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.data())
def test_images_of_any_shape_and_boxes_anywhere(height, width, data):
    image = np.zeros((height, width, 3), np.uint8)
    number = st.floats(-2000, 2000)
    box = [data.draw(number) for _ in range(4)]
    side = data.draw(st.integers(100, 500))
    alone = detection_picture(image, None, [[*box, 0, 0.9]], NAMES, side=side)
    both = detection_picture(image, [[*box, 1, 1]], [[*box, 0, 0.9]], NAMES, side=side)
    labels = np.full((height, width), 1)
    segmentation_picture(image, labels, labels, NAMES, side=side)
    assert both.dtype == np.uint8 and both.ndim == 3
    panel = alone.shape[1] - 16
    assert both.shape[1] == 2 * panel + 24 and max(panel, alone.shape[0]) >= side


@pytest.mark.parametrize(("height", "width"), [(360, 180), (180, 360), (720, 360), (90, 45)])
def test_boxes_and_masks_are_scaled_with_the_image(height, width):
    image = np.full((height, width, 3), 100, np.uint8)
    labels = np.zeros((height, width), np.uint8)
    labels[height // 2 :, : width // 2] = 1
    names = ["background", "ant"]
    picture = segmentation_picture(image, None, labels, names)
    rows, columns = np.nonzero((np.abs(picture - (0.6 * np.array(colour_of(1)) + 40)) <= 1).all(-1))
    scale, top = SIDE / max(height, width), text_size(SIDE) + 10
    left = (picture.shape[1] - width * scale) / 2
    assert rows.min() == pytest.approx(top + height * scale / 2, abs=2)
    assert rows.max() == pytest.approx(top + height * scale, abs=3)
    assert columns.min() == pytest.approx(left, abs=3)
    assert columns.max() == pytest.approx(left + width * scale / 2, abs=3 + scale / 2)
    box = [0, height / 2, width / 2, height]
    drawn = detection_picture(image, None, [[*box, 0, 0.9]], names)
    rows, columns = np.nonzero(_has(drawn[:, : int(left + width * scale / 2 + 3)], colour_of(0)))
    assert rows.max() < top + height * scale + 40 and columns.max() <= left + width * scale / 2 + 2


def test_a_legend_of_many_classes_is_counted():
    entries = [Entry(colour_of(k), f"a rather long name {k}") for k in range(200)]
    few, many = (compose([Panel(GREY, "")], legend) for legend in (entries[:1], entries))
    assert many.shape[0] - few.shape[0] == 3 * (text_size(SIDE) + 8)
    assert len({colour_of(k) for k in range(100)}) == 100


def test_pictures_of_the_sample_set_do_not_change_their_image():
    sample = generate_sample(10)
    image = sample.image.copy()
    image.flags.writeable = False
    boxes = np.column_stack([sample.boxes, sample.box_labels, np.ones(len(sample.boxes))])
    true = Instances(
        sample.instance_mask.astype(np.int32),
        sample.box_labels,
        np.ones(len(sample.boxes), np.float32),
    )
    detection_picture(image, boxes, boxes, SAMPLE_CLASSES)
    segmentation_picture(
        image, sample.semantic_mask, sample.semantic_mask, ["background", *SAMPLE_CLASSES]
    )
    picture = instances_picture(image, true, true, SAMPLE_CLASSES)
    left, right = _sides(picture)
    assert (left == right).all()
    assert np.array_equal(image, sample.image)


def test_localizers_are_ordered_by_class_then_box():
    box = [0, 0, 10, 10]
    truths = [[*box, 0, 1], [*box, 1, 1], [*box, 0, 1], [0, 0, 0, 0, 0, 0], [*box, -1, 1]]
    found = [
        [0, 0, 10, 2, 0.9, 0.1],  # class right, IoU 0.2
        [0, 0, 10, 10, 0.7, 0.3],  # class wrong, IoU 1
        [0, 0, 10, 1, 0.2, 0.8],  # class wrong, IoU 0.1
        [0, 0, 1, 1, 0.9, 0.1],  # class right, no box
        [0, 0, 10, 5, 0.9, 0.1],  # no class, IoU 0.5
    ]
    worst = worst_localized(truths, found, ["cat", "dog"])
    assert [one.index for one in worst] == [2, 1, 0, 4, 3]
    assert worst[0].caption == "cat taken for dog (0.80), IoU 0.10"
    assert worst[2].caption == "cat, right, IoU 0.20"
    assert worst[3].caption == "IoU 0.50"
    assert worst[0].badness == pytest.approx(1.9) and worst[-1].badness == 0


def test_detectors_are_ordered_by_their_errors():
    one, two = [0, 0, 40, 40], [60, 60, 90, 90]
    truth = [[*one, 0, 1], [*two, 1, 1]]
    right = [[*one, 0, 0.9], [*two, 1, 0.9]]
    answers = [
        right,
        [],
        [*right, [*one, 0, 0.8]],  # a double
        [*right, [200, 200, 230, 230, 2, 0.8]],  # background
        [*right, [200, 200, 230, 230, 2, 0.1]],  # too low a score
    ]
    worst = worst_detected([truth] * 5, answers, NAMES, 0.5)
    assert [entry.index for entry in worst] == [1, 3, 2, 0, 4]
    assert [entry.badness for entry in worst] == [2, 1, 0.5, 0, 0]
    assert worst[0].caption == "2 missed (ant, bee); 0 of 2 found"
    assert worst[1].caption == "1 background (cow); 2 of 2 found"
    assert worst[-1].caption == "2 of 2 found"


def test_segmenters_are_ordered_by_the_mean_iou_that_is_measured():
    rng = np.random.default_rng(0)
    truths = [rng.integers(0, 3, (8, 9)) for _ in range(6)]
    found = [np.where(rng.random((8, 9)) < k / 6, rng.integers(0, 3, (8, 9)), t)
             for k, t in enumerate(truths)]  # fmt: skip
    truths[2] = np.full((8, 9), 255)
    worst = worst_segmented(truths, found, NAMES)
    measured = evaluate_segmentation(zip(truths, found, strict=True), NAMES)["per_image"]
    assert measured[2] is None and worst[-1].index == 2
    assert [1 - entry.badness for entry in worst[:-1]] == pytest.approx(
        [measured[entry.index] for entry in worst[:-1]]
    )
    assert [entry.badness for entry in worst] == sorted((e.badness for e in worst), reverse=True)


def test_instances_are_ordered_by_panoptic_quality_then_errors():
    a, b = (20, 20, 120, 120), (200, 20, 300, 120)
    truth, empty = _things(a, b), _things()
    answers = [truth, _things(a), empty, empty, _things(a, b, classes=[0, 1])]
    truths = [truth, truth, _things(a), truth, truth]
    worst = worst_instances(truths, answers, NAMES, 0.5)
    assert [entry.index for entry in worst] == [3, 2, 4, 1, 0]
    assert worst[0].caption == "2 true, 0 found, 2 missed; panoptic quality 0.00"
    assert worst[2].caption == (
        "2 true, 2 found, 1 missed, 1 found that match none; panoptic quality 0.50"
    )
    assert worst_instances([empty], [empty], NAMES)[0].badness == 0


@pytest.mark.parametrize("seed", range(5))
def test_things_are_judged_by_their_masks(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(-1, 5, (6, 6)).repeat(4, 0).repeat(4, 1).astype(np.int32)
    guess = np.where(rng.random(truth.shape) < 0.3, rng.integers(0, 5, truth.shape), truth)
    guess[guess < 0] = rng.integers(0, 2) * 4
    kinds = rng.integers(0, 2, 4).astype(np.int32)
    true = Instances(truth, kinds, np.ones(4, np.float32))
    found = Instances(guess.astype(np.int32), np.roll(kinds, seed % 2), rng.random(4))
    pairs, missed, false = judge_things(true, found)
    known, expected = truth >= 0, []
    for t, a in enumerate(true.masks & known):
        for d, b in enumerate(found.masks & known):
            iou = (a & b).sum() / max((a | b).sum(), 1)
            if iou > 0.5 and true.classes[t] == found.classes[d]:
                expected.append((t, d, pytest.approx(iou)))
    assert pairs == expected
    assert missed == [t for t in range(4) if t not in {t for t, _, _ in expected}]
    lying = [(mask & ~known).sum() * 2 > mask.sum() for mask in found.masks]
    taken = {d for _, d, _ in expected}
    assert false == [d for d in range(4) if d not in taken and not lying[d]]
    kept = things_above(found, 0.5)
    assert len(kept) == (found.scores >= 0.5).sum()
    assert set(np.unique(kept.ids)) <= set(range(len(kept) + 1))
