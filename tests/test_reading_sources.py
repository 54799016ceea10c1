"""Sources that are no files: arrays, TFRecord, TensorFlow Datasets, Hugging Face."""

import gzip
import importlib.util
import io
import random
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_keras import InputError
from tl_keras.data import read_image
from tl_keras.data.reading.arrays import from_arrays
from tl_keras.data.reading.huggingface import from_huggingface
from tl_keras.data.reading.storing import Item, store
from tl_keras.data.reading.tfds import from_tfds
from tl_keras.data.reading.tfrecord import from_tfrecord, is_record_name, part_of_file


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def pixels(number: int, shape=(11, 13, 3), dtype=np.uint8) -> np.ndarray:
    top = np.iinfo(dtype).max
    return np.random.default_rng(number).integers(0, top, shape, dtype, endpoint=True)


def encoded(number: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels(number)).save(buffer, kind)
    return buffer.getvalue()


# --- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 3), (9, 7, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_come_back_as_they_were(shape, dtype, keras_home):
    images = np.stack([pixels(number, shape, dtype) for number in range(4)])
    examples = from_arrays(images, [0, 1, 1, 0], ["b", "a"])
    assert examples.class_names == ("b", "a") and examples.labels.tolist() == [0, 1, 1, 0]
    assert all(Path(path).is_relative_to(keras_home / "tl_keras/images") for path in examples.paths)
    for image, path in zip(images, examples.paths, strict=True):
        assert np.array_equal(read_image(path), read_image(image))
        if dtype == np.uint8 or len(shape) == 2:
            assert np.array_equal(np.asarray(Image.open(path)).reshape(shape), image)


def test_black_and_white_arrays_are_black_and_white():
    images = np.array([np.eye(8, dtype=bool), ~np.eye(8, dtype=bool)])
    examples = from_arrays(images, ["in", "out"])
    assert np.unique(read_image(examples.paths[0])).tolist() == [0, 255]


def test_a_second_call_writes_nothing_and_an_interrupted_one_goes_on(keras_home):
    images = [pixels(number) for number in range(6)]
    broken_off = store((Item(image, "row") for image in images), progress=False)
    next(broken_off)
    broken_off.close()
    first = {path: path.stat().st_mtime_ns for path in keras_home.rglob("*.png")}
    assert first
    examples = from_arrays(images, [0, 1] * 3)
    now = {path: path.stat().st_mtime_ns for path in keras_home.rglob("*.png")}
    assert len(now) == 6 and now.items() >= first.items()
    again = from_arrays(images, [0, 1] * 3)
    assert {path: path.stat().st_mtime_ns for path in keras_home.rglob("*.png")} == now
    assert again.fingerprint() == examples.fingerprint() and again.paths == examples.paths
    assert not list(keras_home.rglob("*.part"))


def test_a_file_cut_by_a_power_failure_is_written_anew(tmp_path):
    data = encoded(0)
    (stored,) = store([Item(data, "row")], tmp_path / "into", progress=False)
    Path(stored.path).write_bytes(data[:10])
    (again,) = store([Item(data, "row")], tmp_path / "into", progress=False)
    assert again.path == stored.path and Path(again.path).read_bytes() == data


def test_a_folder_of_ones_own_takes_the_images(tmp_path, keras_home):
    examples = from_arrays([pixels(0), pixels(1)], ["a", "b"], into=tmp_path / "mine")
    assert all(Path(path).is_relative_to(tmp_path / "mine") for path in examples.paths)
    assert examples.root == str(tmp_path / "mine") and not keras_home.exists()


def test_labels_of_every_form():
    images = [pixels(number) for number in range(4)]
    for labels in (
        [1, 0, 1, 0],
        np.array([[1], [0], [1], [0]], np.uint8),
        np.array([1.0, 0.0, 1.0, 0.0]),
        np.eye(2)[[1, 0, 1, 0]],
        ["b", "a", "b", "a"],
    ):
        examples = from_arrays(images, labels, ["a", "b"])
        assert [examples.class_names[k] for k in examples.labels] == ["b", "a", "b", "a"]
    digits = from_arrays(images, [10, 2, 10, 2])
    assert digits.class_names == ("2", "10")
    some = from_arrays(images, [0, 1, -1, None])
    assert some.labels.tolist() == [0, 1, -1, -1]
    none = from_arrays(images)
    assert none.labels.tolist() == [-1] * 4 and none.class_names == ()


