"""Masks: every kind of file, outlines against references, pairs by name, and what is unsound."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import from_masks
from tl_keras.data.decoding import UnreadableImageError
from tl_keras.data.mask_files import ClassMask, ThingMask, read_values
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.data.rasters import filled, run_lengths_to_mask, unpack_run_lengths
from tl_keras.errors import InputError


def picture(path: Path, seed: int = 0, size=(12, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mask(path: Path, values, palette=False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(values, np.uint8))
    if palette:
        image.putpalette([7 * i % 256 for i in range(768)])
    image.save(path)
    return path


def read(*folders, **options):
    return from_masks(*folders, progress=False, **options)


def classes(examples, i=0, size=(8, 12)) -> np.ndarray:
    return examples.masks[i].semantic(*size)


@pytest.mark.parametrize("palette", [False, True])
def test_an_index_for_each_pixel(tmp_path, palette):
    values = np.random.default_rng(0).choice([0, 2, 5, 11], (8, 12))
    picture(tmp_path / "images/a.png")
    mask(tmp_path / "masks/a.png", values, palette)
    names = {0: "sky", 2: "road", 5: "tree"}
    examples = read(tmp_path / "images", tmp_path / "masks", class_names=names, ignore=11)
    assert examples.class_names == ("sky", "road", "tree")
    table = {0: 0, 2: 1, 5: 2, 11: 255}
    assert np.array_equal(classes(examples), np.vectorize(table.get)(values))
    assert classes(examples).dtype == np.uint8
    things, kinds = examples.masks[0].instances(8, 12)
    assert things.dtype == bool and kinds.dtype == np.int32
    assert np.array_equal(things.sum(axis=0) > 0, classes(examples) != 255)
    merged = read(
        *(tmp_path / "images", tmp_path / "masks"),
        class_names={0: "sky", 2: "road", 5: "sky"},
        ignore=[11],
    )
    assert merged.class_names == ("sky", "road") and set(np.unique(classes(merged))) == {0, 1, 255}


def test_black_and_white_blurred_by_jpeg(tmp_path):
    picture(tmp_path / "a.jpg")
    mask(tmp_path / "a.png", np.repeat([[0, 127, 128, 255]], 8, 0).repeat(3, 1))
    examples = read(tmp_path, kind="binary", class_names=["good", "crack"])
    assert classes(examples)[0].tolist() == [0] * 6 + [1] * 6 and len(examples) == 1
    one_bit = Image.fromarray(np.eye(8, 12) > 0)
    one_bit.save(tmp_path / "a.png")
    assert np.array_equal(classes(read(tmp_path, kind="binary")), np.eye(8, 12))


def test_trimaps(tmp_path):
    picture(tmp_path / "images/a.jpg")
    mask(tmp_path / "trimaps/a.png", np.repeat([[1, 2, 3]], 8, 0).repeat(4, 1))
    examples = read(tmp_path / "images", tmp_path / "trimaps", kind="trimap")
    assert classes(examples)[0].tolist() == [1] * 4 + [0] * 4 + [255] * 4
    things, kinds = examples.masks[0].instances(8, 12)
    assert len(things) == 1 and kinds.tolist() == [1] and things.sum() == 32


@pytest.mark.parametrize("nested", [True, False])
def test_a_file_for_each_thing(tmp_path, nested):
    for seed, name in enumerate(("x", "y", "z")):
        home = tmp_path / name / "images" if nested else tmp_path / "images"
        picture(home / f"{name}.png", seed)
    for k in range(3):
        values = np.zeros((8, 12))
        values[2 * k : 2 * k + 3, 3 * k : 3 * k + 4] = 255
        for name in ("x", "y"):
            home = tmp_path / name / "masks" if nested else tmp_path / "masks" / name
            mask(home / f"{k}.png", values)
    folders = [tmp_path] if nested else [tmp_path / "images", tmp_path / "masks"]
    examples = read(*folders, kind="things", class_names=["nothing", "cell"])
    assert [Path(p).stem for p in examples.paths] == ["x", "y"]
    assert [why for _, why in examples.skipped] == ["has no folder of masks"]
    things, kinds = examples.masks[0].instances(8, 12)
    assert kinds.tolist() == [1, 1, 1] and things.sum(axis=(1, 2)).tolist() == [12, 12, 12]
    assert np.array_equal(classes(examples), things.any(axis=0))
    alone = read(*folders, kind="things", class_names=["cell"])
    assert np.array_equal(classes(alone) == 255, ~things.any(axis=0))
    assert examples.fingerprint() != alone.fingerprint()


def test_values_named_void_do_not_count(tmp_path):
    picture(tmp_path / "images/a.png")
    values = np.zeros((8, 12))
    values[0], values[1], values[2] = 1, 2, 255
    mask(tmp_path / "masks/a.png", values)
    folders = tmp_path / "images", tmp_path / "masks"
    by_name = read(*folders, class_names=["road", "Void", "car"])
    assert by_name.class_names == ("road", "car")
    assert classes(by_name)[:4, 0].tolist() == [255, 1, 255, 0]
    meant = read(*folders, class_names=["road", "void", "car"], ignore=255)
    assert meant.class_names == ("road", "void", "car")
    assert classes(meant)[:4, 0].tolist() == [1, 2, 255, 0]
    with pytest.raises(InputError, match="name a class besides"):
        read(*folders, class_names=["void"])


def test_what_is_unsound_is_left_out_by_name(tmp_path):
    sound = np.zeros((8, 12))
    for seed, name in enumerate(
        ("good", "small", "values", "colours", "deep", "cut", "none", "two")
    ):
        picture(tmp_path / "images" / f"{name}.jpg", seed)
        mask(tmp_path / "masks" / f"{name}.png", sound)
    mask(tmp_path / "masks/small.png", np.zeros((4, 6)))
    mask(tmp_path / "masks/values.png", sound + 9)
    picture(tmp_path / "masks/colours.png")
    Image.fromarray(np.full((8, 12), 300, np.uint16)).save(tmp_path / "masks/deep.png")
    noise = np.random.default_rng(0).integers(0, 2, (8, 12))
    whole = mask(tmp_path / "masks/cut.png", noise).read_bytes()
    (tmp_path / "masks/cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "masks/none.png").unlink()
    mask(tmp_path / "masks/two.gif", sound)
    mask(tmp_path / "masks/alone.png", sound)
    examples = read(tmp_path / "images", tmp_path / "masks", class_names=["a", "b"])
    assert [Path(p).stem for p in examples.paths] == ["good"]
    found = {Path(path).stem: why for path, why in examples.skipped}
    for name, why in {
        "small": "a mask of 6 x 4 px, its image has 12 x 8",
        "values": "values 9 stand for no class (known: 0, 1, 255)",
        "colours": "in colours",
        "deep": "values up to 300; expected 0 to 255",
        "cut": "not a mask, or damaged",
        "none": "has no mask",
        "two": "has masks: ",
        "alone": "a mask without a picture",
    }.items():
        assert why in found.pop(name), name
    assert not found
    with pytest.raises(InputError, match=r"8 file.s. would be left out"):
        read(tmp_path / "images", tmp_path / "masks", class_names=["a", "b"], strict=True)
    (tmp_path / "masks/good.png").unlink()
    with pytest.raises(UnreadableImageError, match=r"good.png: no such file"):
        classes(examples)


def test_names_with_tails_parts_and_one_folder(tmp_path):
    picture(tmp_path / "train/sub/a.png", 1)
    mask(tmp_path / "train_masks/sub/a_mask.png", np.ones((8, 12)))
    picture(tmp_path / "test/b.png", 2)
    mask(tmp_path / "test/b_L.png", np.ones((8, 12)))
    two = {"train": tmp_path / "train", "test": tmp_path / "test"}
    examples = read(
        two, {"train": tmp_path / "train_masks", "test": tmp_path / "test"}, class_names=["a", "b"]
    )
    assert examples.splits == ("train", "test") and not examples.skipped
    inner = tmp_path / "inner"
    picture(inner / "c.png", 3)
    mask(inner / "masks" / "c.png", np.ones((8, 12)))
    assert len(read(inner, inner / "masks", class_names=["a", "b"])) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "alpha"}, "none of index, binary, trimap, things"),
        ({}, "index masks need class_names"),
        ({"class_names": "road"}, "index masks need class_names"),
        ({"class_names": {300: "a"}}, "300 is no value"),
        ({"class_names": {"0": "a"}}, "'0' is no value"),
        ({"class_names": ["a", "b"], "ignore": 1}, "the value 1 is a class and to be ignored"),
        ({"kind": "binary", "class_names": ["a"]}, "1 class names for binary masks"),
        ({"kind": "trimap", "class_names": ["a", "a"]}, "give two that differ"),
        ({"kind": "binary", "ignore": 3}, "ignore is for index masks"),
        ({"class_names": ["a", "b"]}, "no picture has a mask"),
    ],
)
def test_one_line_for_each_mistake(tmp_path, options, message):
    picture(tmp_path / "images/a.png")
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / "images", tmp_path / "masks", **options)
    assert "\n" not in str(caught.value)


def test_folders_that_do_not_fit(tmp_path):
    picture(tmp_path / "a.png")
    with pytest.raises(InputError, match="give the folder of the masks"):
        read(tmp_path, tmp_path / "no", class_names=["a"])
    with pytest.raises(InputError, match="'dev' is none of"):
        picture(tmp_path / "m/a.png")
        read({"dev": tmp_path}, {"dev": tmp_path / "m"}, class_names=["a"])
    with pytest.raises(InputError, match="both as a folder, or both as"):
        read({"train": tmp_path}, tmp_path, class_names=["a"])
    with pytest.raises(InputError, match="no folder for the part 'train'"):
        read({"train": tmp_path}, {"val": tmp_path}, class_names=["a"])


def inside(polygon: np.ndarray, height: int, width: int) -> np.ndarray:
    """Even-odd by a ray from each pixel's centre: the definition, pixel by pixel."""
    result = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            crossings = 0
            for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
                if min(y1, y2) <= y + 0.5 < max(y1, y2):
                    at = x1 + (y + 0.5 - y1) * (x2 - x1) / (y2 - y1)
                    crossings += at <= x + 0.5
            result[y, x] = crossings % 2
    return result


