"""What the centre crop costs is said, and is what the batches then lack."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tl_keras.cli import choices
from tl_keras.cli.data_words import print_crop
from tl_keras.cli.main import main
from tl_keras.data import Boxes, Examples
from tl_keras.data.augment.change import Change
from tl_keras.data.crop_loss import crop_loss
from tl_keras.data.drawn_targets import BoxTargets, InstanceTargets, things_of
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.tasks.registry import get_task

# Of an image of 60 x 200 px the crop keeps x from 70 to 130: out, 2 of 20 px left, a half, in.
WIDE = [(0, 0, 40, 40), (52, 10, 72, 30), (120, 10, 140, 30), (80, 5, 110, 50)]
SQUARE = [(1, 1, 30, 30)]
SIZES = np.array([(60, 200), (200, 60), (64, 64)])


def table():
    turned = [(y1, x1, y2, x2) for x1, y1, x2, y2 in WIDE]
    boxes = tuple(
        Boxes.of([*own, (0, 0, 9, 9)], [0] * (len(own) + 1), [False] * len(own) + [True])
        for own in (WIDE, turned, SQUARE)
    )
    masks = tuple(
        ShapeMask(
            tuple(Shape(((x1, y1, x2, y1, x2, y2, x1, y2),)) for x1, y1, x2, y2 in own),
            (0,) * len(own), (False,) * len(own), background=None,
        )
        for own in (WIDE, turned, SQUARE)
    )  # fmt: skip
    return Examples(
        ("a", "b", "c"), np.full(3, -1), ("x",), ("0", "1", "2"), (None,) * 3, sizes=SIZES,
        boxes=boxes, masks=masks,
    )  # fmt: skip


def test_boxes_that_the_batches_lack_are_counted():
    said = crop_loss(table(), "boxes")
    assert "leaves out 4 of 9 boxes that count, in 2 of 3 images" in said
    for resize, left in (("crop", 5), ("stretch", 9)):
        rows = BoxTargets(table(), 32, resize)
        flags = np.stack([rows.row(k, Change(32, 32)) for k in range(3)])[..., 5]
        assert (flags > 0).sum() == left


def test_things_that_the_batches_lack_are_counted():
    bare = replace(table(), boxes=None)
    assert "leaves out 2 of 9 things, in 2 of 3 images" in crop_loss(bare, "instances")
    for resize, left in (("crop", 7), ("stretch", 9)):
        rows = InstanceTargets(bare, 60, resize)
        assert sum(len(things_of(rows.row(k, Change(60, 60)))) for k in range(3)) == left


def test_pixels_that_are_cut_are_told_as_a_share():
    # 60² of 60 x 200 are kept, twice, and all of 64².
    share = 1 - (2 * 3600 + 4096) / (2 * 12000 + 4096)
    assert f"leaves out {100 * share:.0f} % of the pixels" in crop_loss(table(), "pixels")


@pytest.mark.parametrize("target", ["boxes", "instances", "pixels"])
def test_nothing_is_said_where_nothing_is_cut(target):
    assert crop_loss(table().subset([2]), target) is None
    inner = replace(table(), boxes=(Boxes.of([WIDE[3]], [0]),) * 3)
    assert crop_loss(inner.subset([0]), "boxes") is None


def test_it_is_said_once_and_only_of_crops(capsys):
    data = choices.Data(table(), None, None, None)
    for resize in ("stretch", None, "crop"):
        print_crop(data, get_task("detect"), resize)
    said = capsys.readouterr().out
    assert said.startswith("--resize crop leaves out 4 of 9 boxes") and said.count("\n") == 1
    print_crop(data, get_task("classify"), "crop")
    assert not capsys.readouterr().out


@pytest.mark.slow
def test_the_command_says_it(tmp_path, capsys):
    rng = np.random.default_rng(0)
    lines = ["filename,xmin,ymin,xmax,ymax,class"]
    for k in range(8):
        Image.fromarray(rng.integers(0, 255, (60, 200, 3), "uint8")).save(tmp_path / f"{k}.png")
        lines += [f"{k}.png,{x1},{y1},{x2},{y2},x" for x1, y1, x2, y2 in WIDE]
    (tmp_path / "boxes.csv").write_text("\n".join(lines))
    (tmp_path / "r.toml").write_text('[[stages]]\nname = "all"\nepochs = 1\nunfreeze = "all"\n')
    asked = ["train", str(tmp_path / "boxes.csv"), "--task", "detect", "--image-size", "32"]
    asked += ["--output", str(tmp_path / "out"), "--recipe", str(tmp_path / "r.toml")]
    asked += ["--backbone", "mobilenet_025", "--weights", "none"]
    assert main([*asked, "--resize", "crop"]) == 0
    line = "--resize crop leaves out 16 of 32 boxes that count, in 8 of 8 images"
    assert capsys.readouterr().out.count(line) == 1
