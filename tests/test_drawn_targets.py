"""Boxes and masks arrive in the batch where the pixels are, whatever happened to the image."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import Boxes, from_files
from tl_keras.data.loading import BatchLoader
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.errors import InputError

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
    seen = 0
    for epoch in range(3):
        images, boxes = loaders["boxes"](rows, epoch)
        again, pixels = loaders["pixels"](rows, epoch)
        np.testing.assert_array_equal(images, again)
        assert boxes.shape == (12, 1, 6) and pixels.shape == (12, SIZE, SIZE)
        for image, box, mask in zip(images, boxes[:, 0], pixels, strict=True):
            grey = image.mean(-1)
            white = grey > (grey.min() + grey.max()) / 2
            drawn = mask == 1
            if box[5] == 0 or white.sum() < 40 or grey.max() - grey.min() < 60:
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


def test_both_pipelines_carry_them(table):
    for target, shape in (("boxes", (5, 1, 6)), ("pixels", (5, SIZE, SIZE))):
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
    for target in ("boxes", "pixels"):
        bare = replace(table, boxes=None, masks=None)
        with pytest.raises(InputError, match="brings no"):
            bare.dataset(target=target)
        with pytest.raises(InputError, match="how large"):
            replace(table, sizes=None).dataset(target=target)
    with pytest.raises(InputError, match="1 images have no mask"):
        replace(table, masks=(None, *table.masks[1:])).dataset(target="pixels")
    with pytest.raises(InputError, match="choose labels"):
        table.dataset(target="bboxes")