def test_tags_groups_and_parts():
    tags = np.array([[1, 1, 0], [0, 0, 0], [1, -1, 0], [0, 1, 1]])
    examples = from_arrays(
        [pixels(number) for number in range(4)], tags, ["red", "round", "big"],
        groups=["x", "x", None, 7], splits=["train", "train", "val", "test"],
    )  # fmt: skip
    assert examples.tags.tolist() == tags.tolist()
    assert examples.tag_names == ("red", "round", "big")
    assert examples.groups == ("x", "x", None, "7")
    assert examples.parts == ("train", "val", "test")


BAD_ARRAYS = {
    "floats": (np.zeros((2, 4, 4, 3)), [0, 1], None, "scale them to uint8"),
    "floats in a list": ([np.zeros((4, 4))] * 2, [0, 1], None, "scale it to uint8"),
    "channels first": (np.zeros((2, 3, 8, 8), "uint8"), [0, 1], None, "transpose"),
    "one image": (np.zeros((8, 8), "uint8"), [0], None, "expected"),
    "five channels": (np.zeros((2, 8, 8, 5), "uint8"), [0, 1], None, "expected"),
    "few labels": (np.zeros((2, 8, 8), "uint8"), [0], None, "2 images, 1 labels"),
    "no such name": (np.zeros((2, 8, 8), "uint8"), [0, 2], ["a", "b"], "image 1 has the label 2"),
    "negative": (np.zeros((2, 8, 8), "uint8"), [0, -2], None, "image 1 has the label -2"),
    "half": (np.zeros((2, 8, 8), "uint8"), [0.5, 1], None, "label 0.5"),
    "other name": (np.zeros((2, 8, 8), "uint8"), ["a", "c"], ["a", "b"], "'c'"),
    "ragged labels": (np.zeros((2, 8, 8), "uint8"), [[0], [1, 2]], None, "different lengths"),
    "tag names": (np.zeros((2, 8, 8), "uint8"), [[0, 0], [1, 1]], ["a"], "2 tags and 1 names"),
    "part": (np.zeros((2, 8, 8), "uint8"), [[0, 5], [1, 1]], None, "1, 0 or -1"),
    "nothing": (np.zeros((0, 8, 8), "uint8"), [], None, "empty"),
    "a path": ("photos", [0], None, "give an array"),
    "empty images": (np.zeros((2, 0, 8), "uint8"), [0, 1], None, "shape"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_arrays_that_do_not_fit(case):
    images, labels, names, said = BAD_ARRAYS[case]
    with pytest.raises(InputError, match=said) as caught:
        from_arrays(images, labels, names)
    assert "\n" not in str(caught.value)


def test_what_is_no_image_is_named_by_its_place():
    images = [pixels(0), np.zeros((4, 4)), pixels(1), pixels(2), pixels(1)]
    examples = from_arrays(images, ["a", "a", "b", "b", "a"])
    assert len(examples) == 2  # 2 and 4 hold the same pixels under two labels
    reasons = {reason for _, reason in examples.skipped}
    assert any(item.path == "image 1" and "float64" in item.reason for item in examples.skipped)
    assert sum("image 2, image 4: labelled" in reason for reason in reasons) == 2
    with pytest.raises(InputError, match=r"arrays: 3 image.*the first: image 1"):
        from_arrays(images, ["a", "a", "b", "b", "a"], strict=True)
    with pytest.raises(InputError, match=r"arrays: one class only \(a\)"):
        from_arrays([pixels(0)], ["a"])


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write to .*file.*; give into="):
        from_arrays([pixels(0), pixels(1)], [0, 1], into=tmp_path / "file" / "deep")


# --- TFRecord ------------------------------------------------------------------------------------


def record(**features) -> bytes:
    tf = pytest.importorskip("tensorflow")
    made = {}
    for key, value in features.items():
        values = list(value) if isinstance(value, (list, tuple)) else [value]
        if not values or isinstance(values[0], float):
            feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        elif isinstance(values[0], int):
            feature = tf.train.Feature(int64_list=tf.train.Int64List(value=values))
        else:
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        made[key.replace("__", "/")] = feature
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def write_records(path: Path, records: list[bytes], packing: str = "") -> Path:
    tf = pytest.importorskip("tensorflow")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), packing) as writer:
        for data in records:
            writer.write(data)
    return path


