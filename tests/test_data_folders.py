"""Folders as people have them: layouts, dirt, copies, links, names; and every error's one line."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import from_files, from_folder
from tl_keras.errors import InputError


def picture(path: Path, seed: int) -> Path:
    """A small picture of its own content, in the format of its extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    kind = {"": "PNG", ".jpg": "JPEG", ".JPG": "JPEG"}.get(path.suffix)
    Image.fromarray(pixels).save(path, kind)
    return path


def classes(root: Path, names=("ants", "bees"), count=3, start=0) -> Path:
    for c, name in enumerate(names):
        for i in range(count):
            picture(root / name / f"{i}.png", start + 1000 * c + i)
    return root


def read(root, **options):
    return from_folder(root, progress=False, **options)


def reasons(examples) -> dict[str, str]:
    return {Path(path).name: reason for path, reason in examples.skipped}


def test_a_folder_per_class(tmp_path):
    examples = read(classes(tmp_path, ("class10", "class2", "Class1")))
    assert examples.class_names == ("Class1", "class2", "class10")
    assert examples.counts() == {"Class1": 3, "class2": 3, "class10": 3}
    assert examples.splits == (None,) * 9 and examples.skipped == () and len(examples) == 9
    assert examples.labels.dtype == np.int32 and not examples.labels.flags.writeable
    for path, label in zip(examples.paths, examples.labels, strict=True):
        assert Path(path).parent.name == examples.class_names[label] and Path(path).is_absolute()


def test_the_table_does_not_depend_on_the_order_of_listing(tmp_path, monkeypatch):
    classes(tmp_path, count=6)
    first = read(tmp_path)
    listing = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: sorted(listing(folder), reverse=True))
    second = read(tmp_path)
    assert first.paths == second.paths and first.fingerprint() == second.fingerprint()


