"""VOC, COCO and YOLO: layouts, dirt, sizes that differ, turned photos, and lists of parts."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import from_coco, from_voc, from_yolo, read_image, sample_set
from tl_keras.errors import InputError


def picture(path: Path, seed: int = 0, size=(40, 20), turn: int | None = None) -> Path:
    """A noise picture of (width, height) as stored, with an EXIF orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    exif = Image.Exif()
    if turn:
        exif[0x0112] = turn
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def thing(name, *corners, extra="") -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=False)
    box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    return f"<object><name>{name}</name>{extra}<bndbox>{box}</bndbox></object>"


def xml(path: Path, *things, size=(40, 20), filename="") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    named = f"<filename>{filename}</filename>"
    path.write_text(f"<annotation>{named}{sides}{''.join(things)}</annotation>", "utf-8")
    return path


def corners(examples, name="a") -> list[list[float]]:
    (boxes,) = (
        b for p, b in zip(examples.paths, examples.boxes, strict=True) if Path(p).stem == name
    )
    return boxes.xyxy.tolist()


def reasons(examples) -> list[tuple[str, str]]:
    return sorted((Path(path).name, why) for path, why in examples.skipped)


def voc(folder, **options):
    return from_voc(folder, progress=False, **options)


def devkit(root: Path) -> Path:
    for seed, name in enumerate("abcde"):
        picture(root / "JPEGImages" / f"{name}.png", seed)
    xml(root / "Annotations/a.xml", thing("dog", 1, 2, 10, 12), thing("cat", 30, 5, 50, 15))
    xml(root / "Annotations/b.xml", thing("dog", 0, 0, 5, 5, extra="<difficult>1</difficult>"))
    xml(root / "Annotations/c.xml", thing("dog", 0, 0, 5, 5))
    lists = root / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\nzebra\n")
    (lists / "val.txt").write_text("b  1\nc\n")
    (lists / "dog_train.txt").write_text("a  1\n")
    return root


def test_voc_as_it_is_laid_out(tmp_path):
    examples = voc(devkit(tmp_path))
    assert [Path(p).stem for p in examples.paths] == list("abcde")
    assert examples.splits == ("train", "val", "val", None, None)
    assert examples.class_names == ("cat", "dog") and (examples.labels == -1).all()
    assert corners(examples) == [[1, 2, 10, 12], [30, 5, 40, 15]]
    assert examples.boxes[0].classes.tolist() == [1, 0]
    assert examples.boxes[1].ignore.tolist() == [True] and not examples.boxes[0].ignore.any()
    assert [len(boxes) for boxes in examples.boxes] == [2, 1, 1, 0, 0]
    assert reasons(examples) == [("train.txt", "lists 'zebra': no such picture")]
    with pytest.raises(InputError, match="zebra"):
        voc(tmp_path, strict=True)


def test_voc_trainval_where_nothing_else_stands(tmp_path):
    devkit(tmp_path)
    for name in ("train", "val"):
        (tmp_path / f"ImageSets/Main/{name}.txt").unlink()
    (tmp_path / "ImageSets/Main/trainval.txt").write_text("a\nb\n")
    (tmp_path / "ImageSets/Main/test.txt").write_text("c\n")
    assert voc(tmp_path).splits == ("train", "train", "test", None, None)


def test_voc_side_by_side_in_parts(tmp_path):
    for seed, part in enumerate(("train", "valid")):
        picture(tmp_path / part / f"{part}1.jpg", seed)
        xml(tmp_path / part / f"{part}1.xml", thing("dog", 1, 1, 5, 5))
    picture(tmp_path / "other" / "x.jpg", 9)
    examples = voc(tmp_path)
    assert examples.splits == ("train", "val") and [len(b) for b in examples.boxes] == [1, 1]


