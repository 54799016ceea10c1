"""Mutation fuzz of every reader: what it cannot use it says in one line, and never hangs.

Annotations and tables are cut off, flipped, spliced and filled with junk; their pictures stay.
Either one InputError of one line, or a table whose boxes lie in their pictures, whose masks can be
read and whose every row that was left out has a reason.  In processes of their own, with a limit.
"""

import copy
import csv
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tl_keras.data import from_coco, from_csv, from_masks, from_voc, from_yolo
from tl_keras.errors import InputError

# Pieces that mean something to one parser or another.
PIECES = [
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\n", b"\r", b'"', b"'", b",", b";", b"\t", b"|", b"-1"),
    *(b"1e999", b"NaN", b"99999999999999999999", b"null", b"[]", b"{}", b"[[", b"]]", b"true"),
    *(b"../../../etc/passwd", b"/dev/zero", b"&amp;", b"&b;", b"<![CDATA[", b"<object>", b"</x>"),
    *("ünï/çödé".encode(), b"\xed\xa0\x80", b"images", b"a.png", b"0.5", b" ", b"%s", b"&a *a"),
    b'<!DOCTYPE a [<!ENTITY b "ha">]>',
]


def mutate(data: bytes, draw: random.Random) -> bytes:
    mutant = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 6))):
        at = draw.randrange(len(mutant) + 1)
        match draw.randrange(7):
            case 0 if at < len(mutant):
                mutant[at] ^= 1 << draw.randrange(8)
            case 1:
                mutant[at:at] = draw.choice(PIECES)
            case 2:
                del mutant[at : at + draw.choice((1, 4, 50))]
            case 3:
                del mutant[at:]
            case 4:
                mutant[at : at + 4] = draw.choice(PIECES)
            case 5:
                other = draw.randrange(len(mutant) + 1)
                mutant[at:at] = mutant[other : other + draw.choice((3, 30, 300))]
            case 6:
                mutant[at:at] = draw.randbytes(draw.choice((1, 8)))
    return bytes(mutant)


VALUES = [
    *(
        None,
        True,
        -1,
        0,
        3,
        10**30,
        0.5,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "cat",
        "a.png",
    ),
    *([], {}, [[]], [1, 2, 3], [[1, 2, 3, 4, 5]], {"id": 0}, ["cat"], "/dev/zero", "\n\0"),
]


def mutate_json(data: bytes, draw: random.Random) -> bytes:
    """Sound JSON in which one to three values are others, missing, or there twice."""
    document = json.loads(data)
    for _ in range(draw.choice((1, 1, 3))):
        node = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw.choice(keys)
            if isinstance(node[key], (dict, list)) and draw.random() < 0.8:
                node = node[key]
                continue
            match draw.randrange(4):
                case 0:
                    del node[key]
                case 1 if isinstance(node, list):
                    node.append(copy.deepcopy(node[key]))
                case _:
                    node[key] = copy.deepcopy(draw.choice(VALUES))
            break
    return json.dumps(document).encode()


def mutate_cell(data: bytes, draw: random.Random) -> bytes:
    """A table in which the JSON of one cell, or a whole cell, is another."""
    rows = list(csv.reader(io.StringIO(data.decode())))
    row = draw.choice(rows)
    at = draw.randrange(len(row))
    if row[at].startswith(("[", "{")):
        row[at] = mutate_json(row[at].encode(), draw).decode()
    else:
        row[at] = str(draw.choice(VALUES)).replace("\0", "")
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def mutant_of(file: Path, data: bytes, draw: random.Random) -> bytes:
    if file.suffix == ".json" and draw.random() < 0.7:
        return mutate_json(data, draw)
    if file.suffix == ".csv" and draw.random() < 0.7:
        return mutate_cell(data, draw)
    return mutate(data, draw)