@pytest.mark.parametrize("seed", range(12))
def test_polygons_by_the_even_odd_rule(seed):
    rng = np.random.default_rng(seed)
    polygon = rng.uniform(-4, 16, (rng.integers(3, 9), 2))
    if seed % 2:
        polygon = polygon.round()  # corners and edges on the lines between pixels
    assert np.array_equal(filled(polygon, 10, 12), inside(polygon, 10, 12))


def test_polygons_cover_their_area_without_gap_or_overlap():
    rng = np.random.default_rng(3)
    total = np.zeros((90, 120), int)
    middle = np.array([60.3, 44.7])
    rim = np.array([[0, 0], [70, 0], [120, 0], [120, 55], [120, 90], [33, 90], [0, 90], [0, 21]])
    for one, other in zip(rim, np.roll(rim, -1, 0), strict=True):
        total += filled(np.array([middle, one, other]), 90, 120)
    assert (total == 1).all()  # neighbours that share an edge share no pixel
    circle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    radius = rng.uniform(20, 40)
    disk = filled(
        np.stack([60 + radius * np.cos(circle), 45 + radius * np.sin(circle)], 1), 90, 120
    )
    assert abs(disk.sum() / (np.pi * radius**2) - 1) < 0.01


def test_run_lengths_against_the_reference():
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for side in (1, 2, 7, 40, 300):
        for share in (0.0, 0.02, 0.5, 1.0):
            pixels = (rng.random((side, side + 3)) < share).astype(np.uint8)
            packed = coco.encode(np.asfortranarray(pixels))
            counts = unpack_run_lengths(packed["counts"].decode())
            assert np.array_equal(run_lengths_to_mask(counts, tuple(packed["size"])), pixels)


