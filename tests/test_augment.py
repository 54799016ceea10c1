"""Operations and presets: image, boxes and mask move together, as a seed and a preset say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.data import PRESETS, Sample, preset, resize_image
from tl_keras.data.augment import geometry
from tl_keras.data.augment.change import Change
from tl_keras.data.augment.movements import Affine, Crop, Flip, Perspective, QuarterTurn
from tl_keras.data.augment.paints import Bands, Blur, Erase, toned
from tl_keras.data.augment.randaugment import _ALL, RandAugment, stretched
from tl_keras.errors import InputError

MOVEMENTS = [
    Crop(area=(0.3, 1.0), aspect=(3 / 4, 4 / 3)),
    Flip(0.5, 0.5),
    QuarterTurn(),
    Affine(rotate=45, zoom=(0.8, 1.3), shear=15, across=0.1, down=0.1),
    Perspective(0.1),
]


def smooth(height, width):
    rows, columns = np.mgrid[:height, :width].astype(float)
    planes = [np.sin(columns / 9), np.cos(rows / 11), np.sin((rows + columns) / 13)]
    return (127.5 + 100 * np.stack(planes, -1)).astype(np.uint8)


def drawn(operations, seed, height, width):
    change, random = Change(height, width), np.random.default_rng(seed)
    for operation in operations:
        operation.draw(random, change)
    return change


def hull(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


seeds = st.integers(0, 2**32 - 1)
sides = st.integers(40, 120)


@settings(max_examples=150, deadline=None)
@given(seeds, sides, sides, st.lists(st.sampled_from(MOVEMENTS), min_size=1, max_size=3))
def test_a_box_is_the_hull_of_its_moved_mask(seed, height, width, operations):
    random = np.random.default_rng(seed)
    change = drawn(operations, seed, height, width)
    x1, y1 = random.integers(0, width - 12), random.integers(0, height - 12)
    x2, y2 = random.integers(x1 + 8, width + 1), random.integers(y1 + 8, height + 1)
    things = np.zeros((height, width, 1), np.uint8)
    things[y1:y2, x1:x2] = 1
    sample = Sample(smooth(height, width), np.array([[x1, y1, x2, y2]], "float32"), things)
    moved, kept = change.sample(sample, keep=1.0)
    assert moved.mask.shape == things.shape and moved.image.shape == sample.image.shape
    if len(kept):  # not cut off, so all of it can be seen
        # A corner that is sharper than a pixel loses its tip between the centres of pixels.
        assert np.abs(hull(moved.mask[..., 0]) - moved.boxes[0]).max() <= 1.1


def test_boxes_and_masks_have_no_bias_against_each_other():
    """Half a pixel would hide in the tolerance of a single box."""
    apart = []
    for seed in range(300):
        change = drawn(MOVEMENTS[:1], seed, 80, 80)
        mask = np.zeros((80, 80, 1), np.uint8)
        mask[30:50, 35:60] = 1
        box = np.array([[35, 30, 60, 50]], "float32")
        moved, kept = change.sample(Sample(smooth(80, 80), box, mask), keep=1.0)
        if len(kept):
            apart.append(hull(moved.mask[..., 0]) - moved.boxes[0])
    assert len(apart) > 50 and np.abs(np.mean(apart, 0)).max() < 0.1


@settings(max_examples=100, deadline=None)
@given(seeds, st.lists(st.sampled_from(MOVEMENTS), min_size=1, max_size=4))
def test_there_and_back_again(seed, operations):
    image = smooth(96, 96)
    change = drawn(operations, seed, 96, 96)
    there = geometry.move_image(image, change.matrix)
    back = geometry.move_image(there, np.linalg.inv(change.matrix))
    # Only where nothing came from beyond an edge, in either direction, and nothing was shrunk away.
    seen = np.full((96, 96), 1, np.uint8)
    seen = geometry.move_mask(geometry.move_mask(seen, change.matrix), np.linalg.inv(change.matrix))
    inside = np.zeros((96, 96), bool)
    inside[3:-3, 3:-3] = True
    sure = (seen == 1) & inside
    if sure.sum() > 100:
        assert np.abs(back.astype(int) - image)[sure].mean() < 3
    boxes = np.array([[10, 20, 40, 70]], "float32")
    corners, kept = geometry.move_boxes(boxes, np.eye(3), 96, 96)
    assert (corners == boxes).all() and kept.tolist() == [0]


def test_movements_are_one_resampling_of_one_matrix():
    operations = [Crop(area=(0.5, 0.9)), Affine(rotate=20), Perspective(0.05), Flip(1.0)]
    together = drawn(operations, 3, 64, 80)
    one_by_one, random = np.eye(3), np.random.default_rng(3)
    for operation in operations:
        single = Change(64, 80)
        operation.draw(random, single)
        one_by_one = single.matrix @ one_by_one
    np.testing.assert_allclose(together.matrix, one_by_one, rtol=1e-12)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Flip(1.0, 0.0), lambda array: array[:, ::-1]),
        (Flip(0.0, 1.0), lambda array: array[::-1]),
        (Flip(1.0, 1.0), lambda array: array[::-1, ::-1]),
    ],
)
def test_flips_are_exact(operation, expected):
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (37, 52, 3), np.uint8)
    mask = random.integers(0, 5, (37, 52), np.uint8)
    things = random.integers(0, 2, (37, 52, 6), np.uint8)
    boxes = np.array([[3, 4, 20, 30], [0, 0, 52, 37]], "float32")
    change = drawn([operation], 0, 37, 52)
    for array in (mask, things):
        moved, kept = change.sample(Sample(image, boxes, array))
        assert (moved.image == expected(image)).all()
        assert (moved.mask == expected(array)).all()
        assert kept.tolist() == [0, 1]
    marked = np.zeros((37, 52), np.uint8)
    marked[4:30, 3:20] = 1
    assert (moved.boxes[0] == hull(expected(marked))).all()


def test_quarter_turns_are_exact_and_all_happen():
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    turned = [np.rot90(image, -k) for k in range(4)]
    seen = set()
    for seed in range(40):
        result = drawn([QuarterTurn()], seed, 40, 40).image(image)
        seen.add(next(k for k in range(4) if (result == turned[k]).all()))
    assert seen == {0, 1, 2, 3}
    wide = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    for seed in range(10):
        result = drawn([QuarterTurn()], seed, 20, 40).image(wide)
        assert (result == wide).all() or (result == wide[::-1, ::-1]).all()


def test_boxes_are_cut_off_and_dropped_by_the_share_that_is_left():
    boxes = np.array(
        [[0, 0, 10, 10], [70, 0, 90, 10], [74, 0, 94, 10], [95, 0, 99, 9], [5, 5, 5, 9],
         [9, 9, 5, 5]], "float32",
    )  # fmt: skip
    moved, kept = geometry.move_boxes(boxes, geometry.shifted(20, 0), 100, 100, keep=0.5)
    assert kept.tolist() == [0, 1]
    assert moved.tolist() == [[20, 0, 30, 10], [90, 0, 100, 10]]
    moved, kept = geometry.move_boxes(boxes, geometry.shifted(20, 0), 100, 100, keep=0.0)
    assert kept.tolist() == [0, 1, 2]
    assert geometry.move_boxes(boxes[:0], np.eye(3), 9, 9)[0].shape == (0, 4)


def test_classes_in_a_mask_are_never_mixed():
    mask = np.kron(np.array([[0, 7], [200, 9]], np.uint8), np.ones((20, 20), np.uint8))
    for seed in range(20):
        change = drawn([Affine(rotate=45, zoom=(0.8, 1.3)), Perspective(0.1)], seed, 40, 40)
        moved, _ = change.sample(Sample(smooth(40, 40), mask=mask))
        assert set(np.unique(moved.mask)) <= {0, 7, 9, 200, 255}
    things = (mask[..., None] == np.array([0, 7, 9, 200, 1])).astype(np.uint8)
    moved, _ = change.sample(Sample(smooth(40, 40), mask=things * 255))
    assert set(np.unique(moved.mask)) == {0, 255}


def test_beyond_the_edge_no_class_no_thing_and_the_edge_s_own_colour():
    image = smooth(20, 20)
    change = Change(20, 20)
    change.move(geometry.shifted(5, 0))
    classes, _ = change.sample(Sample(image, mask=np.full((20, 20), 3, np.uint8)))
    assert (classes.mask[:, :5] == 255).all() and (classes.mask[:, 5:] == 3).all()
    assert (classes.image[:, :5] == image[:, :1]).all()
    for count in (1, 3, 7):
        things, _ = change.sample(Sample(image, mask=np.ones((20, 20, count), np.uint8)))
        assert things.mask.shape == (20, 20, count)
        assert (things.mask[:, :5] == 0).all() and (things.mask[:, 5:] == 1).all()
    nothing, _ = change.sample(Sample(image, mask=np.ones((20, 20, 0), np.uint8)))
    assert nothing.mask.shape == (20, 20, 0)


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(("height", "width"), [(61, 90), (90, 61), (200, 97), (32, 32)])
def test_boxes_follow_an_image_into_the_square(resize, height, width):
    image = np.zeros((height, width, 3), np.uint8)
    y1, y2, x1, x2 = height // 3, height // 2 + 2, width // 3, width // 2 + 3
    image[y1:y2, x1:x2] = 255
    square = resize_image(image, 32, resize)
    matrix = geometry.to_square(height, width, 32, resize)
    boxes, _ = geometry.move_boxes(np.array([[x1, y1, x2, y2]], "float32"), matrix, 32, 32)
    assert np.abs(hull(square[..., 0] > 127) - boxes[0]).max() <= 1
    mask = geometry.move_mask((image[..., 0] > 0).astype(np.uint8), matrix, (32, 32))
    assert mask.shape == (32, 32) and np.abs(hull(mask == 1) - boxes[0]).max() <= 1


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_function_of_its_generator(name):
    image = smooth(48, 48)
    before = image.copy()
    one, again = (PRESETS[name].image(image, np.random.default_rng([1, 2, 3])) for _ in range(2))
    assert one.shape == image.shape and one.dtype == np.uint8 and (one == again).all()
    assert (image == before).all()
    sample, kept = PRESETS[name].sample(
        Sample(image, np.array([[8, 8, 40, 40]], "float32")), np.random.default_rng([1, 2, 3])
    )
    assert (sample.image == one).all() and kept.tolist() == [0]
    others = [PRESETS[name].image(image, np.random.default_rng(seed)) for seed in range(5)]
    assert name == "none" or len({other.tobytes() for other in others}) == 5


def turned_or_mirrored(name, seeds=60):
    """Of what a preset draws: the share of mirrored images, and the largest angle, degrees."""
    mirrored, angle = 0, 0.0
    for seed in range(seeds):
        matrix = PRESETS[name].draw(np.random.default_rng(seed), 100, 100).matrix
        linear = matrix[:2, :2]
        mirrored += np.linalg.det(linear) < 0
        if np.linalg.det(linear) > 0:
            angle = max(angle, abs(np.degrees(np.arctan2(linear[1, 0], linear[0, 0]))))
    return mirrored / seeds, angle


@pytest.mark.parametrize(
    ("name", "share", "least", "most"),
    [
        ("light", 0.5, 0, 0),
        ("standard", 0.5, 5, 10.01),
        ("document", 0.0, 0.5, 5),
        ("medical", 0.0, 4, 7.01),
        ("texture", 0.5, 180, 180),
        ("spectrogram", 0.0, 0, 0),
    ],
)
def test_presets_mirror_and_turn_only_where_that_tells_the_truth(name, share, least, most):
    mirrored, angle = turned_or_mirrored(name)
    assert abs(mirrored - share) < 0.2 if share else mirrored == 0
    assert least <= angle <= most
    for view in PRESETS[name].views:
        assert share or not view.mirror
        assert abs(view.rotate) <= most and (view.turns == 0 or name == "texture")


def test_light_is_light():
    yy, xx = np.mgrid[0:64, 0:64]
    image = np.stack([xx * 4, yy * 4, np.full_like(xx, 100)], -1).astype(np.uint8)
    for seed in range(100):
        result = PRESETS["light"].image(image, np.random.default_rng(seed))
        if result[32, 0, 0] > result[32, -1, 0]:
            result = result[:, ::-1]
        assert np.abs(result.astype(int) - image).mean() < 40
        assert result[0, 32, 1] < result[-1, 32, 1]  # never upside down


def test_a_crop_is_a_window_of_the_image_of_the_area_said():
    areas = []
    for seed in range(200):
        matrix = drawn([Crop(area=(0.4, 0.8), aspect=(0.75, 1.33))], seed, 60, 90).matrix
        corners = np.linalg.inv(matrix) @ np.array([[0, 0, 1], [90, 60, 1]]).T
        (x1, x2), (y1, y2) = corners[:2]
        assert -1e-9 <= x1 < x2 <= 90 + 1e-9 and -1e-9 <= y1 < y2 <= 60 + 1e-9
        areas.append((x2 - x1) * (y2 - y1) / 5400)
    assert 0.39 < min(areas) < 0.45 and 0.7 < max(areas) < 0.8001


def test_tones():
    image = np.array([[[200, 100, 50]]], np.uint8)
    grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert toned(image, (1, 1, 1)).tolist() == image.tolist()
    assert toned(image, (1, 1, 0)).ravel().tolist() == [round(grey)] * 3
    assert toned(image, (1, 0, 1)).ravel().tolist() == [128] * 3
    assert toned(image, (2, 1, 1)).ravel().tolist() == [255, 200, 100]


def test_erasing_covers_one_rectangle_of_the_share_said_with_noise():
    image = np.full((80, 80, 3), 7, np.uint8)
    erased = 0
    for seed in range(200):
        result = drawn([Erase(0.5, (0.02, 0.2))], seed, 80, 80).image(image)
        changed = (result != 7).any(-1)
        if changed.any():
            erased += 1
            x1, y1, x2, y2 = hull(changed)
            assert changed[y1:y2, x1:x2].mean() > 0.95
            assert 0.015 < changed.mean() < 0.21
    assert 70 < erased < 130


def test_bands_are_of_the_mean_and_run_from_edge_to_edge():
    image = smooth(60, 100)
    mean = np.rint(image.mean((0, 1))).astype(np.uint8)
    upright = lying = 0
    for seed in range(30):
        result = drawn([Bands(time=2, frequency=1, share=0.2)], seed, 60, 100).image(image)
        covered = (result == mean).all(-1)
        whole_columns, whole_rows = covered.all(0), covered.all(1)
        assert (
            result[~whole_rows][:, ~whole_columns] == image[~whole_rows][:, ~whole_columns]
        ).all()
        assert whole_columns.sum() <= 40 and whole_rows.sum() <= 12
        upright, lying = upright + whole_columns.any(), lying + whole_rows.any()
    assert upright > 20 and lying > 15


def test_blur_keeps_the_mean_and_takes_the_contrast():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    result = drawn([Blur(1.0, (2.0, 2.0))], 0, 64, 64).image(image)
    assert abs(result.mean() - image.mean()) < 1 and result.std() < image.std()


def test_every_operation_of_randaugment_works_and_strength_0_changes_little():
    image = smooth(64, 64)
    for number, operation in enumerate(_ALL):
        for sign in (-1, 1):
            strong, weak = Change(64, 64), Change(64, 64)
            operation(strong, 0.6, sign)
            operation(weak, 0.0, sign)
            result = strong.image(image)
            assert result.dtype == np.uint8 and (number == 0 or (result != image).any())
            if operation.__name__ not in ("_autocontrast", "_equalise"):
                assert (weak.image(image) == image).all()
    assert drawn([RandAugment(0)], 0, 64, 64).image(image).tolist() == image.tolist()


def test_autocontrast_stretches_to_the_whole_range():
    image = np.stack([np.linspace(50, 99, 50)] * 3, -1).reshape(1, 50, 3).astype(np.uint8)
    image[..., 2] = 30
    result = stretched(image)
    assert result[..., 0].min() == 0 and result[..., 0].max() == 255
    assert (result[..., 2] == 30).all()


@pytest.mark.parametrize("name", ["heavy", "standart", "", "light+", "light+mixup+mixup", None])
def test_unknown_presets_are_said(name):
    with pytest.raises(InputError, match=r"choose one of|may stand"):
        preset(name)


def test_a_near_name_is_offered():
    with pytest.raises(InputError, match="did you mean 'standard'"):
        preset("standart")


@pytest.mark.parametrize(
    "parts",
    [
        {"image": np.zeros((4, 4), np.uint8)},
        {"image": np.zeros((4, 4, 3))},
        {"image": np.zeros((4, 4, 3), np.uint8), "boxes": np.zeros((2, 4))},
        {"image": np.zeros((4, 4, 3), np.uint8), "mask": np.zeros((4, 5), np.uint8)},
        {"image": np.zeros((4, 4, 3), np.uint8), "mask": np.zeros((4, 4), bool)},
    ],
)
def test_samples_that_do_not_fit_are_said(parts):
    with pytest.raises(InputError, match=r"give uint8|give float32"):
        Sample(**parts)
