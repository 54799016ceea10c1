"""Boxes and masks arrive in the batch where the pixels are, whatever happened to the image."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import Boxes, Examples, from_files
from tl_keras.data.drawn_targets import things_of
from tl_keras.data.instance_targets import maps_of
from tl_keras.data.instances import seen
from tl_keras.data.loading import BatchLoader
from tl_keras.data.mask_files import ThingMask
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.data.packed_maps import PackedMaps
from tl_keras.errors import InputError
from tl_keras.tasks.instance_objective import InstanceLoss

SIZE = 96


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Grey pictures of odd sizes with one white rectangle, which box and mask outline."""
    root = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(0)
    paths, boxes, masks = [], [], []
    for number in range(12):
        height, width = rng.integers(90, 260, 2)
        x, y = rng.integers(width // 4, width // 2), rng.integers(height // 4, height // 2)
        box = (x, y, x + width // 5, y + height // 5)
        pixels = np.full((height, width, 3), 60, "uint8")
        pixels[box[1] : box[3], box[0] : box[2]] = 255
        paths.append(root / f"{number}.png")
        Image.fromarray(pixels).save(paths[-1])
        boxes.append(Boxes.of([box, (0, 0, 9, 9)], [1, 0], [False, True]))
        corners = (box[0], box[1], box[2], box[1], box[2], box[3], box[0], box[3])
        masks.append(ShapeMask((Shape((corners,)),), (1,), (False,), background=0))
    examples = from_files(paths, ["a", "b"] * 6, progress=False)
    return replace(examples, boxes=tuple(boxes), masks=tuple(masks))


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("augment", ["none", "light", "standard", "strong"])
def test_box_and_mask_lie_on_the_white_rectangle(table, resize, augment):
    rows = np.arange(len(table))
    loaders = {
        target: BatchLoader(table, SIZE, resize, seed=3, augment=augment, target=target)
        for target in ("boxes", "pixels")
    }
    seen = ignored = 0
    for epoch in range(3):
        images, boxes = loaders["boxes"](rows, epoch)
        again, pixels = loaders["pixels"](rows, epoch)
        np.testing.assert_array_equal(images, again)
        assert boxes.shape == (12, 2, 6) and pixels.shape == (12, SIZE, SIZE)
        assert (boxes[..., 5] == np.where(boxes[..., 2] > 0, 2 * boxes[..., 4] - 1, 0)).all()
        ignored += (boxes[..., 5] == -1).sum()
        for image, box, mask in zip(images, boxes[:, 0], pixels, strict=True):
            grey = image.mean(-1)
            white = grey > (grey.min() + grey.max()) / 2
            drawn = mask == 1
            if box[5] <= 0 or white.sum() < 40 or grey.max() - grey.min() < 60:
                continue
            seen += 1
            union = (white | drawn)[mask != 255].sum()
            overlap = (white & drawn)[mask != 255].sum() / union
            x, y = np.flatnonzero(drawn.any(0)), np.flatnonzero(drawn.any(1))
            hull = np.array([x[0], y[0], x[-1] + 1, y[-1] + 1])
            assert box[4] == 1
            if augment in ("none", "light"):  # nothing turns, nothing is erased
                assert overlap > 0.75
                np.testing.assert_allclose(box[:4], hull, atol=1.6)
            else:
                inner = [box[0] - hull[0], box[1] - hull[1], hull[2] - box[2], hull[3] - box[3]]
                assert max(inner) < 1.6  # the box of a turned box holds the turned thing
    assert seen > 20
    assert ignored > 5 or resize == "crop"


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("augment", ["none", "standard", "strong"])
def test_things_lie_where_the_classes_of_pixels_do(table, resize, augment):
    rows = np.arange(len(table))
    pixels, things = (
        BatchLoader(table, SIZE, resize, seed=3, augment=augment, target=target)
        for target in ("pixels", "instances")
    )
    crowds = 0
    for epoch in range(2):  # the second is drawn from what was kept
        by_class, maps = pixels.targets_of(rows, epoch), things.targets_of(rows, epoch)
        assert maps.shape == (12, SIZE, SIZE, 6) and maps.dtype == "float32"
        for classes, row in zip(by_class, maps, strict=True):
            ids = row[..., 5]
            assert ((ids == 1) == (classes == 1)).all()
            assert (ids[classes == 255] == -1).all()
            assert ((row[..., 0] == 255) == (ids == -1)).all()
            assert (row[ids == 1, 0] == 2).all() and (row[ids == 0, 0] == 0).all()
            # The crowd, which is only a box, is background by class and not known as a thing.
            crowds += ((ids == -1) & (classes == 0)).any()
            true = things_of(row)
            assert true.classes.tolist() == [1][: int((classes == 1).any())]
            assert (true.ids == ids).all()
            np.testing.assert_array_equal(maps_of(true), row[..., :5])
    assert crowds > 1 or resize == "crop"


def test_things_are_told_apart_and_the_unknown_is_said(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    examples = Examples(
        (str(tmp_path / "a.png"),), np.array([-1]), ("a", "b", "c"), ("0f",), (None,),
        sizes=np.array([(40, 40)]),
    )  # fmt: skip

    def square(x, y):
        return Shape(((x, y, x + 8, y, x + 8, y + 8, x, y + 8),))

    shapes = (square(0, 0), Shape(), square(4, 4), Shape(), square(30, 30), square(20, 0))
    mask = ShapeMask(shapes, (0, 1, 0, 2, 2, 1), (False, False, False, True, True, False))
    boxes = Boxes.of(
        [(0, 0, 8, 8), (20, 20, 26, 26), (4, 4, 12, 12), (0, 30, 10, 40), (30, 30, 38, 38),
         (20, 0, 28, 8)],
        mask.classes, mask.ignore,
    )  # fmt: skip
    table = replace(examples, boxes=(boxes,), masks=(mask,))
    row = BatchLoader(table, 40, target="instances").targets_of(np.arange(1), 0)[0]
    expected = np.zeros((40, 40))
    expected[:8, :8], expected[4:12, 4:12], expected[:8, 20:28] = 1, 2, 3
    expected[20:26, 20:26] = expected[30:40, 0:10] = expected[30:38, 30:38] = -1
    np.testing.assert_array_equal(row[..., 5], expected)
    assert things_of(row).classes.tolist() == [0, 0, 1]
    assert row[0, 21, 0] == 2 and row[4:12, 4:12, 4].all() and not row[20:26, 20:26, 4].any()
    assert float(InstanceLoss()(row[None], perfect(row, 3)[None])) < 1e-4
    # Cut in two by an edge of the crop, a thing's middle is that of what is seen.
    things = seen(np.where(expected > 0, expected, 0).astype(int)[:, 2:], [0, 0, 1])
    assert maps_of(things)[0, 0, 2] > 0


def perfect(row, classes):
    labels = np.where(row[..., 0] == 255, 0, row[..., 0]).astype(int)
    return np.concatenate([np.eye(classes + 1, dtype="float32")[labels], row[..., 1:4]], -1)


def test_packed_maps_are_drawn_once_while_there_is_room():
    drawn = []

    def draw(index):
        drawn.append(index)
        return np.full((50, 60), index, np.int16), str(index)

    maps = PackedMaps(draw, limit=60)
    for index in (3, 4, 5, 3, 4, 5):
        array, rest = maps[index]
        assert (array == index).all() and array.shape == (50, 60) and rest == str(index)
    assert drawn.count(3) == 1 and drawn.count(5) == 2


def test_masks_of_another_size_or_of_too_many_things(table, tmp_path, monkeypatch):
    Image.new("L", (9, 9)).save(tmp_path / "small.png")
    small = ThingMask((str(tmp_path / "small.png"),), (1,), 0)
    for target in ("pixels", "instances"):
        loader = BatchLoader(replace(table, masks=(small, *table.masks[1:])), SIZE, target=target)
        with pytest.raises(InputError, match=r"small.png: a mask of 9 x 9 px"):
            loader.targets_of(np.arange(1), 0)
    monkeypatch.setattr("tl_keras.data.drawn_targets._MOST", 0)
    with pytest.raises(InputError, match=r"mask of .*0.png: 1 things, over the bound of 0"):
        BatchLoader(table, SIZE, target="instances").targets_of(np.arange(1), 0)


def test_both_pipelines_carry_them(table):
    for target, shape in (
        ("boxes", (5, 2, 6)),  # one counts, one is ignored
        ("pixels", (5, SIZE, SIZE)),
        ("instances", (5, SIZE, SIZE, 6)),
    ):
        batches = table.dataset(5, SIZE, target=target, augment="light", seed=1, shuffle=True)
        images, targets = next(iter(batches))
        assert tuple(targets.shape) == shape and images.shape[0] == 5
        from tl_keras.data.ordering import EpochOrder
        from tl_keras.data.py_batches import ImageBatches

        loader = BatchLoader(table, SIZE, seed=1, augment="light", target=target)
        other = ImageBatches(loader, EpochOrder(len(table), 5, shuffle=True, seed=1))[0]
        np.testing.assert_array_equal(np.asarray(images), other[0])
        np.testing.assert_array_equal(np.asarray(targets), other[1])


def test_what_is_missing_is_said(table):
    for target in ("boxes", "pixels", "instances"):
        bare = replace(table, boxes=None, masks=None)
        with pytest.raises(InputError, match="brings no"):
            bare.dataset(target=target)
        with pytest.raises(InputError, match="how large"):
            replace(table, sizes=None).dataset(target=target)
    for target in ("pixels", "instances"):
        with pytest.raises(InputError, match="1 images have no mask"):
            replace(table, masks=(None, *table.masks[1:])).dataset(target=target)
        with pytest.raises(InputError, match="class number 1, the table names 1"):
            replace(table, class_names=("a",)).dataset(target=target)
    with pytest.raises(InputError, match="choose labels"):
        table.dataset(target="bboxes")
