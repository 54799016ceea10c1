"""The generated sample set: targets agree with one another, and only shape tells the class."""

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import samples, with_classes
from tl_keras.data.sample_examples import sample_examples
from tl_keras.data.samples import (
    SAMPLE_CLASSES,
    SAMPLE_TAGS,
    SAMPLES_PER_CLASS,
    classification_folder,
    generate_sample,
    sample_set,
    write_sample_set,
)
from tl_keras.errors import InputError


@pytest.fixture(scope="module")
def drawn() -> list[samples.Sample]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(generate_sample, range(64)))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_sample_set(tmp_path_factory.mktemp("set") / "samples")


def _decode(segmentation: dict) -> np.ndarray:
    """COCO's rule, written out: runs of 0 and 1 in turn, down the columns."""
    height, width = segmentation["size"]
    runs = segmentation["counts"]
    flat = np.repeat(np.arange(len(runs)) % 2, runs)
    return flat.reshape(width, height).T.astype(bool)


def test_shapes_and_types(drawn):
    for sample in drawn:
        assert sample.image.shape == (160, 160, 3) and sample.image.dtype == np.uint8
        assert sample.semantic_mask.shape == (160, 160) and sample.semantic_mask.dtype == np.uint8
        assert sample.instance_mask.shape == (160, 160) and sample.instance_mask.dtype == np.uint16
        assert sample.boxes.dtype == np.float32 and sample.boxes.shape[1:] == (4,)
        assert sample.box_labels.dtype == np.int32
        assert len(sample.boxes) == len(sample.box_labels) == sample.instance_mask.max() >= 1


def test_boxes_are_hulls_of_the_masks_and_inside_the_image(drawn):
    for sample in drawn:
        for k, (x1, y1, x2, y2) in enumerate(sample.boxes):
            rows, columns = np.nonzero(sample.instance_mask == k + 1)
            hull = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert hull == (x1, y1, x2, y2)
            assert 0 <= x1 < x2 <= 160 and 0 <= y1 < y2 <= 160


def test_semantic_mask_is_the_instances_classes(drawn):
    for sample in drawn:
        table = np.concatenate([[0], sample.box_labels + 1])
        assert np.array_equal(sample.semantic_mask, table[sample.instance_mask])


def test_label_is_the_largest_thing_by_a_clear_margin(drawn):
    for index, sample in enumerate(drawn):
        areas = np.bincount(sample.instance_mask.ravel())[1:]
        assert sample.label == index % len(SAMPLE_CLASSES) == sample.box_labels[0]
        assert areas[0] >= 0.08 * 160 * 160
        assert all(areas[0] >= 1.3 * other for other in areas[1:])


def test_tags_name_what_is_there(drawn):
    assert len(set(SAMPLE_TAGS)) == len(SAMPLE_TAGS)
    for sample in drawn:
        kinds = {tag for tag in sample.tags if tag in SAMPLE_CLASSES}
        assert kinds == {SAMPLE_CLASSES[k] for k in sample.box_labels}
        assert list(sample.tags) == sorted(sample.tags, key=SAMPLE_TAGS.index)
        assert sum(tag.startswith("on ") for tag in sample.tags) == 1
        assert len(sample.tags) == len(kinds) + 3  # colour, texture, surface


def test_scenes_vary(drawn):
    assert {len(sample.boxes) for sample in drawn} == {1, 2, 3}
    assert len({hashlib.sha256(sample.image).hexdigest() for sample in drawn}) == len(drawn)
    areas = [(sample.instance_mask == 1).mean() for sample in drawn]
    assert max(areas) > 2 * min(areas)


