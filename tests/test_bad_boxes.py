"""What is odd about boxes and masks as a whole: said in one line, by the readers and the check."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import Boxes, Examples, check, from_coco, from_csv, from_voc, from_yolo
from tl_keras.data.box_conventions import odd_convention
from tl_keras.data.checking.boxes import MANY
from tl_keras.data.checking.findings import KINDS
from tl_keras.data.loading import BatchLoader
from tl_keras.data.mask_files import ClassMask, ThingMask
from tl_keras.data.mask_shapes import ShapeMask
from tl_keras.errors import InputError
from tl_keras.tasks.room import room_for

WIDTH, HEIGHT = 120, 90


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
    return root


def boxes(seed=0, count=2):
    """x1, y1, x2, y2 of two things on each of the twelve pictures, well inside."""
    rng = np.random.default_rng(seed)
    first = rng.uniform(5, 45, (12, count, 2))
    return np.concatenate([first, first + rng.uniform(15, 40, (12, count, 2))], axis=-1)


def as_sides(xyxy):
    return np.concatenate([xyxy[..., :2], xyxy[..., 2:] - xyxy[..., :2]], axis=-1)


def coco(root, folder, values, size=True, **more):
    sides = {"width": WIDTH, "height": HEIGHT} if size else {}
    told = {
        "images": [{"id": i, "file_name": f"{i}.png", **sides} for i in range(len(values))],
        "annotations": [
            {"id": 100 * i + k, "image_id": i, "category_id": 1, "bbox": list(map(float, box))}
            for i, own in enumerate(values)
            for k, box in enumerate(own)
        ],
        "categories": [{"id": 1, "name": "cell"}],
        **more,
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(told))
    return from_coco(path, root)


def notes(table):
    return [(note.kind, note.text) for note in table.notes]


def test_boxes_as_they_should_be_bring_no_note(pictures, tmp_path, capsys):
    assert notes(coco(pictures, tmp_path, as_sides(boxes()))) == []
    assert "box" not in capsys.readouterr().err


def test_corners_given_as_width_and_height(pictures, tmp_path, capsys):
    table = coco(pictures, tmp_path, boxes())
    kind, text = notes(table)[0]
    assert kind == "box_convention" and "look like the far corner, not like width" in text
    said = capsys.readouterr().err
    assert f"annotations.json: {text}\n" in said and "boxes reach beyond their image" in said
    found = {finding.kind: finding for finding in check(table, progress=False)}
    assert found["box_convention"].why == text and found["box_convention"].severity == "warning"


def test_shares_given_as_px(pictures, tmp_path):
    shares = as_sides(boxes()) / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    table = coco(pictures, tmp_path, shares)
    (kind, text), *_ = notes(table)
    assert kind == "box_convention" and text.startswith("no number is above 1: they look like shar")
    found = [f for f in check(table, progress=False) if f.kind == "box_convention"]
    assert [f.why for f in found] == [text]
    by_hand = replace(table, notes=())
    found = [f for f in check(by_hand, progress=False) if f.kind == "box_convention"]
    assert [f.why for f in found] == [text]


def test_width_and_height_given_as_corners(pictures, tmp_path):
    rows = ["image,xmin,ymin,xmax,ymax,class"]
    for i, own in enumerate(as_sides(boxes())):
        rows += [f"{i}.png,{','.join(map(str, box))},cell" for box in own]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows))
    table = from_csv(path, root=pictures)
    kind, text = notes(table)[0]
    assert kind == "box_convention"
    assert "boxes are turned over: their last two numbers look like width and height" in text
    with pytest.raises(InputError, match="turned over"):
        from_csv(path, root=pictures, strict=True)


def test_px_given_as_shares(pictures, tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for i, own in enumerate(as_sides(boxes())):
        (tmp_path / "images" / f"{i}.png").symlink_to(pictures / f"{i}.png")
        # Centres are shares as they should be in one file, all others hold px.
        lines = [f"0 {' '.join(map(str, box))}" for box in (own if i else own / 120)]
        (tmp_path / "labels" / f"{i}.txt").write_text("\n".join(lines))
    table = from_yolo(tmp_path, progress=False)
    assert "look like px, not like shares" in notes(table)[0][1]


def test_a_picture_with_two_files_of_labels(pictures, tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images" / "0.png").symlink_to(pictures / "0.png")
    (tmp_path / "labels" / "0.txt").write_text("0 0.5 0.5 0.2 0.2")
    (tmp_path / "images" / "0.txt").write_text("0 0.1 0.1 0.2 0.2")
    table = from_yolo(tmp_path, progress=False)
    assert len(table) == 1 and table.boxes[0].xyxy[0].tolist() == pytest.approx([48, 36, 72, 54])
    assert len(table.skipped) == 1 and table.skipped[0].path.endswith("images/0.txt")
    assert table.skipped[0].reason.endswith("labels/0.txt already")


def test_a_picture_with_two_xml_files(pictures, tmp_path):
    (tmp_path / "0.png").symlink_to(pictures / "0.png")
    for name in ("0", "zero"):
        (tmp_path / f"{name}.xml").write_text(
            "<annotation><filename>0.png</filename><object><name>cell</name><bndbox><xmin>2</xmin>"
            "<ymin>2</ymin><xmax>20</xmax><ymax>20</ymax></bndbox></object></annotation>"
        )
    table = from_voc(tmp_path, progress=False)
    assert len(table.boxes[0]) == 1 and len(table.skipped) == 1
    assert "has an annotation already" in table.skipped[0].reason


def test_a_picture_listed_for_two_parts_is_kept_once(pictures, tmp_path):
    files = {}
    for part, values in (("train", boxes(0)), ("val", boxes(1)[:3])):
        (tmp_path / part).mkdir()
        coco(pictures, tmp_path / part, as_sides(values))
        files[part] = tmp_path / part / "annotations.json"
    table = from_coco(files, pictures, progress=False)
    assert len(table) == 12 and table.splits.count("val") == 3
    kept = {path: own for path, own in zip(table.paths, table.boxes, strict=True)}
    np.testing.assert_allclose(kept[str(pictures / "1.png")].xyxy, boxes(1)[1], rtol=1e-5)
    assert len(table.crossing) == 3
    assert table.crossing[0].reason == "listed for train and for val, which keeps it"


def test_boxes_cut_off_are_counted(pictures, tmp_path, capsys):
    values = boxes(count=4)
    values[3, 0, 2] = WIDTH + 0.9  # by rounding
    values[5, 1] = (70, 10, WIDTH + 12, 40)
    values[6, 1] = (-4, 10, 30, 40)
    table = coco(pictures, tmp_path, as_sides(values))
    said = "2 of 48 boxes reach beyond their image, by up to 12 px, and are cut off at the edge"
    assert notes(table) == [("boxes_cut", said)]
    assert capsys.readouterr().err.strip().endswith(f"annotations.json: {said}")
    assert table.subset([1]).notes == table.notes
    assert ("boxes_cut", said) in [(f.kind, f.why) for f in check(table, progress=False)]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda b: b * 3, "look drawn on a picture of another size"),
        (lambda b: b[..., [2, 3, 0, 1]], "look like another order"),
    ],
)
def test_other_oddities(change, what):
    odd = odd_convention(change(boxes()).reshape(-1, 4), np.tile((WIDTH, HEIGHT), (24, 1)))
    assert what in odd


def test_x_and_y_exchanged():
    wide = boxes() * [3, 1, 3, 1]
    sizes = np.tile((360, 90), (24, 1))
    assert odd_convention(wide.reshape(-1, 4), sizes) is None
    odd = odd_convention(wide[..., [1, 0, 3, 2]].reshape(-1, 4), sizes)
    assert odd.endswith("boxes leave their image by far: x and y look exchanged")


def test_sound_boxes_of_any_kind_are_not_suspected():
    rng = np.random.default_rng(0)
    for _ in range(300):
        size = rng.uniform(20, 2000, 2)
        first = rng.uniform(0, 0.95, (30, 2))
        last = first + rng.uniform(0.01, 1, (30, 2)) * (1 - first)
        sizes = np.tile(size, (30, 1))
        px = np.concatenate([first * size, last * size], axis=1)
        assert odd_convention(px, sizes) is None
        assert odd_convention(np.concatenate([first, last], axis=1), sizes, relative=True) is None


def test_very_many_things_and_none(pictures, tmp_path):
    assert room_for([MANY + 1]) == MANY  # what is warned of is what no model makes room for
    assert str(MANY) in KINDS["box_many"].remedy
    values = list(as_sides(boxes()))
    values[4] = as_sides(boxes(count=MANY + 1))[4]
    table = coco(pictures, tmp_path, values)
    found = {finding.kind: finding for finding in check(table, progress=False)}
    assert found["box_many"].paths == (str(pictures / "4.png"),)
    assert found["box_many"].why == "1 with more than 500 boxes that count, the fullest 501"
    bare = coco(pictures, tmp_path, [[]] * 12)
    found = {finding.kind: finding for finding in check(bare, progress=False)}
    assert found["no_positives"].why == "none of the 12 images has a box"
    with pytest.raises(InputError, match=r"none of the 12 images of .* has a box that counts"):
        BatchLoader(bare, 32, target="boxes")
    crowds = tuple(Boxes.of(own.xyxy, own.classes, [True] * len(own)) for own in table.boxes)
    found = {f.kind: f for f in check(replace(table, boxes=crowds), progress=False)}
    assert found["no_positives"].why.endswith("has a box that counts")


def test_masks_of_nothing(pictures, tmp_path):
    Image.new("L", (WIDTH, HEIGHT)).save(tmp_path / "empty.png")
    paths = tuple(str(pictures / f"{i}.png") for i in range(3))
    names = ("background", "cell")
    table = Examples(
        paths, np.full(3, -1), names, ("0", "1", "2"), (None,) * 3,
        sizes=np.tile((HEIGHT, WIDTH), (3, 1)), root="cells",
    )  # fmt: skip
    binary = ClassMask(str(tmp_path / "empty.png"), (0, 1, *(-1,) * 254), 0)
    for mask, refused in ((binary, ()), (ThingMask((), (), 0), ("pixels", "instances"))):
        bare = replace(table, masks=(mask,) * 3)
        found = {finding.kind: finding for finding in check(bare, progress=False)}
        assert found["no_positives"].why.endswith("has a pixel of any class but 'background'")
        for target in refused:
            with pytest.raises(
                InputError, match=r"'background' or ignored|none of the 3 images of"
            ):
                BatchLoader(bare, 32, target=target)
    whole = ShapeMask((), (), (), None)
    for target, what in (("instances", "a thing"), ("pixels", "a class by pixel")):
        with pytest.raises(InputError, match=f"none of the 3 images of cells has {what}"):
            BatchLoader(replace(table, masks=(whole,) * 3), 32, target=target)