def test_run_lengths_by_hand():
    # From rleToString in COCO's maskApi.c: 5 bits a character, the fourth as a difference.
    assert unpack_run_lengths("54132") == (5, 4, 1, 7, 3)
    assert unpack_run_lengths("PP4") == (512 * 8,)
    for text in ("P", "~", "\u00e9", "1 2", "PPPPPPPPPPPPPPPPPPPPPPPP1", "O"):
        with pytest.raises(InputError):
            unpack_run_lengths(text)


def test_later_shapes_lie_on_top_and_crowds_are_ignored():
    square = Shape(((0, 0, 4, 0, 4, 4, 0, 4),))
    right = Shape(counts=(8, 8), size=(4, 4))
    both = ShapeMask((square, right), (1, 2), (False, False), background=0)
    assert both.semantic(4, 4).tolist() == [[1, 1, 2, 2]] * 4
    crowd = ShapeMask((square, right), (1, 2), (False, True), background=0)
    assert crowd.semantic(4, 4).tolist() == [[1, 1, 255, 255]] * 4
    assert len(crowd.instances(4, 4)[0]) == 1
    assert both.semantic(8, 8).shape == (8, 8) and (both.semantic(8, 8)[:, 4:] == 2).all()
    with pytest.raises(UnreadableImageError, match="the image has 4 x 9 px"):
        both.check(9, 4)
    with pytest.raises(UnreadableImageError, match="lengths give 9 px"):
        ShapeMask((Shape(counts=(9,), size=(4, 4)),), (0,), (False,)).check(4, 4)
    with pytest.raises(InputError, match="classes by pixel go up to 254"):
        ShapeMask((square,), (255,), (False,)).semantic(4, 4)