def write_sets(root: Path) -> None:
    """A sound set of each format, and a full table, below a folder."""
    rng = np.random.default_rng(0)
    for home in ("voc/images", "yolo/images/train", "coco", "csv", "masks/images"):
        (root / home).mkdir(parents=True)
        for k, name in enumerate("abc"):
            pixels = rng.integers(0, 256, (12 + 4 * k, 16, 3), np.uint8)
            Image.fromarray(pixels).save(root / home / f"{name}.png")
    (root / "voc/xmls").mkdir()
    (root / "yolo/labels/train").mkdir(parents=True)
    (root / "masks/masks").mkdir()
    for k, name in enumerate("abc"):
        thing = (
            "<object><name>cat</name><difficult>0</difficult><bndbox><xmin>1</xmin>"
            "<ymin>2</ymin><xmax>9</xmax><ymax>9.5</ymax></bndbox></object>"
        )
        (root / f"voc/xmls/{name}.xml").write_text(
            f"<annotation><filename>{name}.png</filename><size><width>16</width>"
            f"<height>{12 + 4 * k}</height></size>{thing}{thing}</annotation>"
        )
        (root / f"yolo/labels/train/{name}.txt").write_text(
            "0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.9 0.1 0.9 0.8\n"
        )
        values = rng.integers(0, 3, (12 + 4 * k, 16)).astype(np.uint8)
        Image.fromarray(values).save(root / f"masks/masks/{name}.png")
    (root / "yolo/data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/train\nnames:\n  0: cat\n  1: dog\n"
    )
    boxes = [[1, 2, 5, 6], [0, 0, 16, 8]]
    outlines = [[[1, 2, 6, 2, 6, 8]], {"size": [16, 16], "counts": [10, 20, 226]}]
    document = {
        "images": [
            {"id": k, "file_name": f"{name}.png", "width": 16, "height": 12 + 4 * k}
            for k, name in enumerate("abc")
        ],
        "annotations": [
            {
                "id": i,
                "image_id": i,
                "category_id": 1,
                "bbox": boxes[i],
                "segmentation": outlines[i],
            }
            for i in range(2)
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    (root / "coco/coco.json").write_text(json.dumps(document))
    full = from_coco(root / "coco/coco.json", background="none", progress=False)
    full.to_csv(root / "coco/full.csv")
    rows = "path,label,tags,split,patient\na.png,x,p|q,train,1\nb.png,y,p,val,2\nc.png,x,,test,\n"
    (root / "csv/t.csv").write_text(rows)
    rows = "path,class,xmin,ymin,xmax,ymax,width,height\na.png,x,1,2,3,4,16,12\nb.png,y,1,2,3,4,,\n"
    (root / "csv/boxes.csv").write_text(rows)


READERS = {
    "voc": ("voc/xmls/*.xml", lambda root: from_voc(root / "voc", progress=False)),
    "coco": ("coco/coco.json", lambda root: from_coco(root / "coco/coco.json", progress=False)),
    "yolo": ("yolo/**/*.[ty]*[tl]", lambda root: from_yolo(root / "yolo", progress=False)),
    "csv": ("csv/t.csv", lambda root: from_csv(root / "csv/t.csv", progress=False)),
    "box csv": ("csv/boxes.csv", lambda root: from_csv(root / "csv/boxes.csv", progress=False)),
    "full csv": ("coco/full.csv", lambda root: from_csv(root / "coco/full.csv", progress=False)),
    "masks": (
        "masks/masks/*.png",
        lambda root: from_masks(
            root / "masks/images", root / "masks/masks", class_names=[*"xyz"], progress=False
        ),
    ),
}


def check(examples) -> None:
    for skip in (*examples.skipped, *examples.crossing):
        assert skip.reason.strip() and "\n" not in skip.reason, skip
    for i, path in enumerate(examples.paths):
        with Image.open(path) as image:
            width, height = image.size
        if examples.boxes is not None:
            x1, y1, x2, y2 = examples.boxes[i].xyxy.T
            assert (x1 >= 0).all() and (y1 >= 0).all() and (x1 < x2).all() and (y1 < y2).all()
            assert (x2 <= width).all() and (y2 <= height).all()
            assert (examples.boxes[i].classes < len(examples.class_names)).all()
        if examples.masks is not None and examples.masks[i] is not None:
            by_pixel = examples.masks[i].semantic(height, width)
            assert ((by_pixel < len(examples.class_names)) | (by_pixel == 255)).all()
            assert examples.masks[i].instances(height, width)[0].shape[1:] == (height, width)
    assert len(examples.fingerprint()) == 64


def fuzz(root: Path, kind: str, count: int, seed: int) -> dict[str, int]:
    pattern, read = READERS[kind]
    files = sorted(root.glob(pattern))
    sound = {file: file.read_bytes() for file in files}
    check(read(root))
    draw = random.Random(seed)
    outcomes = {"read": 0, "left out": 0, "refused": 0}
    for _ in range(count):
        file = draw.choice(files)
        file.write_bytes(mutant_of(file, sound[file], draw))
        try:
            examples = read(root)
            check(examples)
            outcomes["left out" if examples.skipped else "read"] += 1
        except InputError as error:
            assert str(error).strip() and "\n" not in str(error), str(error)
            outcomes["refused"] += 1
        except BaseException:
            print("at", file, file.read_bytes(), file=sys.stderr)
            raise
        file.write_bytes(sound[file])
    return outcomes


def in_a_process(folder: Path, kind: str, count: int, seed: int, limit: int) -> dict[str, int]:
    program = (
        "import json, sys; from pathlib import Path; import test_readers_fuzz as fuzz;"
        "root = Path(sys.argv[1]); fuzz.write_sets(root);"
        "print(json.dumps(fuzz.fuzz(root, sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))"
    )
    here = Path(__file__).resolve().parent
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, folder, kind, str(count), str(seed)],
        env={**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"},
        capture_output=True,
        text=True,
        timeout=limit,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", READERS)
def test_some_mutants(tmp_path, kind):
    outcomes = in_a_process(tmp_path, kind, 60, 1, 120)
    assert sum(outcomes.values()) == 60
    assert outcomes["left out"] + outcomes["refused"] > 10  # the blows are not void


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_many_mutants(tmp_path, kind, seed):
    in_a_process(tmp_path, kind, 1500, seed, 900)


def test_a_billion_laughs(tmp_path):
    write_sets(tmp_path)
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE a [<!ENTITY l0 "ha">{levels}]><annotation>&l11;</annotation>'
    (tmp_path / "voc/xmls/a.xml").write_text(bomb)
    away = '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation>&e;</annotation>'
    (tmp_path / "voc/xmls/b.xml").write_text(away)
    (tmp_path / "voc/xmls/c.xml").write_text("<a>" * 100_000)
    with pytest.raises(InputError, match=r"no image .* can be used, e.g. .* over 100 deep"):
        from_voc(tmp_path / "voc", progress=False)
    (tmp_path / "voc/images/d.png").write_bytes((tmp_path / "voc/images/a.png").read_bytes())
    examples = from_voc(tmp_path / "voc", progress=False)
    reasons = [skip.reason.split(": ", 1)[1] for skip in examples.skipped]
    refused = "declares entities, which are refused"
    assert reasons == [refused, refused, "elements in elements, over 100 deep"]


@pytest.mark.slow
def test_a_hundred_thousand_boxes_in_a_table(tmp_path):
    write_sets(tmp_path)
    rows = [f"{'ab'[i % 2]}.png,x,{i % 7},2,{i % 7 + 2},9" for i in range(100_000)]
    header = "path,class,xmin,ymin,xmax,ymax"
    (tmp_path / "csv/boxes.csv").write_text("\n".join([header, *rows, "a.png,x,3,3,3,3"]))
    examples = from_csv(tmp_path / "csv/boxes.csv", progress=False)
    assert [len(boxes) for boxes in examples.boxes] == [50_000, 50_000]
    assert [skip.reason for skip in examples.skipped] == [
        "row 100002 (x): of no area, x 3 to 3, y 3 to 3"
    ]
    missing = "\n".join(["path,label", *(f"no/{i}.png,{'xy'[i % 2]}" for i in range(100_000))])
    (tmp_path / "csv/t.csv").write_text(f"{missing}\na.png,x\nb.png,y\n")
    examples = from_csv(tmp_path / "csv/t.csv", progress=False)
    assert len(examples) == 2 and len(examples.skipped) == 100_000


@pytest.mark.parametrize("kind", READERS)
def test_junk_and_nothing_instead_of_annotations(tmp_path, kind):
    write_sets(tmp_path)
    pattern, read = READERS[kind]
    for junk in (b"", random.Random(0).randbytes(50_000), b"\n" * 50_000, b"[" * 50_000):
        for file in tmp_path.glob(pattern):
            file.write_bytes(junk)
        try:
            check(read(tmp_path))
        except InputError as error:
            assert "\n" not in str(error) and len(str(error)) < 2000
