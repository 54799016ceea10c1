"""What the check finds without a network: planted faults are found, clean data gives none."""

import io
import shutil
from dataclasses import replace

import check_pictures
import numpy as np
import pytest
from check_pictures import fill, kinds, picture, table
from PIL import Image, ImageEnhance

from tl_keras.data import Boxes, Skipped, check, cleaned, from_folder
from tl_keras.data.checking.findings import KINDS, SEVERITIES, Finding, in_order
from tl_keras.data.checking.grouping import connected, members
from tl_keras.data.checking.hashing import pairs_within
from tl_keras.data.checking.left_out import left_out
from tl_keras.data.checking.neighbours import nearest
from tl_keras.data.checking.statistics import robust_z
from tl_keras.data.mask_files import UNKNOWN, ClassMask
from tl_keras.errors import InputError


@pytest.fixture
def clean(tmp_path):
    """Two classes of 30, each picture another, in train and test."""
    root = tmp_path / "set"
    for number, part in enumerate(("train", "test")):
        for kind, name in enumerate(("stripes", "rings")):
            fill(root / part / name, 15, kind, seed=number)
    return root


def read(root):
    return from_folder(root, progress=False)


def test_clean_data_gives_no_finding(clean):
    assert check(read(clean), progress=False) == []


def test_copies_across_parts_and_within_and_against_each_other(clean):
    shutil.copy(clean / "test/rings/000.png", clean / "train/rings/twin.png")
    shutil.copy(clean / "train/rings/001.png", clean / "train/rings/again.png")
    shutil.copy(clean / "train/rings/002.png", clean / "train/stripes/other.png")
    examples = read(clean)
    findings = check(examples, progress=False)
    assert kinds(findings) == {
        "copies_across_parts": [["rings/000.png", "rings/twin.png"]],
        "contradictory_copies": [["rings/002.png", "stripes/other.png"]],
        "copies": [["rings/001.png", "rings/again.png"]],
    }
    assert [one.severity for one in findings] == ["error", "error", "note"]
    result = cleaned(examples, findings)
    assert len(result.examples) == 60 and result.boxes == 0  # 2 contradict, 1 copy stays
    gone = {path.removeprefix(f"{clean}/") for path in result.dropped}
    assert gone == {"train/rings/twin.png", "train/rings/002.png", "train/stripes/other.png"}


def test_a_table_that_no_reader_cleaned(clean):
    """Copies that stand in the table itself: on both sides of a split, with two labels."""
    file = sorted((clean / "train/rings").iterdir())
    paths = [file[0], file[0].with_name("x.png"), file[1], file[1].with_name("y.png")]
    shutil.copy(paths[0], paths[1])
    shutil.copy(paths[2], paths[3])
    examples = table(
        paths,
        [0, 0, 0, 1],
        splits=("train", "test", "train", "train"),
        digests=("1", "1", "2", "2"),
    )
    findings = check(examples, progress=False)
    assert [one.kind for one in findings][:2] == ["copies_across_parts", "contradictory_copies"]
    result = cleaned(examples, findings)
    assert result.examples.paths == (str(paths[1]),)  # the test part keeps its own