def test_voc_odd_boxes_and_files(tmp_path):
    picture(tmp_path / "images/a.png", 0)
    things = (
        thing("dog", 3, 3, 3, 9),
        thing("dog", 9, 3, 3, 9),
        thing("dog", 50, 3, 60, 9),
        thing("dog", "x", 3, 60, 9),
        thing("dog", 1, 2, 3),
        thing("dog", "nan", 1, 2, 3),
        thing("", 1, 1, 3, 3),
        thing("dog", -3, -3, 3.5, 9),
    )
    xml(tmp_path / "xmls/a.xml", *things)
    for seed, name in enumerate(("broken", "wrong", "other", "named", "laughs", "size"), 1):
        picture(tmp_path / f"images/{name}.png", seed)
    (tmp_path / "xmls/broken.xml").write_text("<annotation><object><name>dog</na")
    (tmp_path / "xmls/wrong.xml").write_text("<html/>")
    laughs = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><annotation>&c;</annotation>'
    (tmp_path / "xmls/laughs.xml").write_text(laughs)
    xml(tmp_path / "xmls/unlike.xml", thing("cat", 1, 1, 2, 2), filename="C:\\x\\named.png")
    xml(tmp_path / "xmls/twice.xml", thing("cat", 1, 1, 2, 2), filename="a.png")
    xml(tmp_path / "xmls/nobody.xml", thing("cat", 1, 1, 2, 2), filename="nobody.png")
    xml(tmp_path / "xmls/size.xml", thing("cat", 1, 1, 2, 2), size=(40, 40))
    examples = voc(tmp_path)
    assert sorted(Path(p).stem for p in examples.paths) == ["a", "named", "other"]
    assert corners(examples) == [[0, 0, 3.5, 9]] and corners(examples, "named") == [[1, 1, 2, 2]]
    found = reasons(examples)
    assert [why for name, why in found if name == "a.xml"] == [
        "object 1 (dog): of no area, x 3 to 3, y 3 to 9",
        "object 2 (dog): turned over, x 9 to 3, y 3 to 9",
        "object 3 (dog): outside the image of 40 x 20 px, x 50 to 60, y 3 to 9",
        "object 4 (dog): has no box of four numbers",
        "object 5 (dog): has no box of four numbers",
        "object 6 (dog): has no box of four numbers",
        "object 7: has no name",
    ]
    others = {name: why for name, why in found if name != "a.xml"}
    assert "no sound XML" in others["broken.png"] and "<html>" in others["wrong.png"]
    assert (
        "declares entities" in others["laughs.png"] and "annotated as 40 x 40" in others["size.png"]
    )
    assert (
        "has an annotation already" in others["twice.xml"] and "no picture" in others["nobody.xml"]
    )
    assert len(others) == 6


def test_boxes_of_a_picture_that_was_resized(tmp_path):
    picture(tmp_path / "images/a.png", size=(250, 232))
    xml(tmp_path / "xmls/a.xml", thing("cat", 100, 93, 200, 465), size=(500, 465))
    ((x1, y1, x2, y2),) = corners(voc(tmp_path))
    assert (x1, x2) == (50, 100) and y1 == pytest.approx(93 * 232 / 465) and y2 == 232
    xml(tmp_path / "xmls/a.xml", thing("cat", 100, 93, 200, 200), size=(0, 0))  # not said
    assert corners(voc(tmp_path)) == [[100, 93, 200, 200]]


@pytest.mark.parametrize("turn", range(1, 9))
def test_turned_photos(tmp_path, turn):
    """A white patch stays in its box, drawn on the stored or on the upright pixels."""
    stored = np.zeros((24, 40, 3), np.uint8)
    stored[4:10, 20:36] = 255
    exif = Image.Exif()
    exif[0x0112] = turn
    (tmp_path / "images").mkdir()
    Image.fromarray(stored).save(tmp_path / "images/a.png", exif=exif)
    upright = read_image(tmp_path / "images/a.png")
    rows, columns = np.nonzero(upright[..., 0])
    patch = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    height, width = upright.shape[:2]
    xml(tmp_path / "xmls/a.xml", thing("p", *patch), size=(width, height))
    assert corners(voc(tmp_path)) == [patch]
    if turn >= 5:
        xml(tmp_path / "xmls/a.xml", thing("p", 20, 4, 36, 10), size=(40, 24))
        assert corners(voc(tmp_path)) == [patch]
        outline = [20, 4, 36, 4, 36, 10, 20, 10]
        off = 20 * 24 + 4
        runs = [off, *([6, 18] * 16)[:-1]]
        runs.append(40 * 24 - sum(runs))
        for shape in ([outline], {"size": [24, 40], "counts": runs}):
            write_coco(tmp_path, [(1, "images/a.png", 40, 24)], [(1, [20, 4, 16, 6], shape)])
            examples = from_coco(tmp_path / "coco.json", progress=False)
            assert corners(examples) == [patch]
            things, _ = examples.masks[0].instances(height, width)
            assert np.array_equal(things[0], upright[..., 0] > 0)