def test_the_fingerprint_knows_content_and_labels_not_names(tmp_path):
    first = read(classes(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two/ants/0.png").rename(tmp_path / "two/ants/zebra.png")
    assert read(tmp_path / "two").fingerprint() == first.fingerprint()
    picture(tmp_path / "two/ants/1.png", 77)
    assert read(tmp_path / "two").fingerprint() != first.fingerprint()


@pytest.mark.parametrize(
    ("train", "other", "part"),
    [
        ("train", "val", "val"),
        ("Training", "Testing", "test"),
        ("TRAIN", "valid", "val"),
        ("training", "Validation", "val"),
        ("train", "test", "test"),
    ],
)
def test_a_brought_split_is_kept(tmp_path, train, other, part):
    classes(tmp_path / train, count=4)
    classes(tmp_path / other, count=2, start=500)
    picture(tmp_path / "masks" / "0.png", 9)  # beside the parts: not theirs
    (tmp_path / "annotations.json").write_text("{}")
    examples = read(tmp_path, strict=True)
    assert examples.parts == ("train", part) and examples.skipped == ()
    first, second = examples.split(0.5, seed=3)
    assert first.counts() == {"ants": 4, "bees": 4} and second.counts() == {"ants": 2, "bees": 2}
    assert {Path(p).parents[1].name for p in second.paths} == {other}
    inner, held = first.split(0.25)  # a part can be split on; the test part stays out of it
    assert set(inner.paths) | set(held.paths) == set(first.paths) and len(held) == 2


def test_three_parts(tmp_path):
    for start, part in enumerate(("train", "val", "test")):
        classes(tmp_path / part, start=100 * start)
    examples = read(tmp_path)
    assert examples.parts == ("train", "val", "test")
    train, val = examples.split()
    assert set(train.splits) == {"train"} and set(val.splits) == {"val"}
    assert len(examples.part("test")) == 6
    with pytest.raises(InputError, match="not 'dev'"):
        examples.part("dev")


def test_a_single_part_is_split_like_any_folder(tmp_path):
    classes(tmp_path / "train", count=5)
    train, val = read(tmp_path).split(0.2)
    assert (len(train), len(val)) == (8, 2)


def test_a_class_may_be_called_train(tmp_path):
    classes(tmp_path, ("bus", "car", "train"))
    examples = read(tmp_path)
    assert examples.class_names == ("bus", "car", "train") and examples.parts == ()


def test_copies_across_a_brought_split_leave_the_training_side(tmp_path):
    classes(tmp_path / "train", count=4)
    classes(tmp_path / "val", count=2, start=300)
    classes(tmp_path / "test", count=2, start=600)
    shutil.copy(tmp_path / "test/ants/0.png", tmp_path / "train/ants/copy.png")
    shutil.copy(tmp_path / "test/ants/1.png", tmp_path / "train/bees/mislabelled.png")
    shutil.copy(tmp_path / "test/bees/0.png", tmp_path / "val/bees/copy.png")
    shutil.copy(tmp_path / "val/bees/0.png", tmp_path / "train/bees/copy.png")
    shutil.copy(tmp_path / "train/bees/0.png", tmp_path / "train/bees/twin.png")
    examples = read(tmp_path)
    left = {str(Path(path).relative_to(tmp_path)) for path, _ in examples.crossing}
    assert left == {
        "train/ants/copy.png",
        "train/bees/mislabelled.png",
        "val/bees/copy.png",
        "train/bees/copy.png",
    }
    assert not left & {str(Path(path).relative_to(tmp_path)) for path in examples.paths}
    sides = [set(examples.part(part).digests) for part in ("train", "val", "test")]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert len(examples.part("test")) == 4 and examples.counts()["bees"] == 9
    assert all("the same bytes as" in reason for _, reason in examples.crossing)


def test_copies_under_two_labels_are_left_out_and_listed(tmp_path):
    classes(tmp_path)
    shutil.copy(tmp_path / "ants/0.png", tmp_path / "bees/again.png")
    examples = read(tmp_path)
    assert examples.counts() == {"ants": 2, "bees": 3}
    found = reasons(examples)
    assert set(found) == {"0.png", "again.png"} and "'bees'" in found["0.png"]
    with pytest.raises(InputError, match="2 file"):
        read(tmp_path, strict=True)


def test_dirt_is_left_out_counted_and_listed(tmp_path):
    classes(tmp_path)
    ants = tmp_path / "ants"
    sound = (ants / "0.png").read_bytes()
    dirt = {
        "zero.jpg": (b"", "zero bytes"),
        "text.jpg": (b"hello", "not an image"),
        "Thumbs.mat": (b"MATLAB 5.0", "not an image"),
        "notes.txt": (b"notes", "not an image"),
        "cut.png": (sound[: len(sound) // 2], "truncated"),
        "head.png": (sound[:10], "not an image"),
    }
    for name, (data, _) in dirt.items():
        (ants / name).write_bytes(data)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
        (ants / name).write_bytes(b"system")
    (ants / "gone.png").symlink_to(tmp_path / "nowhere.png")
    dirt["gone.png"] = (b"", "leads nowhere")
    os.mkfifo(ants / "pipe.png")
    dirt["pipe.png"] = (b"", "not a regular file")
    picture(tmp_path / "loose.png", 5)
    dirt["loose.png"] = (b"", "outside the class folders")
    (tmp_path / "README.md").write_text("about")
    examples = read(tmp_path)
    found = reasons(examples)
    assert set(found) == set(dirt) and len(examples) == 6
    for name, (_, reason) in dirt.items():
        assert reason in found[name], name
    with pytest.raises(InputError, match="9 file") as error:
        read(tmp_path, strict=True)
    assert "\n" not in str(error.value)
    train, _ = examples.split(0.3)
    assert train.skipped == examples.skipped  # a run given only its halves still knows


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(tmp_path):
    classes(tmp_path)
    (tmp_path / "ants/0.png").chmod(0)
    assert "ermission" in reasons(read(tmp_path))["0.png"]


def test_names_links_and_depth(tmp_path):
    root = tmp_path / "data"
    classes(root, ("蚂蚁 🐜", "cafe\u0301"))
    picture(root / "蚂蚁 🐜" / "deep" / "er" / "PHOTO.JPG", 50)
    picture(root / "蚂蚁 🐜" / "new\nline.png", 51)
    outside = classes(tmp_path / "outside", ("more",), start=500)
    (root / "cafe\u0301" / "linked").symlink_to(outside / "more")
    (root / "cafe\u0301" / "up").symlink_to(root)
    (root / "cafe\u0301" / "disk").symlink_to("/")
    (root / "cafe\u0301" / "self").symlink_to("self")
    (root / "蚂蚁 🐜" / "deep" / "circle").symlink_to(root / "蚂蚁 🐜")
    examples = read(root)
    assert examples.class_names == ("caf\u00e9", "蚂蚁 🐜")
    assert examples.counts() == {"caf\u00e9": 6, "蚂蚁 🐜": 5}
    found = reasons(examples)
    assert set(found) == {"up", "disk", "self", "circle"}
    assert "read already" in found["circle"] and "read already" in found["disk"]


def test_accents_from_two_machines_are_one_class(tmp_path):
    classes(tmp_path / "train", ("caf\u00e9", "b"))
    classes(tmp_path / "val", ("cafe\u0301", "b"), start=400)
    assert read(tmp_path).class_names == ("b", "caf\u00e9")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_unicode(tmp_path):
    classes(tmp_path)
    raw = os.fsencode(tmp_path / "ants") + b"/\xff\xfe.png"
    Path(os.fsdecode(raw)).write_bytes((tmp_path / "ants/0.png").read_bytes())
    examples = read(tmp_path)
    assert examples.counts()["ants"] == 4 and len(examples.fingerprint()) == 64


def test_errors_are_one_line_with_a_remedy(tmp_path):
    def fails(path, *words):
        with pytest.raises(InputError) as error:
            read(path)
        message = str(error.value)
        assert "\n" not in message
        for word in words:
            assert word in message, message

    fails(tmp_path / "missing", "does not exist", "give the folder")
    fails(picture(tmp_path / "file" / "a.png", 0), "is a file")
    (tmp_path / "empty").mkdir()
    fails(tmp_path / "empty", "is empty", "folder per class")
    (tmp_path / "empty/.DS_Store").write_bytes(b"x")
    fails(tmp_path / "empty", "is empty")
    fails(tmp_path / "file", "1 images but no class folders")
    fails(classes(tmp_path / "one", ("ants",)), "one class only (ants)")
    fails(classes(tmp_path / "only_train/train", ("ants",)).parent, "one class only (ants)")
    for name in ("ants", "bees"):
        (tmp_path / "hollow" / name).mkdir(parents=True)
    fails(tmp_path / "hollow", "no files")
    half = classes(tmp_path / "half", ("ants",))
    (half / "bees").mkdir()
    fails(half, "no readable image of class 'bees'", "remove the class")
    (half / "bees/a.jpg").write_bytes(b"")
    fails(half, "no readable image of class 'bees'", "1 files were left out")
    for name in ("ants", "bees"):
        (tmp_path / "junk" / name).mkdir(parents=True)
        (tmp_path / "junk" / name / "a.jpg").write_bytes(b"junk")
    fails(tmp_path / "junk", "none of the 2 files", "not an image")
    flat = tmp_path / "flat"
    for i, part in enumerate(("train", "val")):
        picture(flat / part / "a.png", i)
    fails(flat, "no class folders")
    differing = classes(tmp_path / "differing/train", ("ants", "bees"))
    classes(differing.parent / "val", ("ants", "wasps"), start=300)
    fails(differing.parent, "class 'bees' is in the train part but not in the val part")
    twice = classes(tmp_path / "twice/train")
    classes(twice.parent / "val")
    classes(twice.parent / "valid")
    fails(twice.parent, "val/ and valid/", "merge")
    lonely = classes(tmp_path / "lonely/val")
    classes(lonely.parent / "test", start=70)
    with pytest.raises(InputError, match="no train/"):
        read(lonely.parent).split()


def test_files_with_labels_of_their_own(tmp_path):
    files = [
        picture(tmp_path / f"{name}_{i}.png", 10 * i + len(name))
        for i in range(2)
        for name in ("ant", "hornet")
    ]
    examples = from_files(files, [f.stem.split("_")[0] for f in files], progress=False)
    assert examples.class_names == ("ant", "hornet") and examples.labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(InputError, match="4 paths and 1 labels"):
        from_files(files, ["ant"])


def test_progress_is_silent_when_short(tmp_path, capfd):
    from_folder(classes(tmp_path))
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err == ""


def test_real_folders_with_their_dirt(shared_data):
    scans = read(shared_data / "brain-mri")
    assert scans.parts == ("train", "test") and len(scans.crossing) >= 20
    train, test = scans.split()
    assert not set(train.digests) & set(test.digests)
    bees = read(shared_data / "hymenoptera")
    assert [len(side) for side in bees.split()] == [245, 153]
    files = sorted((shared_data / "pets/images").iterdir())
    pets = from_files(files, [f.stem.rsplit("_", 1)[0] for f in files], progress=False)
    assert len(pets) == 600 and {Path(p).suffix for p, _ in pets.skipped} == {".mat"}