@pytest.mark.parametrize("packing", ["", "GZIP"])
def test_records_of_the_usual_layouts(packing, tmp_path):
    images = [encoded(number, "JPEG") for number in range(4)]
    layouts = [
        [record(image__encoded=data, image__class__label=7, image__class__text=(b"a", b"b")[k % 2])
         for k, data in enumerate(images)],
        [record(image_raw=data, label=k % 2) for k, data in enumerate(images)],
        [record(picture=data, label=k % 2, height=3) for k, data in enumerate(images)],
    ]  # fmt: skip
    for number, records in enumerate(layouts):
        path = write_records(tmp_path / f"{number}.tfrecord", records, packing)
        examples = from_tfrecord(path)
        assert examples.class_names == (("a", "b") if number == 0 else ("0", "1"))
        assert examples.labels.tolist() == [0, 1, 0, 1]
        assert [Path(file).read_bytes() for file in examples.paths] == images
    named = from_tfrecord(tmp_path / "1.tfrecord", class_names=["z", "y"])
    assert named.class_names == ("z", "y") and named.labels.tolist() == [0, 1, 0, 1]
    bare = from_tfrecord(tmp_path / "1.tfrecord", label=False)
    assert bare.labels.tolist() == [-1] * 4


def test_boxes_of_the_object_detection_layout(tmp_path):
    side = {
        "image__object__bbox__" + name: value
        for name, value in {
            "xmin": [0.0, 0.5],
            "xmax": [0.5, 1.0],
            "ymin": [0.0, 0.25],
            "ymax": [1.0, 0.5],
        }.items()
    }
    records = [
        record(image__encoded=encoded(0), image__object__class__text=[b"dog", b"cat"], **side),
        record(image__encoded=encoded(1)),
    ]  # fmt: skip
    examples = from_tfrecord(write_records(tmp_path / "a.tfrecord", records))
    assert examples.class_names == ("cat", "dog")
    width, height = 13, 11
    assert examples.boxes[0].xyxy.tolist() == [
        [0, 0, width / 2, height], [width / 2, height / 4, width, height / 2]
    ]  # fmt: skip
    assert examples.boxes[0].classes.tolist() == [1, 0] and len(examples.boxes[1]) == 0


def test_a_folder_of_records_brings_parts(tmp_path):
    for part, numbers in (("train", range(4)), ("validation", range(4, 6))):
        for shard in range(2):
            write_records(
                tmp_path / f"flowers-{part}.tfrecord-{shard:05d}-of-00002",
                [record(image=encoded(2 * k + shard), label=k % 2) for k in numbers],
            )
    (tmp_path / "readme.txt").write_text("about")
    examples = from_tfrecord(tmp_path)
    assert examples.splits == ("train",) * 8 + ("val",) * 4
    assert part_of_file(Path("train_val.tfrecord")) is None
    assert is_record_name("x.TFRecords") and not is_record_name("x.zip")


def test_damaged_records_are_reported(tmp_path):
    good = [record(image=encoded(k), label=k % 2) for k in range(6)]
    path = write_records(tmp_path / "a.tfrecord", good)
    data = path.read_bytes()
    ends = np.cumsum([len(r) + 16 for r in good]).tolist()
    assert ends[-1] == len(data)
    for cut in (ends[3] - 1, ends[3] - 3, ends[2] + 5, ends[2] + 12):
        path.write_bytes(data[:cut])
        examples = from_tfrecord(path)
        assert len(examples) == 3 and len(examples.skipped) == 1, cut
        assert examples.skipped[0].path == str(path) and "cut off" in examples.skipped[0].reason
        assert "3 records before it were read" in examples.skipped[0].reason
    flipped = bytearray(data)
    flipped[ends[3] + 60] ^= 1
    path.write_bytes(flipped)
    examples = from_tfrecord(path)
    assert len(examples) == 4 and "wrong checksum at byte" in examples.skipped[0].reason
    with pytest.raises(InputError, match="wrong checksum"):
        from_tfrecord(path, strict=True)
    packed = write_records(tmp_path / "b.tfrecord", good, "GZIP")
    packed.write_bytes(gzip.compress(data)[:-400])
    examples = from_tfrecord(packed)
    assert len(examples) < 6 and len(examples.skipped) == 1