def write_coco(folder: Path, images, annotations, name="coco.json", **more) -> Path:
    """Images (id, file, width, height), annotations (image, box, outline)."""
    document = {
        "images": [
            {"id": key, "file_name": file, "width": width, "height": height}
            for key, file, width, height in images
        ],
        "annotations": [
            {"id": i, "image_id": key, "category_id": 7, "bbox": box, "segmentation": shape}
            for i, (key, box, shape) in enumerate(annotations, 1)
        ],
        "categories": [{"id": 9, "name": "cat"}, {"id": 7, "name": "dog"}],
        **more,
    }
    (folder / name).write_text(json.dumps(document))
    return folder / name


def coco(path, **options):
    return from_coco(path, progress=False, **options)


def test_coco_with_its_dirt(tmp_path):
    for seed, name in enumerate("abc"):
        picture(tmp_path / "images" / f"{name}.png", seed)
    images = [(1, "a.png", 40, 20), (2, "b.png", 40, 20), (2, "c.png", 40, 20), (4, "d.png", 1, 1)]
    path = write_coco(tmp_path, images, [(1, [1, 2, 3, 4], []), (1, [5, 5, 0, 4], [])])
    document = json.loads(path.read_text())
    box = {"bbox": [1, 1, 2, 2], "image_id": 1, "category_id": 9}
    document["annotations"] += [
        {**box, "id": 1},
        {**box, "id": 11, "category_id": 99},
        {**box, "id": 12, "image_id": 77},
        {**box, "id": 13, "bbox": [1, 2, 3]},
        {**box, "id": 14, "bbox": [1, 2, None, 3]},
        {"id": 15},
        "junk",
        {**box, "id": 16, "segmentation": {"size": [20, 40], "counts": [1, 2]}},
        {**box, "id": 17, "segmentation": {"size": [20, 40], "counts": "zz~~\u00e9"}},
        {**box, "id": 18, "segmentation": [[1, 2, 3]]},
        {**box, "id": 19, "segmentation": [[1, 2, 3, 4]]},
        {**box, "id": 20, "iscrowd": 1},
        {**box, "id": [1]},
        {**box, "id": 22, "category_id": [9]},
    ]
    document["images"] += [{"id": 5}, "junk", {"file_name": "a.png"}]
    document["categories"] += [{"id": 9, "name": "cow"}, {"name": "nobody"}]
    path.write_text(json.dumps(document))
    examples = coco(path)
    assert examples.class_names == ("dog", "cat")
    assert [Path(p).name for p in examples.paths] == ["a.png", "b.png"]
    assert examples.boxes[0].xyxy.tolist() == [[1, 2, 4, 6], [1, 1, 3, 3], [1, 1, 3, 3]]
    assert examples.boxes[0].ignore.tolist() == [False, True, False]
    assert examples.masks is None and examples.extra == {"id": ("1", "2")}
    whys = [why for _, why in examples.skipped]
    for part in (
        "image 3 (c.png) has the id 2 of another image",
        "image 5 has no file_name",
        "image 6 is no object",
        "image 7 has no id",
        "category 3 has the id 9 of 'cat'",
        "category 4 has no id or no name",
        "annotation 2 (dog): of no area, x 5 to 5, y 5 to 9",
        "annotation 1: has the id of another annotation",
        "annotation 11: is of the category 99, which is not listed",
        "annotation 12: belongs to the image 77, which is not listed",
        "annotation 13: has no bbox of four numbers",
        "annotation 14: has no bbox of four numbers",
        "annotation 15: has no image_id",
        "annotation number 9: is no object",
        "annotation 16: its run-lengths give 3 px, not the size's",
        "annotation 17: no compressed run-lengths",
        "annotation 18: its segmentation holds a polygon that is no x, y, x, y, ...",
        "annotation 19: its segmentation has fewer than three corners",
        "annotation 22: is of the category [9], which is not listed",
        "no such file",
    ):
        assert any(part in why for why in whys), part
    assert len(whys) == 20


