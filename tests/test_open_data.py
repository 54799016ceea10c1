"""One door for all data: what a source is taken for, and what is said of it."""

import io
import json
import random
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from file_server import serving
from PIL import Image

from tl_keras import InputError
from tl_keras.data import from_arrays, from_folder, from_masks, open_data
from tl_keras.data.reading.formats import FORMATS, reader_of, recognise
from tl_keras.data.reading.layouts import is_coco
from tl_keras.data.reading.options import reader_options


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))


def picture(path: Path, number: int = 0, shape=(20, 30, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mask(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((20, 30), np.uint8)
    values[2:9, 3 + number % 9 : 15] = 255
    Image.fromarray(values).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def class_folders(root: Path) -> Path:
    for number in range(8):
        picture(root / ("ants", "bees")[number % 2] / f"{number}.png", number)
    return root


def voc_xml(name: str) -> str:
    return (
        f"<annotation><filename>{name}</filename><size><width>30</width><height>20</height>"
        "<depth>3</depth></size><object><name>cell</name><bndbox><xmin>2</xmin><ymin>3</ymin>"
        "<xmax>12</xmax><ymax>13</ymax></bndbox></object></annotation>"
    )


def coco_json(names: list[str]) -> str:
    images = [
        {"id": k, "file_name": name, "width": 30, "height": 20} for k, name in enumerate(names)
    ]
    boxes = [
        {"id": k, "image_id": k, "category_id": 4, "bbox": [2, 3, 10, 10], "iscrowd": 0}
        for k in range(len(names))
    ]
    return json.dumps(
        {"images": images, "annotations": boxes, "categories": [{"id": 4, "name": "cell"}]}
    )


def voc(root: Path) -> Path:
    for number in range(4):
        picture(root / "JPEGImages" / f"{number}.jpg", number)
        text(root / "Annotations" / f"{number}.xml", voc_xml(f"{number}.jpg"))
    return root


def voc_loose(root: Path) -> Path:
    for number in range(4):
        picture(root / f"{number}.jpg", number)
        text(root / f"{number}.xml", voc_xml(f"{number}.jpg"))
    return root


def coco(root: Path) -> Path:
    names = [picture(root / "images" / f"{number}.jpg", number).name for number in range(4)]
    text(root / "annotations" / "all.json", coco_json(names))
    return root


def coco_parts(root: Path) -> Path:
    for part, numbers in (("train", range(4)), ("valid", range(4, 6))):
        names = [picture(root / part / f"{number}.jpg", number).name for number in numbers]
        text(root / part / "_annotations.coco.json", coco_json(names))
    return root


def yolo(root: Path) -> Path:
    for number in range(4):
        picture(root / "images/train" / f"{number}.jpg", number)
        text(root / "labels/train" / f"{number}.txt", "0 0.5 0.5 0.25 0.5\n")
    text(root / "data.yaml", "path: .\ntrain: images/train\nnames: [cell]\n")
    return root


def masks(root: Path) -> Path:
    for number in range(4):
        picture(root / "images" / f"{number}.png", number)
        mask(root / "masks" / f"{number}.png", number)
    return root


def camvid(root: Path) -> Path:
    for number in range(6):
        part = ("train", "val")[number // 4]
        picture(root / part / f"{number}.png", number)
        mask(root / f"{part}annot" / f"{number}.png", number)
    return root


def nuclei(root: Path) -> Path:
    for number in range(3):
        picture(root / f"id{number}" / "images" / f"id{number}.png", number)
        mask(root / f"id{number}" / "masks" / "a.png", number)
    return root


def table(root: Path) -> Path:
    rows = [picture(root / "images" / f"{number}.png", number).name for number in range(8)]
    lines = "".join(f"images/{name},{'ants' if k % 2 else 'bees'}\n" for k, name in enumerate(rows))
    text(root / "labels.csv", "path,label\n" + lines)
    return root


LAYOUTS = {
    "class folders": (class_folders, "folder", "ants, bees"),
    "voc": (voc, "voc", "Annotations/"),
    "voc, loose": (voc_loose, "voc", "beside the images"),
    "coco": (coco, "coco", "all.json"),
    "coco, parts": (coco_parts, "coco", "_annotations.coco.json"),
    "yolo": (yolo, "yolo", "data.yaml"),
    "masks": (masks, "masks", "masks/"),
    "camvid": (camvid, "masks", "trainannot/"),
    "nuclei": (nuclei, "masks", "each"),
    "table": (table, "csv", "labels.csv"),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_layouts_are_told_apart_and_read(case, tmp_path, capsys):
    make, format, why = LAYOUTS[case]
    if format == "yolo":
        pytest.importorskip("yaml")
    root = make(tmp_path / "data")
    found = recognise(root)
    assert found.format == format and why in found.why
    examples = open_data(root)
    assert len(examples) >= 3 and not examples.skipped
    said = capsys.readouterr().err
    if format == "folder":
        assert said == ""
    else:
        assert said == f"{root}: read as {format}, for {found.why}\n"
        # Detection's table, not the classes that the folders' names would make.
        assert examples.boxes or examples.masks or examples.counts() == {"ants": 4, "bees": 4}
    open_data(root, progress=False)
    assert capsys.readouterr().err == ""
    if "parts" in case or case == "camvid":
        assert examples.parts == ("train", "val")


@pytest.mark.parametrize("case", LAYOUTS)
def test_archives_of_every_layout(case, tmp_path, capsys):
    make, format, _ = LAYOUTS[case]
    if format == "yolo":
        pytest.importorskip("yaml")
    root = make(tmp_path / "data")
    packed = tmp_path / "packed.tar.gz"
    with tarfile.open(packed, "w:gz") as file:
        file.add(root, "packed/deeper/data")
    examples, direct = open_data(packed), open_data(root, progress=False)
    assert "read as archive" in capsys.readouterr().err
    assert examples.fingerprint() == direct.fingerprint()
    assert Path(examples.paths[0]).is_relative_to(tmp_path / "home")


def test_a_url_is_fetched_and_opened(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for path in sorted(class_folders(tmp_path / "data").rglob("*.png")):
            file.write(path, path.relative_to(tmp_path))
    with serving({"/photos.zip": buffer.getvalue()}) as server:
        examples = open_data(server.url("/photos.zip"))
    assert examples.counts() == {"ants": 4, "bees": 4}


def test_class_folders_stay_class_folders_whatever_lies_beside(tmp_path):
    root = class_folders(tmp_path / "data")
    before = from_folder(root)
    text(root / "annotations.json", coco_json(["ants/0.png"]))
    text(root / "labels.csv", "path,label\nants/0.png,wasps\n")
    text(root / "data.yaml", "names: [x]\n")
    text(root / "ants" / "0.xml", voc_xml("0.png"))
    after = open_data(root)
    assert after.class_names == before.class_names and after.labels.tolist() == [0] * 4 + [1] * 4
    # What fails, fails as it did.
    lone = tmp_path / "lone"
    picture(lone / "ants" / "0.png")
    for source in (lone, tmp_path / "none", tmp_path / "data" / "bees"):
        with pytest.raises(InputError) as old:
            from_folder(source)
        with pytest.raises(InputError) as new:
            open_data(source)
        assert str(new.value).startswith(str(old.value))


def test_what_is_learned_decides_between_two_ways(tmp_path):
    root = voc(masks(tmp_path / "data"))
    boxes = open_data(root, brings="boxes")
    assert boxes.boxes is not None and boxes.masks is None
    assert open_data(root, brings="masks").masks is not None
    # Masks may lie beside the images of class folders.
    classes = class_folders(tmp_path / "classes")
    assert open_data(classes).masks is None
    with pytest.raises(InputError, match="mask"):
        open_data(classes, brings="masks")


def test_what_could_be_two_things_is_refused_and_format_decides(tmp_path):
    root = voc(masks(tmp_path / "data"))
    with pytest.raises(InputError, match=r"several ways; .*masks \(.*voc \("):
        open_data(root)
    assert open_data(root, format="voc").boxes is not None
    with pytest.raises(InputError, match="there is no format 'vok'; there are folder, csv"):
        open_data(root, format="vok")
    two = table(tmp_path / "two")
    text(two / "other.csv", "path,label\n")
    with pytest.raises(InputError, match=r"labels\.csv.*other\.csv.*give one of the files"):
        open_data(two)
    assert len(open_data(two / "labels.csv")) == 8


def test_files_are_known_by_content_or_name(tmp_path):
    for name, content, said in (
        ("a.txt", "hello", "of no kind that is read; give a folder of images per class, a table"),
        ("a.json", "[1, 2]", "of no kind"),
        ("a.xml", voc_xml("a.jpg"), "give the folder it lies in"),
        ("a.npz", "PK\3\4", "load it by numpy"),
        ("a.zip", "<html>", "is no zip or tar archive, it is a web page"),
        ("a.tar.gz", "", "is no zip or tar archive, it is empty"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            open_data(text(tmp_path / name, content))
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="give the folder it lies in"):
        open_data(picture(tmp_path / "a.png"))
    with pytest.raises(InputError, match="no zip or tar archive"):
        open_data(text(tmp_path / "b", "noise"), format="archive")
    with pytest.raises(InputError, match="does not exist"):
        open_data(tmp_path / "none.zip")
    assert recognise(coco(tmp_path / "c") / "annotations/all.json").format == "coco"
    assert recognise(yolo(tmp_path / "y") / "data.yaml").format == "yolo"


def test_a_large_json_is_told_by_its_ends(tmp_path):
    filler = ", ".join(["0"] * 1_500_000)
    file = text(tmp_path / "a.json", f'{{"images": [{filler}], "x": [{filler}], "categories": []}}')
    assert file.stat().st_size > 2**22 and is_coco(file)
    assert not is_coco(text(tmp_path / "b.json", '{"images": []}'))
    assert not is_coco(text(tmp_path / "c.json", '["images", "annotations", "categories"]'))


def test_objects_are_known(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)
    examples = open_data((images, [0, 1, 0, 1]), class_names=["a", "b"])
    assert examples.class_names == ("a", "b") and open_data(examples) is examples
    assert open_data(images).labels.tolist() == [-1] * 4
    for source in (3, None, {}, [1, 2], object()):
        with pytest.raises(InputError, match="nothing that is read; give a folder"):
            open_data(source)
    with pytest.raises(InputError, match=r"format arrays takes no names; it takes class_names, "):
        open_data((images, [0, 1, 0, 1]), names=["a", "b"])
    with pytest.raises(
        InputError, match="format folder takes no sha256; it takes progress, strict"
    ):
        open_data(class_folders(tmp_path / "d"), sha256="0" * 64)


def test_data_sets_of_libraries_are_known(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {
        "image": [str(picture(tmp_path / f"{k}.png", k)) for k in range(4)],
        "label": [0, 1] * 2,
    }
    data = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    assert len(open_data(data)) == 4
    data.save_to_disk(str(tmp_path / "saved"))
    assert recognise(tmp_path / "saved").format == "huggingface"
    assert open_data(tmp_path / "saved").labels.tolist() == [0, 1, 0, 1]
    data.to_parquet(str(tmp_path / "saved.parquet"))
    assert recognise(tmp_path / "saved.parquet").format == "huggingface"
    assert open_data(tmp_path / "saved.parquet").labels.tolist() == [0, 1, 0, 1]
    parts = datasets.DatasetDict(train=data, test=data.select([0]))
    assert recognise(parts).format == "huggingface"
    for file in (tmp_path / "saved").glob("*.arrow"):
        file.write_bytes(b"noise")
    with pytest.raises(InputError, match=r"cannot read .*saved"):
        open_data(tmp_path / "saved")
    tf = pytest.importorskip("tensorflow")
    images = np.zeros((3, 8, 8, 3), np.uint8) + np.arange(3, dtype=np.uint8)[:, None, None, None]
    pairs = tf.data.Dataset.from_tensor_slices((images, [0, 1, 0]))
    for source in (pairs, (pairs, None), {"train": pairs}):
        assert recognise(source).format == "tfds"
    assert len(open_data(pairs)) == 3


def test_every_format_has_a_reader():
    for name in FORMATS:
        assert reader_of(name).__name__ == f"from_{name}"


def test_links_in_a_circle_and_odd_names_do_not_hang(tmp_path):
    root = voc(tmp_path / "dáta ☃")
    (root / "JPEGImages" / "up").symlink_to(root)
    (root / "again").symlink_to(root)
    (root / "self").symlink_to(root / "self")
    assert len(open_data(root)) >= 4
    with pytest.raises(InputError, match="does not exist"):
        open_data(root / "self")
    for odd in ("a\0b", "", "x" * 5000):
        with pytest.raises(InputError):
            open_data(odd)


def test_fuzz_folders_of_anything(tmp_path):
    """Pieces of all layouts thrown together: read or refused in one line, never a traceback."""
    draw = random.Random(0)
    makers = [make for make, _, _ in LAYOUTS.values()]
    outcomes = set()
    for number in range(150):
        root = tmp_path / str(number)
        for make in draw.sample(makers, draw.choice((1, 1, 2, 3))):
            make(root)
        files = sorted(file for file in root.rglob("*") if file.is_file())
        for file in draw.sample(files, draw.randrange(len(files))):
            what = draw.random()
            if what < 0.4:
                file.unlink()
            elif what < 0.7:
                data = bytearray(file.read_bytes())
                data[draw.randrange(len(data))] = draw.randrange(256)
                file.write_bytes(data[: draw.randrange(1, len(data) + 1)])
        try:
            examples = open_data(root, progress=False)
            assert len(examples) > 0
            outcomes.add("read")
        except InputError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_arrays_and_folders_agree(tmp_path):
    """The same pictures are the same data, however they came."""
    root = class_folders(tmp_path / "data")
    examples = from_folder(root)
    images = [np.asarray(Image.open(path)) for path in examples.paths]
    twins = from_arrays(images, examples.labels.tolist(), examples.class_names)
    assert twins.counts() == examples.counts() and twins.class_names == examples.class_names


def test_options_go_to_the_readers_that_take_them():
    segment = {"background": "background"}
    taking = {f for f in FORMATS if f != "archive" and reader_options(f, {}, segment)}
    assert taking == {"coco", "yolo"}
    named = {f for f in FORMATS if "class_names" in reader_options(f, {}, {"class_names": "x"})}
    assert named == {"yolo", "masks", "tfrecord", "arrays", "archive"}
    assert reader_options(from_masks, {"ignore": 11, "class_names": None}, segment) == {
        "ignore": 11
    }
    assert reader_options("coco", {"background": "sky"}, segment) == {"background": "sky"}
    with pytest.raises(InputError, match="from_masks takes no background; it takes class_names"):
        reader_options(from_masks, segment)


def test_a_default_reaches_into_an_archive_and_is_no_demand(tmp_path):
    root = tmp_path / "street"
    (root / "images").mkdir(parents=True)
    Image.new("RGB", (20, 10)).save(root / "images" / "a.png")
    entry = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [2, 2, 4, 4], "iscrowd": 0}
    entry["segmentation"] = [[2, 2, 6, 2, 6, 6, 2, 6]]
    image = {"id": 1, "file_name": "images/a.png", "width": 20, "height": 10}
    kinds = [{"id": 1, "name": "car"}]
    told = {"images": [image], "annotations": [entry], "categories": kinds}
    (root / "annotations.json").write_text(json.dumps(told))
    archive = shutil.make_archive(str(tmp_path / "street"), "zip", tmp_path, "street")
    segment = {"background": "background"}
    for source in (root, archive):
        table = open_data(source, progress=False, defaults=segment)
        assert table.class_names == ("background", "car")
        assert np.bincount(table.masks[0].semantic(10, 20).ravel()).tolist() == [184, 16]
        named = open_data(source, progress=False, defaults=segment, background="nothing")
        assert named.class_names == ("nothing", "car")
        plain = open_data(source, progress=False, background=None)
        assert plain.class_names == ("car",)
        with pytest.raises(InputError, match="format coco takes no class_names"):
            open_data(source, progress=False, class_names=["car"])