def test_without_tensorflow_records_are_one_clear_line(tmp_path):
    if importlib.util.find_spec("tensorflow"):
        pytest.skip("TensorFlow is installed")
    (tmp_path / "a.tfrecord").write_bytes(b"anything")
    with pytest.raises(InputError, match=r"a\.tfrecord needs TensorFlow; pip install tensorflow"):
        from_tfrecord(tmp_path / "a.tfrecord")


def test_records_that_are_none(tmp_path):
    pytest.importorskip("tensorflow")
    path = tmp_path / "a.tfrecord"
    for data, said in (
        (b"", "empty"),
        (b"<html>not at all</html>" * 9, "no TFRecord file"),
        (b"\x05", "cut off"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=said):
            from_tfrecord(path)
    with pytest.raises(InputError, match="does not exist"):
        from_tfrecord(tmp_path / "none.tfrecord")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="no TFRecord files"):
        from_tfrecord(tmp_path / "folder")
    write_records(path, [record(image=encoded(0), label=0)])
    with pytest.raises(InputError, match=r"no key 'picture'; it has image, label"):
        from_tfrecord(path, image="picture")
    write_records(path, [record(data=b"raw pixels", width=3)])
    with pytest.raises(InputError, match=r"data, width: give image="):
        from_tfrecord(path)
    write_records(path, [b"\xff\xff no example"])
    with pytest.raises(InputError, match=r"record 0 of a\.tfrecord is no tf\.train\.Example"):
        from_tfrecord(path)


def test_a_record_without_a_picture_is_named(tmp_path):
    records = [record(image=encoded(k), label=k % 2) for k in range(4)]
    records[1:1] = [record(label=1), record(image=b"noise", label=0)]
    examples = from_tfrecord(write_records(tmp_path / "a.tfrecord", records))
    assert len(examples) == 4
    said = [f"{path} {reason}" for path, reason in examples.skipped]
    assert "record 1 of a.tfrecord" in said[0] and "zero bytes" in said[0]
    assert "record 2 of a.tfrecord" in said[1] and "not an image" in said[1]


def test_fuzz_mutated_records(tmp_path):
    """Each mutant is read in part or refused in one line; what is read is what was written."""
    good = [record(image=encoded(k), label=k % 2) for k in range(4)]
    sound = write_records(tmp_path / "a.tfrecord", good).read_bytes()
    written = {encoded(k) for k in range(4)}
    draw = random.Random(0)
    outcomes = set()
    for number in range(60):
        mutant = bytearray(sound)
        for _ in range(draw.choice((1, 2, 8))):
            mutant[draw.randrange(len(mutant))] = draw.randrange(256)
        if draw.random() < 0.4:
            del mutant[draw.randrange(len(mutant)) :]
        if draw.random() < 0.2:
            mutant[:8] = struct.pack("<Q", draw.getrandbits(63))
        path = tmp_path / f"{number}.tfrecord"
        path.write_bytes(mutant)
        try:
            examples = from_tfrecord(path, progress=False)
        except InputError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
        else:
            assert {Path(file).read_bytes() for file in examples.paths} <= written
            assert examples.skipped or bytes(mutant) == sound
            outcomes.add("read")
    assert outcomes == {"refused", "read"}


# --- TensorFlow Datasets -------------------------------------------------------------------------


def tf_dataset(count: int = 6):
    tf = pytest.importorskip("tensorflow")
    images = np.stack([pixels(number) for number in range(count)])
    labels = np.arange(count) % 2
    return tf.data.Dataset.from_tensor_slices({"image": images, "label": labels}), images


def test_tensorflow_data_sets_of_every_form():
    tf = pytest.importorskip("tensorflow")
    data, images = tf_dataset()
    pairs = data.map(lambda row: (row["image"], row["label"]))
    for form in (data, data.batch(4), pairs, pairs.batch(4), (data, None), {"train": data}):
        examples = from_tfds(form)
        assert examples.labels.tolist() == [0, 1, 0, 1, 0, 1]
        for image, path in zip(images, examples.paths, strict=True):
            assert np.array_equal(read_image(path), image)
    assert from_tfds({"train": data.take(4), "validation": data.skip(4)}).splits == (
        ("train",) * 4 + ("val",) * 2
    )
    files = tf.data.Dataset.from_tensor_slices([encoded(0, "JPEG"), encoded(1, "JPEG")])
    labelled = files.map(lambda data: {"image": data, "label": tf.strings.length(data) % 2})
    assert from_tfds(files).labels.tolist() == [-1, -1]
    for form in (labelled, labelled.batch(2)):
        examples = from_tfds(form, label=False)
        assert Path(examples.paths[0]).read_bytes() == encoded(0, "JPEG")