def test_coco_in_parts_as_it_is_laid_out(tmp_path):
    for seed, part in enumerate(("train2017", "val2017")):
        picture(tmp_path / part / "a.png", seed)
        (tmp_path / "annotations").mkdir(exist_ok=True)
        write_coco(
            tmp_path / "annotations", [(1, "a.png", 40, 20)], [(1, [1, 1, 5, 5], [])],
            name=f"instances_{part}.json",
        )  # fmt: skip
    files = {p: tmp_path / f"annotations/instances_{p}2017.json" for p in ("train", "val")}
    examples = coco(files)
    assert examples.splits == ("train", "val") and len(examples.part("val")) == 1
    with pytest.raises(InputError, match="'dev' is none of train, val and test"):
        coco({"dev": files["val"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no sound JSON"),
        ("{", "no sound JSON"),
        ("[" * 100_000, "no sound JSON"),
        ("[1]", "holds a list at the top"),
        ("{}", "no list 'images'"),
        ('{"images": 3}', "no list 'images'"),
        ('{"images": []}', "no list 'annotations'"),
        ('{"images": [], "annotations": [], "categories": []}', "no categories"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}]}', "no images"),
        ('{"images": [{"id": 1, "file_name": "/etc/hosts"}], "annotations": [], '
         '"categories": [{"id": 1, "name": "a"}]}', "not an image"),
    ],
)  # fmt: skip
def test_one_line_for_each_broken_json(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        coco(tmp_path / "a.json")
    assert "\n" not in str(caught.value)


def test_the_sample_set_with_all_its_targets():
    root = sample_set()
    examples = coco(root / "annotations.json", background="background")
    document = json.loads((root / "annotations.json").read_text())
    assert len(examples) == 440 and examples.parts == ("train", "val") and not examples.skipped
    assert examples.class_names[0] == "background" and set(examples.labels) == set(range(1, 9))
    assert examples.tags.shape == (440, len(document["tags"]))
    for i in range(0, 440, 40):
        with Image.open(root / document["images"][i]["semantic_file"]) as mask:
            assert np.array_equal(examples.masks[i].semantic(160, 160), np.asarray(mask))
        with Image.open(root / document["images"][i]["instance_file"]) as mask:
            numbers = np.asarray(mask)
        things, classes = examples.masks[i].instances(160, 160)
        assert all(np.array_equal(thing, numbers == k) for k, thing in enumerate(things, 1))
        assert classes.tolist() == examples.boxes[i].classes.tolist()
    plain = coco(root / "annotations.json")
    nothing = plain.masks[0].semantic(160, 160) == 255
    assert np.array_equal(nothing, examples.masks[0].semantic(160, 160) == 0)


def yolo_set(root: Path) -> Path:
    for seed, place in enumerate(("train/a", "train/b", "val/c")):
        picture(root / f"images/{place}.jpg", seed)
        (root / f"labels/{place}.txt").parent.mkdir(parents=True, exist_ok=True)
    (root / "labels/train/a.txt").write_text("1 0.5 0.5 0.5 1\n0 0.1 0.1 0.05 0.1\n")
    (root / "labels/val/c.txt").write_text("")
    return root


def test_yolo_with_and_without_yaml(tmp_path):
    yolo_set(tmp_path)
    examples = from_yolo(tmp_path, progress=False)
    assert examples.class_names == ("0", "1") and examples.splits == ("train", "train", "val")
    assert corners(examples)[0] == [10, 0, 30, 20] and len(corners(examples, "b")) == 0
    (tmp_path / "labels/classes.txt").write_text("cat\ndog\n")
    assert from_yolo(tmp_path, progress=False).class_names == ("cat", "dog")
    pytest.importorskip("yaml")
    (tmp_path / "data.yaml").write_text(
        "path: /made/elsewhere\ntrain: ../images/train\nval: images/val\nnames: {0: cow, 1: pig}\n"
    )
    for given in (tmp_path, tmp_path / "data.yaml"):
        examples = from_yolo(given, progress=False)
        assert examples.class_names == ("cow", "pig") and examples.parts == ("train", "val")
        assert examples.boxes[0].classes.tolist() == [1, 0] and not examples.skipped
    (tmp_path / "list.txt").write_text("images/train/a.jpg\nimages/train/zebra.jpg\n")
    (tmp_path / "data.yaml").write_text("train: list.txt\nnames: [cow, pig]\n")
    examples = from_yolo(tmp_path, progress=False)
    assert len(examples) == 1 and reasons(examples) == [("zebra.jpg", "no such file")]


def test_yolo_polygons_and_dirt(tmp_path):
    yolo_set(tmp_path)
    lines = (
        *("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75", "1 0.5 0.5 1 1", "cat 1 1 1 1", "0 1 1"),
        *("0 1 1 1 1 1", "0 nan 1 1 1", "5 0.5 0.5 1 1", "0 0.5 0.5 0 1", "-1 0.5 0.5 1 1"),
    )
    (tmp_path / "labels/train/a.txt").write_text("\n".join(lines))
    (tmp_path / "labels/train/b.txt").write_bytes(b"\xff\xfe\0junk")
    examples = from_yolo(tmp_path, class_names=["cat", "dog"], background="none", progress=False)
    assert [Path(p).stem for p in examples.paths] == ["a", "c"]
    assert corners(examples) == [[10, 5, 30, 15], [0, 0, 40, 20]]
    things, classes = examples.masks[0].instances(20, 40)
    expected = np.zeros((20, 40), bool)
    expected[5:15, 10:30] = True
    assert np.array_equal(things[0], expected) and not things[1].any()
    assert classes.tolist() == [1, 2] and examples.class_names == ("none", "cat", "dog")
    assert (examples.masks[1].semantic(20, 40) == 0).all()
    whys = [why for _, why in examples.skipped]
    assert len(whys) == 8 and whys[-1].startswith("line 8 (cat): of no area")
    for number in (3, 4, 5, 6, 7, 9):
        assert any(why.startswith(f"line {number} ") for why in whys)


def test_yolo_without_any_labels(tmp_path):
    picture(tmp_path / "images/a.jpg")
    with pytest.raises(InputError, match=r"no labels for its pictures, e.g. .*a\.txt"):
        from_yolo(tmp_path, progress=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [a", "no sound YAML"),
        ("- 1", "holds no names and folders"),
        ("names: 3\ntrain: images", "no list of classes"),
        ("names: {1: a}\ntrain: images", "no list of classes"),
        ("names: [a]\ntrain: nowhere", "names nowhere, which is not there"),
        ("names: [a]\ntrain: 7", "train is no folder"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nnames: [*b, *b]\ntrain: images", "no list of classes"),
        ("names: [a]\ntrain: empty", "holds no pictures"),
    ],
)
def test_one_line_for_each_broken_yaml(tmp_path, text, message):
    pytest.importorskip("yaml")
    yolo_set(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        from_yolo(tmp_path, progress=False)
    assert "\n" not in str(caught.value)


def test_folders_in_a_circle(tmp_path):
    devkit(tmp_path / "voc")
    (tmp_path / "voc" / "JPEGImages" / "round").symlink_to(tmp_path)
    (tmp_path / "voc" / "Annotations" / "loop.xml").symlink_to("loop.xml")
    examples = voc(tmp_path / "voc")
    assert len(examples) == 5
    assert ("round", "a link to a folder that is read already") in reasons(examples)
    yolo_set(tmp_path / "yolo")
    (tmp_path / "yolo" / "images" / "train" / "round").symlink_to(tmp_path / "yolo")
    assert len(from_yolo(tmp_path / "yolo", progress=False)) == 3


def test_real_annotations(shared_data):
    cells = voc(shared_data / "bccd")
    assert len(cells) == 364 and cells.class_names == ("Platelets", "RBC", "WBC")
    assert [len(cells.part(part)) for part in cells.parts] == [205, 87, 72]
    assert sum(map(len, cells.boxes)) == 4886
    assert [Path(p).stem for p, why in cells.skipped] == ["BloodImage_00338", "BloodImage_00343"]
    assert all("of no area" in why for _, why in cells.skipped)
    pets = voc(shared_data / "pets")
    assert len(pets) == 600 and sum(len(b) > 0 for b in pets.boxes) == 296
    assert all(path.endswith(".mat") for path, _ in pets.skipped) and len(pets.skipped) == 3
    pages = coco(shared_data / "documents" / "samples.json")
    assert len(pages) == 20 and sum(map(len, pages.boxes)) == 193 and not pages.skipped
