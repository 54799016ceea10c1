"""Boxes, classes by pixel and things agree after any change, and nothing drifts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.data import Boxes, Examples
from tl_keras.data.augment import PRESETS, geometry
from tl_keras.data.augment.change import Change
from tl_keras.data.drawn_targets import BoxTargets, InstanceTargets, PixelTargets, things_of
from tl_keras.data.framing import Frame
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.data.renaming import with_classes

SIZE = 96
NAMES = ("background", "ant", "bee", "crab")
MOVING = [name for name in PRESETS if name not in ("none",)]
seeds = st.integers(0, 2**32 - 1)
modes = st.sampled_from(["crop", "pad", "stretch"])


def hull(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def blob(random, height, width):
    """A star-shaped outline of some size, somewhere, maybe cut off by an edge."""
    angles = np.sort(random.uniform(0, 2 * np.pi, 9))
    radii = random.uniform(0.1, 0.3) * min(height, width) * random.uniform(0.4, 1, 9)
    x, y = random.uniform(0, width), random.uniform(0, height)
    points = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1)
    return Shape((tuple(np.clip(points, 0, [width, height]).ravel().tolist()),))


def table(mask, height, width, boxes=None):
    return Examples(
        ("a.png",), np.array([-1]), NAMES, ("0f",), (None,), boxes=boxes, masks=(mask,),
        sizes=np.array([(height, width)]),
    )  # fmt: skip


def change_of(name, seed):
    return PRESETS[name].draw(np.random.default_rng(seed), SIZE, SIZE)


@settings(max_examples=150, deadline=None)
@given(seeds, st.sampled_from(MOVING), modes, st.integers(40, 200), st.integers(40, 200))
def test_a_box_is_the_hull_of_its_moved_rectangle(seed, name, resize, height, width):
    random = np.random.default_rng(seed)
    x1, y1 = random.integers(0, width - 12), random.integers(0, height - 12)
    x2, y2 = random.integers(x1 + 10, width + 1), random.integers(y1 + 10, height + 1)
    corners = tuple(map(float, (x1, y1, x2, y1, x2, y2, x1, y2)))
    mask = ShapeMask((Shape((corners,)),), (1,), (False,), 0)
    examples = table(mask, height, width, (Boxes.of([(x1, y1, x2, y2)], [1]),))
    change = change_of(name, seed)
    box = BoxTargets(examples, SIZE, resize).row(0, change)[0]
    ids = InstanceTargets(examples, SIZE, resize).row(0, change)[..., 5]
    matrix = change.matrix @ geometry.to_square(height, width, SIZE, resize)
    points = matrix @ np.array([[x1, x2, x2, x1], [y1, y1, y2, y2], [1, 1, 1, 1]])
    points = points[:2] / points[2]
    whole = points.min() >= 0 and points.max() <= SIZE
    if not whole or box[5] == 0 or (box[2:4] - box[:2] < 4).any():
        return
    assert (ids == 1).any()
    # A corner that is sharper than a pixel loses its tip between the centres of pixels, and
    # pixels of the mask are as large in the square as they were enlarged.
    slack = 1.1 + max(1, np.abs(matrix[:2, :2]).max()) * 0.5
    assert np.abs(hull(ids == 1) - box[:4]).max() <= slack


@settings(max_examples=100, deadline=None)
@given(seeds, st.sampled_from(MOVING), modes, st.integers(40, 160), st.integers(40, 160))
def test_a_box_holds_its_moved_thing(seed, name, resize, height, width):
    random = np.random.default_rng(seed)
    mask = ShapeMask((blob(random, height, width),), (2,), (False,), 0)
    drawn = mask.semantic(height, width) == 2
    if drawn.sum() < 60:
        return
    examples = table(mask, height, width, (Boxes.of([hull(drawn)], [2]),))
    change = change_of(name, seed)
    box = BoxTargets(examples, SIZE, resize).row(0, change)[0]
    ids = InstanceTargets(examples, SIZE, resize).row(0, change)[..., 5]
    if box[5] == 0 or not (ids == 1).any():
        return
    seen = hull(ids == 1)
    assert (seen[:2] >= box[:2] - 1.01).all() and (seen[2:] <= box[2:4] + 1.01).all()
    linear = change.matrix[:2, :2]
    whole = box[:2].min() > 0 and box[2:4].max() < SIZE  # what is cut off may have been the widest
    if whole and np.count_nonzero(np.abs(linear) > 1e-9) == 2 and not change.matrix[2, :2].any():
        # Nothing is slanted: then it fits closely, but for pixels that were left out in shrinking.
        matrix = change.matrix @ geometry.to_square(height, width, SIZE, resize)
        slack = 1.1 + max(1, np.abs(matrix[:2, :2]).max()) * 0.5
        slack += 2 * (np.abs(matrix[:2, :2]).max(axis=1).min() < 1)
        assert np.abs(seen - box[:4]).max() <= slack


@settings(max_examples=120, deadline=None)
@given(seeds, st.sampled_from(list(PRESETS)), modes, st.integers(1, 9), st.booleans())
def test_things_are_of_the_class_that_pixels_are(seed, name, resize, count, renamed):
    random = np.random.default_rng(seed)
    height, width = (int(side) for side in random.integers(30, 150, 2))
    shapes = tuple(blob(random, height, width) for _ in range(count))
    kinds = tuple(random.integers(1, 4, count).tolist())
    crowd = tuple((random.random(count) < 0.25).tolist())
    examples = table(ShapeMask(shapes, kinds, crowd, 0), height, width)
    if not any(not c for c in crowd):
        return
    if renamed:
        examples = with_classes(examples, ["crab", "bee", "background", "wasp", "ant"])
    background = examples.class_names.index("background")
    change = change_of(name, seed)
    by_class = PixelTargets(examples, SIZE, resize).row(0, change)
    row = InstanceTargets(examples, SIZE, resize).row(0, change)
    things = things_of(row)
    of_pixel = np.append(things.classes, [255, background])[
        np.where(things.ids > 0, things.ids - 1, np.where(things.ids < 0, -2, -1))
    ]
    np.testing.assert_array_equal(of_pixel, by_class)
    assert len(things) == len(np.unique(things.ids[things.ids > 0]))
    # One and the same thing by the protocol's two ways.
    apart, classes = examples.masks[0].instances(height, width)
    whole = examples.masks[0].things(height, width)
    for mask, kind in zip(whole.masks, whole.classes, strict=True):
        inside = [
            (mask <= other).all() and kind == label
            for other, label in zip(apart, classes, strict=True)
        ]
        assert any(inside)


@pytest.mark.parametrize("operation", ["left_right", "up_down", "turn"])
def test_repeated_flips_and_turns_change_nothing(operation):
    random = np.random.default_rng(0)
    ids = random.integers(-1, 300, (64, 64)).astype(np.int16)
    boxes = np.array([[3, 4, 20, 30.5], [0, 0, 64, 64]], "float32")
    matrix, round_trip = {
        "left_right": (geometry.shifted(64, 0) @ geometry.scaled(-1, 1), 2),
        "up_down": (geometry.shifted(0, 64) @ geometry.scaled(1, -1), 2),
        "turn": (geometry.about_centre(geometry.rotated(90), 64, 64), 4),
    }[operation]
    moved, corners, total = ids, boxes, Change(64, 64)
    for _ in range(round_trip * 25):
        moved = geometry.move_ids(moved, matrix)
        corners, kept = geometry.move_boxes(corners, matrix, 64, 64)
        total.move(matrix)
        assert len(kept) == 2
    np.testing.assert_array_equal(moved, ids)
    np.testing.assert_array_equal(corners, boxes)
    np.testing.assert_array_equal(total.matrix, np.eye(3))


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from(MOVING))
def test_there_and_back_many_times_does_not_drift(seed, name):
    matrix = change_of(name, seed).matrix
    back = np.linalg.inv(matrix)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[40:58, 36:62] = 1
    corners = matrix @ np.array([[36, 62, 62, 36], [40, 40, 58, 58], [1, 1, 1, 1]])
    if (corners[:2] / corners[2]).min() < 2 or (corners[:2] / corners[2]).max() > SIZE - 2:
        return
    moved = mask
    for _ in range(10):
        moved = geometry.move_mask(geometry.move_mask(moved, matrix), back)
    first, last = (np.argwhere(m == 1).mean(0) for m in (mask, moved))
    shrunk = max(1.0, np.abs(back[:2, :2]).max())
    assert np.abs(first - last).max() < 0.6 * shrunk
    assert 0.8 < (moved == 1).sum() / mask.sum() < 1.25


@settings(max_examples=60, deadline=None)
@given(st.integers(20, 200), st.integers(20, 200), st.integers(24, 160), modes)
def test_the_square_and_the_image_in_turn_do_not_drift(height, width, size, resize):
    frame = Frame(height, width, size, resize)
    matrix = geometry.to_square(height, width, size, resize)
    box = frame.boxes(np.array([[size * 0.4, size * 0.4, size * 0.6, size * 0.65]], "float32"))
    moved = box
    for _ in range(20):
        there, _ = geometry.move_boxes(moved, matrix, size, size, 0)
        moved = frame.boxes(there)
    np.testing.assert_allclose(moved, box, atol=1e-3)
    x1, y1, x2, y2 = box[0].round().astype(int)
    mask = np.zeros((height, width), np.uint8)
    mask[y1:y2, x1:x2] = 1
    if not mask.any():
        return
    once = frame.mask(geometry.move_mask(mask, matrix, (size, size)), 255)
    again = once
    for _ in range(10):
        again = frame.mask(geometry.move_mask(again, matrix, (size, size)), 255)
    if (once == 1).any():
        step = np.maximum(1, 1 / matrix[[0, 0, 1, 1][::2], [0, 0, 1, 1][::2]])
        drift = np.argwhere(again == 1).mean(0) - np.argwhere(once == 1).mean(0)
        assert np.abs(drift).max() <= 0.75 * step.max()