def test_tensorflow_data_sets_that_do_not_fit():
    tf = pytest.importorskip("tensorflow")
    data, _ = tf_dataset()
    with pytest.raises(InputError, match="never ends; give it without repeat"):
        from_tfds(data.repeat())
    with pytest.raises(InputError, match=r"has no 'picture'; it has image, label"):
        from_tfds(data, image="picture")
    with pytest.raises(InputError, match="nothing called image"):
        from_tfds(data.map(lambda row: {"text": row["label"]}))
    with pytest.raises(InputError, match="scale it to uint8"):
        from_tfds(data.map(lambda row: {"image": tf.cast(row["image"], "float32")}))
    with pytest.raises(InputError, match="no data set"):
        from_tfds(3)
    with pytest.raises(InputError, match="empty"):
        from_tfds(data.take(0))


def test_a_real_builder_of_tensorflow_datasets(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    for part in ("train", "test"):
        for number in range(6):
            name = ("zebra", "ant")[number % 2]
            file = tmp_path / "data" / part / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(number + 10 * (part == "test")))
    builder = tfds.folder_dataset.ImageFolder(str(tmp_path / "data"))
    examples = from_tfds(builder.as_dataset(), builder.info)
    assert examples.class_names == tuple(builder.info.features["label"].names)
    assert examples.counts() == {"ant": 6, "zebra": 6} and examples.parts == ("train", "test")
    for path, label in zip(examples.paths, examples.labels, strict=True):
        twin = next(
            file for file in (tmp_path / "data").rglob("*.png")
            if np.array_equal(read_image(file), read_image(path))
        )  # fmt: skip
        assert twin.parent.name == examples.class_names[label]


def test_boxes_of_tensorflow_datasets():
    tfds = pytest.importorskip("tensorflow_datasets")
    tf = pytest.importorskip("tensorflow")
    features = tfds.features.FeaturesDict({
        "image": tfds.features.Image(shape=(None, None, 3)),
        "objects": tfds.features.Sequence({
            "bbox": tfds.features.BBoxFeature(),
            "label": tfds.features.ClassLabel(names=["wolf", "bear"]),
        }),
    })  # fmt: skip

    class Info:
        name = "beasts"

    Info.features = features
    data = tf.data.Dataset.from_tensors({
        "image": pixels(0, (20, 40, 3)),
        "objects": {"bbox": [[0.1, 0.25, 0.5, 0.75], [0.0, 0.0, 1.0, 0.5]], "label": [1, 0]},
    })  # fmt: skip
    examples = from_tfds(data, Info)
    assert np.allclose(examples.boxes[0].xyxy, [[10, 2, 30, 10], [0, 0, 20, 20]])
    named = [examples.class_names[k] for k in examples.boxes[0].classes]
    assert named == ["bear", "wolf"]


# --- Hugging Face --------------------------------------------------------------------------------


def hf_dataset(files: list[bytes], **columns):
    datasets = pytest.importorskip("datasets")
    features = {"image": datasets.Image()}
    rows = {"image": [{"bytes": data, "path": None} for data in files]}
    for name, (feature, values) in columns.items():
        features[name], rows[name] = feature, values
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def test_hugging_face_keeps_files_and_names():
    datasets = pytest.importorskip("datasets")
    files = [encoded(number, "JPEG") for number in range(4)]
    label = datasets.ClassLabel(names=["zebra", "ant", "unused"])
    data = hf_dataset(files, label=(label, [0, 1, 1, -1]), price=(datasets.Value("int64"), [1] * 4))
    examples = from_huggingface(data)
    assert examples.class_names == ("zebra", "ant")
    assert examples.labels.tolist() == [0, 1, 1, -1]
    assert [Path(path).read_bytes() for path in examples.paths] == files
    names = hf_dataset(files, category=(datasets.Value("string"), ["b", "a", None, "b"]))
    assert from_huggingface(names).labels.tolist() == [1, 0, -1, 1]
    streamed = from_huggingface(data.to_iterable_dataset())
    assert streamed.paths == examples.paths and streamed.labels.tolist() == [0, 1, 1, -1]
    arrow = from_huggingface(data.with_format("numpy"))
    assert arrow.paths == examples.paths


