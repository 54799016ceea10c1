"""Tables: columns found by name, tags, boxes and masks in cells, and the way there and back."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tl_keras.data import Boxes, Examples, from_csv
from tl_keras.data import scanning as scanning_module
from tl_keras.data.mask_files import ClassMask, ThingMask
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.data.reading.mask_cells import parse_mask_cell
from tl_keras.data.scanning import check_file
from tl_keras.errors import InputError


def picture(path: Path, seed: int, size=(20, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def table(folder: Path, text: str, images=("a.png", "b.png", "c.png", "d.png")) -> Path:
    for seed, name in enumerate(images):
        picture(folder / name, seed)
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read(path, **options):
    return from_csv(path, progress=False, **options)


def names(examples) -> list[str]:
    return [Path(path).name for path in examples.paths]


def labels(examples) -> list[str]:
    return [examples.class_names[label] for label in examples.labels]


def test_paths_and_labels_by_their_usual_names(tmp_path):
    path = table(
        tmp_path, "File Name,Class,price\na.png,ant,5\nb.png,bee,\nc.png,ant,7\nx.png,bee,1\n"
    )
    examples = read(path)
    assert names(examples) == ["a.png", "b.png", "c.png"] and labels(examples) == [
        *("ant", "bee", "ant")
    ]
    assert examples.extra == {"price": ("5", "", "7")} and examples.root == str(path)
    assert [(Path(p).name, why) for p, why in examples.skipped] == [("x.png", "no such file")]
    with pytest.raises(InputError, match=r"1 file\(s\).*x.png"):
        read(path, strict=True)


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_delimiters_marks_and_line_ends(tmp_path, mark):
    rows = ["path,label,note", "a.png,ant,1", 'b.png,bee,"2,5"', "", "c.png,ant,3"]
    text = "\r\n".join(row if "2,5" in row else row.replace(",", mark) for row in rows)
    path = table(tmp_path, text.replace('b.png,bee,"2,5"', mark.join(("b.png", "bee", "2,5"))))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(path).extra == {"note": ("1", "2,5", "3")}
    path.write_bytes(path.read_text("utf-8-sig").encode("utf-16"))
    assert read(path).extra == {"note": ("1", "2,5", "3")}


def test_an_id_finds_the_one_picture_of_that_name(tmp_path):
    for seed, name in enumerate(("1.jpg", "2.png", "3.png", "3.jpg")):
        picture(tmp_path / "images" / name, seed)
    (tmp_path / "styles.csv").write_text("id,gender\n1,Men\n2,Women\n3,Men\n")
    examples = read(tmp_path / "styles.csv", label="gender")
    assert names(examples) == ["1.jpg", "2.png"]
    assert [Path(p).name for p, _ in examples.skipped] == ["3"]  # two pictures: which is meant?


def test_files_by_folder_slash_and_unicode_form(tmp_path):
    picture(tmp_path / "elsewhere" / "sub" / "caf\u0065\u0301.png", 0)
    picture(tmp_path / "elsewhere" / "b.png", 1)
    path = tmp_path / "t.csv"
    path.write_text("path,label\nsub\\caf\u00e9.png,x\nb.png,y\n", encoding="utf-8")
    assert len(read(path, root=tmp_path / "elsewhere")) == 2
    with pytest.raises(InputError, match="give the folder of your images"):
        read(path, root=tmp_path / "nowhere")


def test_groups_splits_and_what_only_looks_like_a_split(tmp_path):
    path = table(
        tmp_path,
        "path,label,split,patient\na.png,x,training,p1\nb.png,y,Valid,p1\nc.png,x,,\nd.png,y,test,p2\n",
    )
    examples = read(path)
    assert examples.splits == ("train", "val", None, "test")
    assert examples.groups == ("p1", "p1", None, "p2") and examples.extra == {}
    assert read(path, split=False, group=False).extra.keys() == {"split", "patient"}
    path.write_text(path.read_text().replace("Valid", "fold 3"))
    assert read(path).splits == (None,) * 4 and "split" in read(path).extra
    with pytest.raises(InputError, match=r"split=.*'fold 3'; expected train"):
        read(path, split="split")


def test_tags_of_categories_keep_what_is_not_known(tmp_path):
    path = table(tmp_path, "path,colour,gender\na.png,red,m\nb.png,,f\nc.png,blue,m\n")
    examples = read(path, tags=["colour", "gender"])
    assert examples.tag_names == ("colour=blue", "colour=red", "gender=f", "gender=m")
    assert examples.tags.tolist() == [[0, 1, 0, 1], [-1, -1, 1, 0], [1, 0, 0, 1]]
    assert (examples.labels == -1).all() and examples.class_names == ()


def test_tags_in_one_cell(tmp_path):
    path = table(tmp_path, 'path,tags\na.png,red|round\nb.png,\nc.png,round\nd.png,"[]"\n')
    assert read(path).tags.tolist() == [[1, 1], [-1, -1], [0, 1], [0, 0]]
    path.write_text("path,words\na.png,haze primary\nb.png,primary\n")
    assert read(path, tags="words", separator=" ").tag_names == ("haze", "primary")


def test_tags_of_zero_and_one(tmp_path):
    path = table(tmp_path, "path,smile,hat\na.png,1,0\nb.png,,1\nc.png,-1,0\n")
    assert read(path, tags=["smile", "hat"]).tags.tolist() == [[1, 0], [-1, 1], [-1, 0]]
    path.write_text("path,smile,hat\na.png,1,-1\nb.png,-1,1\n")  # CelebA
    assert read(path, tags=["smile", "hat"]).tags.tolist() == [[1, 0], [0, 1]]


def test_a_row_per_box(tmp_path):
    path = table(
        tmp_path,
        "filename,width,height,class,xmin,ymin,xmax,ymax,score\n"
        "a.png,20,10,cat,1,2,5,6,0.5\na.png,20,10,dog,15,5,30,9,0.7\nb.png,20,10,,,,,,\n"
        "c.png,40,20,dog,2,2,6,8,1\nd.png,20,20,dog,1,1,2,2,1\na.png,20,10,dog,3,3,3,9,1\n"
        "b.png,20,10,dog,x,1,2,2,1\nb.png,20,10,dog,25,1,30,2,1\n",
    )
    examples = read(path)
    assert names(examples) == ["a.png", "b.png", "c.png"]
    assert examples.boxes[0].xyxy.tolist() == [[1, 2, 5, 6], [15, 5, 20, 9]]  # cut off at the edge
    assert [examples.class_names[c] for c in examples.boxes[0].classes] == ["cat", "dog"]
    assert len(examples.boxes[1]) == 0
    assert examples.boxes[2].xyxy.tolist() == [[1, 1, 3, 4]]  # drawn at twice the size
    assert (examples.labels == -1).all() and examples.extra == {}
    found = {(Path(p).name, why.split(":")[0].split(",")[0]) for p, why in examples.skipped}
    assert found == {
        ("table.csv", "row 7 (dog)"),
        ("table.csv", "row 8"),
        ("table.csv", "row 9 (dog)"),
        ("d.png", f"annotated as 20 x 20 px in {path}"),
    }


def test_boxes_as_sides_and_as_shares(tmp_path):
    path = table(tmp_path, "path,label,x,y,w,h\na.png,cat,2,1,5,6\n")
    assert read(path).boxes[0].xyxy.tolist() == [[2, 1, 7, 7]]
    path.write_text("path,x1,y1,x2,y2\na.png,0.1,0.2,0.5,1\n")
    one = read(path)
    assert one.boxes[0].xyxy.tolist() == [[2, 2, 10, 10]] and one.class_names == ("object",)
    path.write_text("path,p,q,r,s,what\na.png,2,1,5,6,cat\n")
    five = read(path, boxes=("p", "q", "r", "s", "what"))
    assert five.boxes[0].xyxy.tolist() == [[2, 1, 5, 6]] and five.class_names == ("cat",)
    with pytest.raises(InputError, match="names 3 columns; give four"):
        read(path, boxes=("p", "q", "r"))


def test_a_label_beside_boxes(tmp_path):
    text = "path,breed,x1,y1,x2,y2\na.png,pug,1,1,5,5\na.png,{},6,1,9,5\nb.png,cat,1,1,4,4\n"
    path = table(tmp_path, text.format("pug"))
    examples = read(path, label="breed")
    assert labels(examples) == ["pug", "cat"] and examples.boxes[0].classes.tolist() == [1, 1]
    path.write_text(text.format("cat"))
    with pytest.raises(InputError, match=r"rows 2 and 3, of one image.*fifth of boxes="):
        read(path, label="breed")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "is empty"),
        (" \n\n", {}, "is empty"),
        ('"",""\n', {}, "is empty"),
        ("path,label\n", {}, "has a header but no rows"),
        ("path,path\na.png,b\n", {}, "two columns 'path'"),
        ("a.png,ant\nb.png,bee\n", {}, "no column of files.*first line is a header"),
        ("path,colour\na.png,red\n", {}, "nothing to learn.*'path', 'colour'.*label=False"),
        ("path,label\na.png,x\n", {"label": "class"}, r"no column 'class' \(label=\)"),
        ("path,label\na.png,x\n", {"boxes": True}, "no columns of boxes"),
        ("path,label\na.png,x\nb.png,x\n", {}, r"one class only \(x\)"),
        ("path,label\nq.png,x\nr.png,y\n", {}, "none of the 2 files .* is a readable image"),
        ("path,label\na.png\nb.png\n", {}, "no rows .row 2: 1 cells, the header has 2"),
        ("path,t\na.png,\n", {"tags": "t"}, "holds no tags"),
        ('path,label,classes:["x"\na.png,x,\n', {}, "two columns|no JSON list|cells"),
        ("path,label\n\0\0,\1\n", {}, "binary data"),
    ],
)
def test_one_line_for_each_mistake(tmp_path, text, options, message):
    path = table(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)


def test_text_that_is_not_utf8(tmp_path):
    path = table(tmp_path, "")
    path.write_bytes("path,label\na.png,café\nb.png,thé\n".encode("latin-1"))
    with pytest.raises(InputError, match="column 'label' is not UTF-8"):
        read(path)


def test_contradictions_hold_for_labels_only(tmp_path):
    text = "path,label,t\na.png,x,1\nb.png,y,0\nc.png,x,1\nd.png,y,0\n"
    path = table(tmp_path, text)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    assert names(read(path)) == ["c.png", "d.png"]
    assert len(read(path, label=False, tags=["t"])) == 4


def test_rows_without_label(tmp_path):
    path = table(tmp_path, "path,label,t\na.png,x,1\nb.png,,0\nc.png,y,1\n")
    examples = read(path)
    assert names(examples) == ["a.png", "c.png"] and "has no label" in examples.skipped[0].reason
    assert read(path, tags=["t"]).labels.tolist() == [0, -1, 1]
    assert read(path, label=False).labels.tolist() == [-1, -1, -1]


def test_each_file_is_decoded_once(tmp_path, monkeypatch):
    path = table(tmp_path, "path,label\n" + "a.png,x\nb.png,y\n" * 50_000)
    calls = []

    def counted(file):
        calls.append(file)
        return check_file(file)

    monkeypatch.setattr(scanning_module, "check_file", counted)
    examples = read(path)
    assert len(examples) == 100_000 and len(calls) == 2
    assert examples.counts() == {"x": 50_000, "y": 50_000}


def test_a_changed_file_is_found_by_its_digest(tmp_path):
    examples = read(table(tmp_path, "path,label\na.png,x\nb.png,y\nc.png,x\nd.png,y\n"))
    back = examples.to_csv(tmp_path / "out.csv")
    picture(tmp_path / "a.png", 99)
    again = read(back)
    assert names(again) == ["b.png", "c.png", "d.png"]
    assert "not those that were written down" in again.skipped[0].reason


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table(tmp_path, "")
    columns = {"path": ["a.png", "b.png"], "label": [1.0, 2.0], "t": [["p", "q"], []]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    examples = read(tmp_path / "t.parquet", tags="t")
    assert examples.tags.tolist() == [[1, 1], [0, 0]] and examples.class_names == ("1", "2")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 junk PAR1")
    with pytest.raises(InputError, match="no sound Parquet file"):
        read(tmp_path / "t.parquet")


def everything(folder: Path, seed: int) -> Examples:
    """A table with all columns, of random content and hostile names."""
    rng = np.random.default_rng(seed)
    count = 6
    odd = ["a b", " lead", 'quo"te', "new\nline", "com,ma", "ünï", "semi;colon|bar"]
    files = [picture(folder / f"{odd[i]}{i}.png", seed * 10 + i) for i in range(count)]
    class_names = ("zebra", "ant", "background", "never, seen")
    draw = lambda: tuple(rng.uniform(0, 9, 4).astype(np.float32))  # noqa: E731
    boxes = []
    for _ in files:
        corners = [(x, y, x + w + 0.1, y + h * 0.1 + 0.1) for x, y, w, h in (draw(), draw())]
        boxes.append(Boxes.of(corners, rng.integers(0, 3, 2), rng.integers(0, 2, 2)))
    boxes[0] = Boxes.of()
    mask = folder / "mask.png"
    Image.fromarray(rng.choice(np.array([0, 7, 255], np.uint8), (10, 20))).save(mask)
    values = tuple({0: 2, 7: 0, 255: 255}.get(v, -1) for v in range(256))
    polygon = tuple(rng.uniform(0, 10, 8).tolist())
    runs = Shape(counts=(50, 100, 50), size=(10, 20))
    masks = (
        ClassMask(str(mask), values, 2),
        ThingMask((str(mask), str(mask)), (0, 1)),
        ShapeMask((Shape((polygon,)), runs), (0, 1), (True, False), 2),
        ShapeMask((Shape(((0.1, 0.1, 0.9, 0.1, 0.5, 0.8),)),), (1,), (False,), relative=True),
        ShapeMask((), (), (), 2, (40, 20)),
        None,
    )
    digests = [check_file(str(file)).digest for file in files]
    return Examples(
        paths=tuple(map(str, files)),
        labels=rng.integers(-1, 3, count),
        class_names=class_names,
        digests=tuple(digests),
        splits=tuple(rng.choice(["train", "val", "test", None], count).tolist()),
        tags=rng.integers(-1, 2, (count, 3)),
        tag_names=("path", "tag:x", "ein, zwei"),
        boxes=tuple(boxes),
        masks=masks,
        groups=("g1", None, "g 2", "g1", None, 'g"3'),
        extra={
            "path": tuple("abcdef"),
            "price": ("1", "", " 2 ", "x", "y\n", "z"),
            "tag:y": odd[:6],
        },
    )


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", ["table.csv", "deep/table.tsv"])
def test_every_column_there_and_back(tmp_path, seed, name):
    before = everything(tmp_path, seed)
    (tmp_path / "deep").mkdir()
    after = read(before.to_csv(tmp_path / name), strict=True)
    assert after.paths == before.paths and after.digests == before.digests
    assert after.class_names == before.class_names and after.splits == before.splits
    assert after.labels.tolist() == before.labels.tolist() and after.groups == before.groups
    assert after.tag_names == before.tag_names and after.tags.tolist() == before.tags.tolist()
    assert after.extra == {key: tuple(cells) for key, cells in before.extra.items()}
    for one, other in zip(before.boxes, after.boxes, strict=True):
        assert one.xyxy.tolist() == other.xyxy.tolist()
        assert one.classes.tolist() == other.classes.tolist()
        assert one.ignore.tolist() == other.ignore.tolist()
    for one, other in zip(before.masks, after.masks, strict=True):
        assert type(one) is type(other) and (
            one is None or vars(one) == vars(other) or same(one, other)
        )
    assert after.fingerprint() == before.fingerprint()


def same(one, other) -> bool:
    return all(
        np.array_equal(a, b)
        for a, b in zip(*(m.instances(10, 20) for m in (one, other)), strict=True)
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6)), min_size=1, max_size=4))
def test_any_text_comes_back(tmp_path_factory, cells):
    folder = tmp_path_factory.mktemp("text")
    files = [str(picture(folder / f"{i}.png", i)) for i in range(len(cells))]
    clean = [
        tuple(c.replace("\0", "").encode("utf-8", "ignore").decode() for c in row) for row in cells
    ]
    key = clean[0][0] or "name"
    before = Examples(
        tuple(files), [-1] * len(files), (), tuple(check_file(f).digest for f in files),
        (None,) * len(files),
        extra={key: tuple(b for _, b in clean), "z z": tuple(a for a, _ in clean)},
    )  # fmt: skip
    after = read(before.to_csv(folder / "t.csv"))
    assert after.extra == before.extra and after.paths == before.paths


def test_a_table_moves_with_its_pictures(tmp_path):
    examples = read(table(tmp_path / "one", "path,label\na.png,x\nb.png,y\n"))
    examples.to_csv(tmp_path / "one" / "out.csv")
    (tmp_path / "one").rename(tmp_path / "two")
    again = read(tmp_path / "two" / "out.csv")
    assert (
        all("two" in path for path in again.paths) and again.fingerprint() == examples.fingerprint()
    )


def test_a_subset_keeps_the_numbers_of_its_classes(tmp_path):
    path = table(tmp_path, "path,label\na.png,x\nb.png,y\nc.png,z\nd.png,y\n")
    part = read(path).subset([1, 2, 2])
    again = read(part.to_csv(tmp_path / "out.csv"))
    assert again.class_names == ("x", "y", "z") and again.labels.tolist() == [1, 2, 2]
    header = next(csv.reader((tmp_path / "out.csv").open()))
    assert json.loads(header[-1].removeprefix("classes:")) == ["x", "y", "z"]


def test_where_it_cannot_be_written(tmp_path):
    examples = read(table(tmp_path, "path,label\na.png,x\nb.png,y\n"))
    with pytest.raises(InputError, match=r"cannot write .*no/such"):
        examples.to_csv(tmp_path / "no/such/t.csv")

    class Strange:
        def check(self, height, width): ...
        def semantic(self, height, width): ...
        def instances(self, height, width): ...
        def fingerprint(self): ...

    from dataclasses import replace

    with pytest.raises(InputError, match="of the kind Strange lies in no file"):
        replace(examples, masks=(Strange(), None)).to_csv(tmp_path / "t.csv")


def test_fashion_tags(shared_data, tmp_path):
    examples = read(
        shared_data / "fashion" / "styles.csv", tags=["articleType", "baseColour", "gender"]
    )
    assert len(examples) == 2000 and examples.skipped == ()
    assert (examples.tags.sum(axis=1) == 3).all()  # one of each column
    again = read(examples.to_csv(tmp_path / "t.csv"))
    assert again.fingerprint() == examples.fingerprint() and again.extra == examples.extra


@pytest.mark.parametrize("orientation", [0, 9, 1e308, "up"])
def test_a_mask_is_turned_in_one_of_eight_ways(orientation):
    cell = {"shapes": [], "size": [4, 3], "orientation": orientation}
    with pytest.raises(InputError, match="row 2: masks hold no mask"):
        parse_mask_cell(json.dumps(cell), "row 2")