def test_fingerprints_know_content_and_meaning(tmp_path):
    one = mask(tmp_path / "1.png", np.eye(4))
    other = mask(tmp_path / "2.png", np.ones((4, 4)))
    values = (0, 1, *(-1,) * 254)
    first = ClassMask(str(one), values)
    same = ClassMask(str(mask(tmp_path / "copy.png", np.eye(4))), values)
    assert first.fingerprint() == same.fingerprint()
    others = [
        ClassMask(str(other), values),
        ClassMask(str(one), (1, 0, *values[2:])),
        ThingMask((str(one),), (1,)),
        ThingMask((str(one),), (0,)),
        ShapeMask((), (), ()),
        ShapeMask((Shape(((0, 0, 1, 1, 1, 0),)),), (0,), (False,)),
        ShapeMask((Shape(((0, 0, 1, 1, 1, 0),)),), (0,), (True,)),
    ]
    assert len({m.fingerprint() for m in (first, *others)}) == 8


def test_values_are_not_converted(tmp_path):
    grey = np.arange(96, dtype=np.uint8).reshape(8, 12)
    alpha = Image.fromarray(np.dstack([grey, grey, grey, np.full_like(grey, 9)]))
    alpha.save(tmp_path / "rgba.png")
    Image.fromarray(grey.astype(np.uint16)).save(tmp_path / "deep.png")
    mask(tmp_path / "palette.png", grey, palette=True)
    for name in ("rgba.png", "deep.png", "palette.png"):
        assert np.array_equal(read_values(str(tmp_path / name), 8, 12), grey), name


def test_real_masks(shared_data):
    names = [*("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence")]
    names += ["car", "pedestrian", "cyclist"]
    parts = ("train", "val", "test")
    camvid = shared_data / "camvid"
    streets = read(
        {part: camvid / part for part in parts},
        {part: camvid / f"{part}annot" for part in parts},
        class_names=names,
        ignore=11,
    )
    assert [len(streets.part(part)) for part in parts] == [150, 40, 60] and not streets.skipped
    tiles = read(shared_data / "magnetic-tile", kind="binary")
    pairs = len(list((shared_data / "magnetic-tile").glob("*/*.jpg")))
    assert len(tiles) + len(tiles.skipped) == pairs > 300
    for path, one in zip(tiles.paths, tiles.masks, strict=True):
        if "MT_Free" in path:
            with Image.open(path) as image:
                assert not one.semantic(image.height, image.width).any()
    pets = read(shared_data / "pets/images", shared_data / "pets/trimaps", kind="trimap")
    assert len(pets) == 598 and len(pets.skipped) == 5  # three .mat, two of half the mask's size


def test_real_nuclei(shared_data):
    cells = read(shared_data / "nuclei", kind="things", class_names=["background", "nucleus"])
    files = len(list((shared_data / "nuclei").glob("*/masks/*.png")))
    assert len(cells) == 40 and sum(len(one.paths) for one in cells.masks) == files