def test_hugging_face_parts_tags_and_files_on_disk(tmp_path):
    datasets = pytest.importorskip("datasets")
    for part in ("train", "test"):
        for number in range(4):
            file = tmp_path / part / "ab"[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encoded(number + 10 * (part == "test")))
    data = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache")
    )
    examples = from_huggingface(data)
    assert examples.parts == ("train", "test") and examples.counts() == {"a": 4, "b": 4}
    assert all(Path(path).parent.name == "ab"[k] for path, k in
               zip(examples.paths, examples.labels, strict=True))  # fmt: skip
    files = [encoded(number) for number in range(3)]
    label = datasets.ClassLabel(names=["red", "round"])
    sequence = datasets.Sequence(label)
    tagged = from_huggingface(hf_dataset(files, labels=(sequence, [[0, 1], [], None])))
    assert tagged.tag_names == ("red", "round")
    assert tagged.tags.tolist() == [[1, 1], [0, 0], [-1, -1]]
    words = datasets.Sequence(datasets.Value("string"))
    tagged = from_huggingface(hf_dataset(files, tags=(words, [["b"], ["a", "b"], []])))
    assert tagged.tag_names == ("a", "b") and tagged.tags.tolist() == [[0, 1], [1, 1], [0, 0]]


def test_hugging_face_arrays_and_broken_rows():
    datasets = pytest.importorskip("datasets")
    label = (datasets.ClassLabel(names=["a", "b"]), [0, 1, 0])
    broken = hf_dataset([encoded(0), encoded(1), b"noise"], label=label)
    examples = from_huggingface(broken)
    assert len(examples) == 2 and "row 2: not an image" in examples.skipped[0].reason
    features = datasets.Features(
        {"image": datasets.Array3D((11, 13, 3), "uint8"), "label": datasets.Value("int64")}
    )
    rows = {"image": [pixels(0), pixels(1)], "label": [0, 1]}
    arrays = from_huggingface(datasets.Dataset.from_dict(rows, features=features))
    assert np.array_equal(read_image(arrays.paths[1]), pixels(1))


def test_hugging_face_data_that_does_not_fit():
    datasets = pytest.importorskip("datasets")
    data = hf_dataset([encoded(0)], label=(datasets.Value("int64"), [0]))
    with pytest.raises(InputError, match=r"no column 'picture'; it has image, label"):
        from_huggingface(data, "picture")
    with pytest.raises(InputError, match="no column 'kind'"):
        from_huggingface(data, label="kind")
    two = data.add_column("other", [None]).cast_column("other", datasets.Image())
    with pytest.raises(InputError, match="several columns"):
        from_huggingface(two.rename_column("image", "left"))
    with pytest.raises(InputError, match="no column of images"):
        from_huggingface(data.remove_columns("image"))
    with pytest.raises(InputError, match="give a datasets"):
        from_huggingface([1, 2])


def test_a_prepared_folder_of_tensorflow_datasets_keeps_its_names(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")

    class Beasts(tfds.core.GeneratorBasedBuilder):
        """Six pictures of two beasts, made here."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            names = tfds.features.ClassLabel(names=["wolf", "bear"])
            image = tfds.features.Image(encoding_format="png")
            features = tfds.features.FeaturesDict({"image": image, "label": names})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(range(6))}

        def _generate_examples(self, numbers):
            for k in numbers:
                yield k, {"image": pixels(k), "label": k % 2}

    builder = Beasts(data_dir=tmp_path)
    builder.download_and_prepare()
    for examples in (
        from_tfrecord(builder.data_dir),
        from_tfds(builder.as_dataset(), builder.info),
        from_tfds(builder.as_dataset(decoders={"image": tfds.decode.SkipDecoding()}), builder.info),
    ):
        assert examples.class_names == ("wolf", "bear") and examples.parts == ("train",)
        for path, label in zip(examples.paths, examples.labels, strict=True):
            number = next(k for k in range(6) if np.array_equal(read_image(path), pixels(k)))
            assert label == number % 2
