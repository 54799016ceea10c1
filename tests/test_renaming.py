"""A table under the class names of a model: what is renumbered, given up, or refused."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import Boxes, Examples
from tl_keras.data.mask_files import ClassMask, ThingMask
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.data.renaming import RenamedMask, with_classes
from tl_keras.errors import InputError

NAMES = ("background", "ant", "bee", "crab")


def square(x, y, side=2):
    return Shape(((x, y, x + side, y, x + side, y + side, x, y + side),))


@pytest.fixture
def table(tmp_path):
    values = np.zeros((6, 8), "uint8")
    values[:2, :2], values[4:, 4:], values[0, 7] = 2, 1, 255
    Image.fromarray(values).save(tmp_path / "classes.png")
    for number, left in enumerate((0, 5)):
        thing = np.zeros((6, 8), "uint8")
        thing[1:4, left : left + 3] = 255
        Image.fromarray(thing).save(tmp_path / f"{number}.png")
    masks = (
        ClassMask(str(tmp_path / "classes.png"), (0, 1, 2, *(-1,) * 252, 255), background=0),
        ThingMask((str(tmp_path / "0.png"), str(tmp_path / "1.png")), (2, 1), background=0),
        ShapeMask((square(0, 0), square(4, 2), square(6, 0)), (1, 2, 3), (False, False, True), 0),
    )
    boxes = (
        Boxes.of([(4, 4, 8, 6), (0, 0, 2, 2)], [1, 2]),
        Boxes.of([(0, 1, 3, 4), (5, 1, 8, 4)], [2, 1]),
        Boxes.of([(0, 0, 2, 2), (4, 2, 6, 4), (6, 0, 8, 2)], [1, 2, 3], [False, False, True]),
    )
    sizes = np.array([(6, 8)] * 3)
    return Examples(
        ("a", "b", "c"), np.array([1, 2, -1]), NAMES, ("0", "1", "2"), (None,) * 3, boxes=boxes,
        masks=masks, sizes=sizes, root="insects",
    )  # fmt: skip


def named(table, i):
    """What the i-th example says, by names."""
    names = np.array([*table.class_names, *[""] * (256 - len(table.class_names))])
    mask, boxes = table.masks[i], table.boxes[i]
    things, kinds = mask.instances(6, 8)
    on_one_map = mask.things(6, 8)
    label = table.labels[i]
    return (
        "" if label < 0 else table.class_names[label],
        [(*box.tolist(), names[k], bool(skip))
         for box, k, skip in zip(boxes.xyxy, boxes.classes, boxes.ignore, strict=True)],
        names[mask.semantic(6, 8)].tolist(),
        [(thing.tolist(), names[k]) for thing, k in zip(things, kinds, strict=True)],
        on_one_map.ids.tolist(),
        names[on_one_map.classes].tolist(),
    )  # fmt: skip


def test_another_order_says_the_same(table):
    other = with_classes(table, ["crab", "bee", "wasp", "background", "ant"])
    assert other.class_names == ("crab", "bee", "wasp", "background", "ant")
    for i in range(3):
        assert named(other, i) == named(table, i)
    assert other.labels.tolist() == [4, 1, -1] and other.masks[0].kinds() == (1, 3, 4)


def test_without_background(table):
    bare = with_classes(table, ["bee", "ant"])
    for i in range(3):
        before, after = named(table, i), named(bare, i)
        assert after[0] == before[0]
        # The crowd is of a class that is no longer known: nothing of it counts anyway.
        assert after[1] == [box for box in before[1] if box[4] != "crab"]
        whole, left = np.array(before[2]), np.array(after[2])
        assert (left == np.where(whole == "background", "", whole)).all()
        assert after[3:] == before[3:]
    assert (bare.masks[2].things(6, 8).ids == -1).sum() == 4  # the crowd's pixels stay unknown
    assert (bare.masks[0].semantic(6, 8) == 255).sum() == 48 - 4 - 8


def test_fingerprints_follow_the_meaning(table):
    assert with_classes(table, NAMES) is table
    longer = with_classes(table, [*NAMES, "dragonfly"])
    assert longer.masks == table.masks
    swapped = with_classes(table, ["background", "bee", "ant", "crab"])
    for mask, before in zip(swapped.masks, table.masks, strict=True):
        assert isinstance(mask, RenamedMask) and mask.fingerprint() != before.fingerprint()
    assert with_classes(swapped, NAMES).masks == table.masks
    assert with_classes(swapped, NAMES).fingerprint() == table.fingerprint()
    again = with_classes(swapped, ["bee", "ant", "background"])
    straight = with_classes(table, ["bee", "ant", "background"])
    assert again.fingerprint() == straight.fingerprint()


def test_a_thing_of_a_class_given_up_is_nothing(table):
    bees = with_classes(table, ["background", "bee"], drop=["ant"])
    for i, count in enumerate((1, 1, 1)):
        assert named(bees, i)[5] == ["bee"] * count
        assert np.array(named(bees, i)[4]).max() == 1
        assert {box[4] for box in named(bees, i)[1]} == {"bee"}
    assert bees.labels.tolist() == [-1, 1, -1]


def test_unknown_classes_are_refused(table):
    with pytest.raises(InputError, match=r"insects has a class .*: 'ant' .it knows 'bee'"):
        with_classes(table, ["bee", "background"])
    with pytest.raises(InputError, match=r"classes .* 'background', 'ant'"):
        with_classes(table, ["bee"], drop=())
    for column in ("labels", "boxes", "masks"):
        only = replace(table, labels=np.full(3, -1), boxes=None, masks=None)
        only = replace(only, **{column: getattr(table, column)})
        with pytest.raises(InputError, match="'bee'"):
            with_classes(only, ["ant"])
        assert with_classes(only, ["bee", "ant"]).class_names == ("bee", "ant")
    with pytest.raises(InputError, match="hold bee twice"):
        with_classes(table, ["bee", "bee"])
    many = [f"c{k}" for k in range(260)]
    with pytest.raises(InputError, match="up to 254"):
        with_classes(table, [*many, "bee", "ant"]).masks[0].semantic(6, 8)