def test_same_pixels_in_another_process_and_in_threads(drawn):
    code = (
        "import hashlib; from tl_keras.data.samples import generate_sample as g\n"
        "s = [g(i) for i in (0, 7, 12)]\n"
        "print(*(hashlib.sha256(x.image.tobytes() + x.instance_mask.tobytes() + x.boxes.tobytes())"
        ".hexdigest() for x in s))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout.split()
    here = [drawn[i] for i in (0, 7, 12)]  # these were drawn in a thread pool
    for line, sample in zip(out, here, strict=True):
        data = sample.image.tobytes() + sample.instance_mask.tobytes() + sample.boxes.tobytes()
        assert hashlib.sha256(data).hexdigest() == line


def test_another_seed_is_another_picture():
    assert not np.array_equal(generate_sample(0).image, generate_sample(0, seed=1).image)


@pytest.mark.parametrize("size", [32, 97, 224])
def test_other_sizes(size):
    sample = generate_sample(5, image_size=size)
    assert sample.image.shape == (size, size, 3)
    assert sample.boxes.max() <= size
    assert np.unique(sample.instance_mask).size == len(sample.boxes) + 1


@pytest.mark.parametrize("arguments", [{"index": -1}, {"seed": -1}, {"image_size": 8}])
def test_bad_arguments(arguments):
    with pytest.raises(InputError, match=r"expected index and seed >= 0 and image_size >= 32"):
        generate_sample(**{"index": 0, **arguments})


def test_drawing_is_not_told_by_colour():
    """Nearest centroid on colour histograms stays near chance (1/8): colour is no shortcut."""
    with ThreadPoolExecutor() as pool:
        drawn = list(pool.map(generate_sample, range(1000, 1160)))
    labels = np.array([sample.label for sample in drawn])
    histograms = np.stack(
        [
            np.histogramdd(sample.image.reshape(-1, 3), bins=5, range=[(0, 256)] * 3)[0].ravel()
            for sample in drawn
        ]
    )
    features = np.sqrt(histograms)
    centroids = np.stack([features[:80][labels[:80] == k].mean(axis=0) for k in range(8)])
    distances = ((features[80:, None] - centroids) ** 2).sum(axis=-1)
    assert (distances.argmin(axis=1) == labels[80:]).mean() < 0.35


def test_folder_layout(written):
    assert sorted(path.name for path in written.iterdir()) == [
        "annotations.json",
        "images",
        "masks",
    ]
    folder = classification_folder(written)
    assert sorted(path.name for path in folder.iterdir()) == ["train", "val"]
    for split, count in SAMPLES_PER_CLASS.items():
        classes = sorted((folder / split).iterdir())
        assert tuple(path.name for path in classes) == SAMPLE_CLASSES
        assert all(len(list(path.glob("*.jpg"))) == count for path in classes)
    everything = [path.read_bytes() for path in folder.rglob("*.jpg")]
    assert len({hashlib.sha256(data).hexdigest() for data in everything}) == len(everything)
    assert sum(path.stat().st_size for path in written.rglob("*") if path.is_file()) < 8e6


def test_annotations_agree_with_the_files(written):
    coco = json.loads((written / "annotations.json").read_text(encoding="utf-8"))
    assert [category["name"] for category in coco["categories"]] == list(SAMPLE_CLASSES)
    assert len({entry["id"] for entry in coco["annotations"]}) == len(coco["annotations"])
    by_image: dict[int, list[dict]] = {image["id"]: [] for image in coco["images"]}
    for entry in coco["annotations"]:
        by_image[entry["image_id"]].append(entry)
    assert len(by_image) == len(coco["images"]) == len(list(written.rglob("*.jpg")))
    for record in coco["images"][::23]:
        image = np.asarray(Image.open(written / record["file_name"]))
        semantic = np.asarray(Image.open(written / record["semantic_file"]))
        instances = np.asarray(Image.open(written / record["instance_file"]))
        assert image.shape == (record["height"], record["width"], 3)
        assert record["file_name"].split("/")[1:3] == [record["split"], record["label"]]
        assert set(record["tags"]) <= set(coco["tags"])
        entries = by_image[record["id"]]
        assert len(entries) == instances.max()
        for k, entry in enumerate(entries):
            mask = _decode(entry["segmentation"])
            assert np.array_equal(mask, instances == k + 1)
            assert set(semantic[mask].tolist()) == {entry["category_id"]}
            rows, columns = np.nonzero(mask)
            x, y, width, height = entry["bbox"]
            assert (x, y) == (columns.min(), rows.min()) and entry["area"] == mask.sum()
            assert (width, height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)


def test_files_hold_the_generated_pixels(written):
    """The first training picture and the last validation one, up to JPEG's loss."""
    coco = json.loads((written / "annotations.json").read_text(encoding="utf-8"))
    for index in (0, len(coco["images"]) - 1):
        stored = np.asarray(Image.open(written / coco["images"][index]["file_name"]), dtype=float)
        assert np.abs(stored - generate_sample(index).image).mean() < 8


def test_writing_refuses_a_folder_in_use(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        write_sample_set(tmp_path)
    with pytest.raises(InputError, match="not an empty folder"):
        write_sample_set(tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def _quick(monkeypatch):
    monkeypatch.setattr(samples, "SAMPLES_PER_CLASS", {"train": 1, "val": 1})


def test_sample_set_is_kept_mended_and_leaves_no_scraps(tmp_path, monkeypatch):
    _quick(monkeypatch)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    root = sample_set()
    assert root == tmp_path / "datasets" / f"tl_keras_samples_{samples.SAMPLE_VERSION}"
    stamp = (root / "annotations.json").stat().st_mtime_ns
    assert sample_set() == root and (root / "annotations.json").stat().st_mtime_ns == stamp
    lost = next(root.rglob("*.jpg"))
    lost.unlink()
    assert sample_set() == root and lost.is_file()
    assert [path.name for path in root.parent.iterdir()] == [root.name]


def test_sample_set_made_by_several_at_once(tmp_path, monkeypatch):
    _quick(monkeypatch)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with ThreadPoolExecutor(3) as pool:
        roots = list(pool.map(lambda _: sample_set(), range(3)))
    assert len(set(roots)) == 1 and samples._is_whole(roots[0])
    assert [path.name for path in roots[0].parent.iterdir()] == [roots[0].name]


def test_sample_set_falls_back_to_a_temporary_folder(tmp_path, monkeypatch):
    _quick(monkeypatch)
    samples._temporary_set.cache_clear()
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should go")
    monkeypatch.setenv("KERAS_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.warns(UserWarning, match="set KERAS_HOME to a writable folder"):
        root = sample_set()
    assert root.parent == tmp_path and samples._is_whole(root)
    samples._temporary_set.cache_clear()


@pytest.mark.slow
def test_only_learnt_features_tell_the_classes(imagenet_home, written):
    """A linear probe: ImageNet features >= 0.85, random ones at least 0.4 lower."""
    keras = pytest.importorskip("keras")
    linear = pytest.importorskip("sklearn.linear_model")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    images, labels, splits = [], [], []
    for path in sorted(classification_folder(written).rglob("*.jpg")):
        images.append(np.asarray(Image.open(path).resize((128, 128), Image.Resampling.BICUBIC)))
        labels.append(SAMPLE_CLASSES.index(path.parent.name))
        splits.append(path.parent.parent.name)
    pixels = np.array(images, dtype=np.float32) / 127.5 - 1
    labels, train = np.array(labels), np.array(splits) == "train"

    def accuracy(weights: str | None) -> float:
        base = keras.applications.MobileNetV2(
            alpha=0.35,
            input_shape=(128, 128, 3),
            include_top=False,
            pooling="avg",
            weights=weights,
        )
        features = base.predict(pixels, batch_size=32, verbose=0)
        probe = make_pipeline(StandardScaler(), linear.LogisticRegression(C=0.01, max_iter=300))
        return probe.fit(features[train], labels[train]).score(features[~train], labels[~train])

    learnt = accuracy("imagenet")
    keras.utils.set_random_seed(0)
    random = max(accuracy(None) for _ in range(2))
    assert learnt >= 0.85
    assert random <= learnt - 0.4


def test_the_table_of_samples_bears_every_target():
    root = sample_set()
    told = json.loads((root / "annotations.json").read_text())
    files = {str(root / image["file_name"]): image for image in told["images"]}
    plain, with_background = sample_examples(), sample_examples(background=True)
    assert plain.class_names == SAMPLE_CLASSES
    assert with_background.class_names == ("background", *SAMPLE_CLASSES)
    np.testing.assert_array_equal(with_background.labels, plain.labels + 1)
    assert with_background.parts == ("train", "val")
    for i in (*range(0, len(plain), 37), len(plain) - 1):
        image = files[plain.paths[i]]
        semantic = np.asarray(Image.open(root / image["semantic_file"]))
        ids = np.asarray(Image.open(root / image["instance_file"]))
        np.testing.assert_array_equal(with_background.masks[i].semantic(160, 160), semantic)
        bare = plain.masks[i].semantic(160, 160)
        np.testing.assert_array_equal(bare, np.where(semantic == 0, 255, semantic - 1))
        things = plain.masks[i].things(160, 160)
        np.testing.assert_array_equal(things.ids, ids)
        np.testing.assert_array_equal(things.classes, plain.boxes[i].classes)
        for box, mask in zip(plain.boxes[i].xyxy, things.masks, strict=True):
            rows, columns = np.nonzero(mask)
            hull = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_array_equal(box, hull)
    renamed = with_classes(with_background, plain.class_names)
    np.testing.assert_array_equal(renamed.labels, plain.labels)
    _, maps = next(iter(plain.dataset(4, 64, target="instances")))
    assert tuple(maps.shape) == (4, 64, 64, 6)