def _changed(image):
    width, height = image.size
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return {
        "encoded": Image.open(io.BytesIO(buffer.getvalue())),
        "smaller": image.resize((width // 2, height // 2)),
        "square": image.resize((100, 100)),
        "darker": ImageEnhance.Brightness(image).enhance(0.6),
        "flatter": ImageEnhance.Contrast(image).enhance(0.7),
        "grey": image.convert("L"),
    }


@pytest.mark.parametrize("change", ["encoded", "smaller", "square", "darker", "flatter", "grey"])
def test_near_copies_across_parts(clean, change):
    for number in range(5):
        source = clean / f"test/stripes/{number:03d}.png"
        _changed(Image.open(source))[change].save(clean / f"train/stripes/near{number}.png")
    found = kinds(check(read(clean), progress=False))
    pairs = [[f"stripes/{number:03d}.png", f"stripes/near{number}.png"] for number in range(5)]
    assert found.pop("near_copies_across_parts") == pairs
    # Five of a kind by themselves (of five grey ones among colours, say) may be unusual, too.
    assert found.keys() <= {"outlier"}


def test_near_copies_within_a_part_and_with_two_labels(clean):
    for number, place in ((0, "train/rings"), (1, "train/stripes")):
        image = Image.open(clean / f"train/rings/{number:03d}.png")
        image.resize((90, 70)).save(clean / place / "near.png")
    assert kinds(check(read(clean), progress=False)) == {
        "near_copies_differ": [["rings/001.png", "stripes/near.png"]],
        "near_copies": [["rings/000.png", "rings/near.png"]],
    }


def test_pictures_that_only_look_alike_are_no_near_copies(tmp_path):
    """The same object on white in three colours and four places; flat pictures; one turned over."""
    paths = []

    def keep(pixels):
        paths.append(tmp_path / f"{len(paths)}.png")
        Image.fromarray(pixels.astype("uint8")).save(paths[-1])

    for colour in ((200, 30, 30), (30, 160, 40), (40, 60, 200)):
        for x in (10, 30, 50, 70):
            pixels = np.full((90, 120, 3), 250)
            pixels[20:70, x : x + 30] = colour
            keep(pixels)
    for level in (10, 90, 200):
        keep(np.full((90, 120, 3), level) + np.arange(120)[None, :, None] % 2)
    ramp = np.tile(np.arange(120)[None, :, None], (90, 1, 3))
    keep(ramp)
    keep(255 - ramp)
    found = kinds(check(table(paths), progress=False))
    assert "near_copies" not in found
    assert len(found["blank_image"][0]) == 3


@pytest.mark.parametrize("copies", [1, 4])
def test_a_stray_placeholder_is_an_outlier(clean, copies):
    graphic = np.full((300, 300, 3), 246, np.uint8)
    graphic[120:140, 60:240:6] = 70
    for number in range(copies):
        Image.fromarray(graphic).save(clean / f"train/rings/notfound{number}.gif")
    findings = check(read(clean), progress=False)
    (outlier,) = [one for one in findings if one.kind == "outlier"]
    assert "notfound" in outlier.paths[0] and outlier.score > 1.5


def test_unreadable_files_and_what_else_was_left_out(clean):
    whole = (clean / "train/rings/000.png").read_bytes()
    (clean / "train/rings/cut.png").write_bytes(whole[: len(whole) // 2])
    (clean / "train/rings/empty.jpg").write_bytes(b"")
    shutil.copy(clean / "train/rings/000.png", clean / "train/loose.png")
    examples = read(clean)
    gone = clean / "train/stripes/003.png"
    gone.unlink()  # between reading and checking
    findings = check(examples, progress=False)
    found = kinds(findings)
    assert sorted(found["unreadable"]) == [
        ["rings/cut.png"],
        ["rings/empty.jpg"],
        ["stripes/003.png"],
    ]
    assert found["left_out"] == [["train/loose.png"]]
    result = cleaned(examples, findings)
    assert str(gone) not in result.examples.paths and len(result.examples) == 59


def test_tiny_classes_and_imbalance(tmp_path):
    for kind, (name, count) in enumerate((("many", 52), ("few", 5), ("enough", 10))):
        fill(tmp_path / "set" / name, count, kind)
    findings = check(read(tmp_path / "set"), progress=False)
    assert [one.kind for one in findings] == ["tiny_class", "imbalance"]
    assert len(findings[0].paths) == 5 and "52" in findings[1].why and "10 to 1" in findings[1].why


def test_tiny_and_odd_pictures(clean):
    rng = np.random.default_rng(5)
    picture(rng, size=(30, 24)).save(clean / "train/rings/tiny.png")
    picture(rng, size=(8, 6)).save(clean / "train/rings/tinier.png")
    picture(rng, size=(600, 90)).save(clean / "train/rings/banner.png")
    findings = {one.kind: one for one in check(read(clean), progress=False)}
    assert [path.rsplit("/", 1)[1] for path in findings["tiny_image"].paths] == [
        "tinier.png",
        "tiny.png",
    ]
    assert findings["odd_shape"].paths == (str(clean / "train/rings/banner.png"),)
    assert "8 x 6 px" in findings["tiny_image"].why and "600 x 90 px" in findings["odd_shape"].why


def test_boxes(tmp_path):
    paths = sorted(fill(tmp_path / "a", 3).iterdir())  # 120 x 90 px
    boxes = (
        Boxes.of([(0, 0, 120, 90), (5, 5, 50, 50)], [0, 1]),
        Boxes.of([(5, 5, 5, 50), (200, 0, 240, 50), (np.nan, 0, 9, 9), (1, 1, 9, 9)], [0, 0, 0, 1]),
        Boxes.of([(-20, 0, 40, 40), (90, 60, 120.5, 90.5), (3, 3, 9, 9)], [0, 0, 2]),
    )
    examples = table(paths, boxes=boxes)
    findings = [one for one in check(examples, progress=False) if one.kind.startswith("box")]
    assert [(one.kind, one.paths[0], one.score) for one in findings] == [
        ("box_empty", str(paths[1]), 3),
        ("box_class", str(paths[2]), 1),
        ("box_outside", str(paths[2]), 1),
    ]
    result = cleaned(examples, findings)
    assert result.boxes == 3 and [len(some) for some in result.examples.boxes] == [2, 1, 3]
    assert result.examples.boxes[1].xyxy.tolist() == [[1, 1, 9, 9]]


def test_masks(tmp_path):
    paths = sorted(fill(tmp_path / "a", 4).iterdir())
    masks = []
    for number, value in enumerate((0, 1, 7, 2)):
        size = (80, 120) if number == 1 else (90, 120)
        file = tmp_path / f"{number}.png"
        Image.fromarray(np.full(size, value, np.uint8)).save(file)
        named = tuple(range(3)) if number == 3 else (0, 1)
        masks.append(ClassMask(str(file), (*named, *[UNKNOWN] * (255 - len(named)), 255)))
    findings = check(table(paths, masks=tuple(masks)), progress=False)
    assert [(one.kind, one.paths[0]) for one in findings] == [
        ("mask", str(paths[row])) for row in (1, 2, 3)
    ]
    sizes, values, classes = (one.why for one in findings)
    assert "120 x 80 px" in sizes and "7" in values and "values 2" in classes


def test_what_readers_say_of_boxes_and_masks_is_sorted(tmp_path):
    image = str(next(fill(tmp_path / "a", 1).iterdir()))
    notes = tmp_path / "a.xml"
    notes.write_text("<annotation/>")
    skipped = (
        Skipped(str(notes), "object 3 (cat): of no area, x 1 to 1, y 2 to 9"),
        Skipped(str(notes), "row 4: a box without a class"),
        Skipped(image, "its mask m.png: a mask of 3 x 4 px, its image has 120 x 90"),
        Skipped(image, "annotated as 5 x 5 px in a.xml, but is 120 x 90 px"),
    )
    found = left_out(table([], skipped=skipped), progress=False)
    assert [one.kind for one in found] == ["box_empty", "box_class", "mask", "left_out"]


def test_features_must_fit(clean):
    examples = read(clean)
    for wrong in (np.zeros((3, 4)), np.zeros((60, 2), int), np.zeros(60)):
        with pytest.raises(InputError, match="a row for each of the 60 examples"):
            check(examples, features=wrong, progress=False)
    with pytest.raises(InputError, match="not finite"):
        check(examples, features=np.full((60, 2), np.nan), progress=False)


def test_no_pictures_at_all(tmp_path):
    skipped = (Skipped(str(tmp_path / "no.jpg"), "no such file"),)
    findings = check(table([], skipped=skipped), features=np.zeros((0, 3)), progress=False)
    assert [one.kind for one in findings] == ["unreadable"]


def test_every_kind_is_described():
    assert all(about.severity in SEVERITIES for about in KINDS.values())
    ranks = [SEVERITIES.index(about.severity) for about in KINDS.values()]
    assert ranks == sorted(ranks)  # the page and the summary show the gravest first
    low, high = Finding("outlier", ("a",), "", 3.6), Finding("outlier", ("b",), "", 9.0)
    assert in_order([low, high]) == [high, low]
    assert high.as_dict() == {
        "kind": "outlier", "paths": ["b"], "why": "", "severity": "warning", "score": 9.0,
    }  # fmt: skip


def test_pairs_and_groups_against_brute_force():
    rng = np.random.default_rng(0)
    for count in (0, 1, 40, 1500):
        hashes = rng.integers(0, 2**12, count).astype(np.uint64)
        bits = np.unpackbits(hashes.view(np.uint8).reshape(count, 8), axis=1).astype(np.int16)
        apart = (bits[:, None] != bits[None]).sum(axis=2) if count <= 40 else None
        pairs = pairs_within(hashes, 2)
        assert (pairs[:, 0] < pairs[:, 1]).all()
        if apart is not None:
            wanted = np.argwhere(np.triu(apart <= 2, 1))
            assert sorted(pairs.tolist()) == wanted.tolist()
        else:  # across blocks of rows: symmetrical, so as many as the counts of all bits say
            differing = np.bitwise_count(hashes[:, None] ^ hashes)
            assert len(pairs) == ((differing <= 2).sum() - count) // 2
    groups = connected(6, np.array([[4, 5], [0, 4], [1, 2]]))
    assert groups.tolist() == [0, 1, 1, 3, 0, 0]
    assert [rows.tolist() for rows in members(groups)] == [[0, 4, 5], [1, 2]]


def test_nearest_against_brute_force():
    values = np.random.default_rng(0).normal(size=(1500, 6)).astype("float32")
    values[7] = values[1400]
    positions, distances = nearest(values, 3)
    apart = np.linalg.norm(values[:, None].astype("float64") - values, axis=2)
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :3], rtol=1e-4)
    assert distances[7, 0] == 0 and positions[7, 0] == 1400
    few, _ = nearest(values, 3, references=100)
    assert len(np.unique(few)) <= 100
    assert nearest(values[:1], 3)[0].shape == (1, 0)


def test_robust_z_of_constant_columns():
    values = np.zeros((9, 2))
    values[:, 1] = np.arange(9)
    assert np.isfinite(robust_z(values)).all() and (robust_z(values)[:, 0] == 0).all()


def test_copies_do_not_make_each_other_usual(clean):
    """A finding of the first of several copies stands for all of them; cleaning needs no label."""
    examples = replace(read(clean), labels=np.full(60, -1))
    assert check(examples, progress=False) == []
    assert check_pictures.kinds([]) == {}
