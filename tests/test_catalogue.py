"""Catalogues: what is embedded and what is not, what comes back, and what is refused."""

import os
import shutil

import numpy as np
import pytest
from catalogue_files import NAMES, paint, table, tiny_embedder
from PIL import Image

from tl_keras.errors import InputError
from tl_keras.retrieval import index_catalogue, open_catalogue, open_embedder, read_catalogue
from tl_keras.retrieval.catalogue_changes import Changes


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return open_embedder(tiny_embedder(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture
def shop(tmp_path):
    root = tmp_path / "shop"
    for seed, name in enumerate(NAMES):
        paint(root / name, seed)
    return root


@pytest.fixture
def embedded(embedder, monkeypatch):
    """The names of files that the model looks at."""
    looked_at = []
    real = embedder.batches

    def batches(sources, *arguments, **named):
        looked_at.extend("/".join(str(source).rsplit("/", 2)[1:]) for source in sources)
        return real(sources, *arguments, **named)

    monkeypatch.setattr(embedder, "batches", batches)
    return looked_at


def index(root, out, embedder):
    return index_catalogue(read_catalogue(root, progress=False), out, embedder)


def test_what_is_found_is_what_a_full_comparison_finds(shop, tmp_path, embedder):
    made = index(shop, tmp_path / "index", embedder)
    catalogue = open_catalogue(tmp_path / "index", embedder)
    assert sorted(catalogue.index.ids()) == NAMES
    assert made.changes == Changes(8, 0, 0, 0, 0, 8, ())
    vectors = embedder.vectors([shop / name for name in NAMES])
    paint(tmp_path / "query.png", 99)
    query = embedder.vectors(tmp_path / "query.png")[0]
    expected = [NAMES[i] for i in np.argsort(-vectors @ query)]
    hits = catalogue.search(tmp_path / "query.png", k=8)
    assert [hit.id for hit in hits] == expected
    assert np.allclose([hit.score for hit in hits], np.sort(vectors @ query)[::-1], atol=1e-5)
    shoes = catalogue.search(tmp_path / "query.png", k=8, where={"label": "shoes"})
    assert [hit.id for hit in shoes] == [one for one in expected if one.startswith("shoes")]
    assert hits[0].metadata["path"] == hits[0].id
    assert catalogue.path_of(hits[0].id) == shop / hits[0].id
    raw = (tmp_path / "query.png").read_bytes()
    pixels = np.asarray(Image.open(tmp_path / "query.png"))
    assert catalogue.search(raw, k=8) == catalogue.search(pixels, k=8) == hits


def test_the_query_and_its_copies_are_left_out_but_near_ones_are_not(shop, tmp_path, embedder):
    shutil.copy(shop / "bags/0.png", shop / "shoes/copy.png")
    Image.open(shop / "bags/0.png").save(shop / "bags/near.bmp")  # the same pixels, other bytes
    catalogue = index(shop, tmp_path / "index", embedder)
    outside = shutil.copy(shop / "bags/0.png", tmp_path / "mine.png")
    for hits in (
        catalogue.search(outside, k=10),
        catalogue.search(shop / "bags/0.png", k=10),
        catalogue.search((shop / "bags/0.png").read_bytes(), k=10),
        catalogue.similar("bags/0.png", k=10),
    ):
        assert len(hits) == 8
        assert hits[0].id == "bags/near.bmp" and hits[0].score > 0.9999
        assert not {"bags/0.png", "shoes/copy.png"} & {hit.id for hit in hits}
    assert "bags/near.bmp" not in {one.id for one in catalogue.similar("bags/0.png", collapse=0.98)}


def test_only_what_changed_is_embedded_again(shop, tmp_path, embedder, embedded):
    out = tmp_path / "index"
    index(shop, out, embedder)
    assert sorted(embedded) == NAMES
    before = open_catalogue(out, embedder).index
    kept = before.vectors(NAMES[1:])

    embedded.clear()
    again = index(shop, out, embedder)
    assert embedded == [] and again.changes == Changes(0, 0, 0, 0, 8, 0, ())

    os.utime(shop / "bags/1.png")  # touched, the same bytes
    paint(shop / "bags/0.png", 50)
    paint(shop / "hats/9.png", 51)
    shutil.copy(shop / "hats/9.png", shop / "hats/10.png")
    (shop / "shoes/3.png").unlink()
    (shop / "shoes/2.png").rename(shop / "bags/moved.png")
    changed = index(shop, out, embedder)
    assert sorted(embedded) == ["bags/0.png", "hats/9.png"]
    assert changed.changes == Changes(
        added=3, updated=1, described=0, deleted=2, unchanged=5, embedded=2, skipped=()
    )
    now = open_catalogue(out, embedder).index
    there = [name for name in NAMES if name not in ("shoes/2.png", "shoes/3.png")]
    assert sorted(now.ids()) == sorted([*there, "bags/moved.png", "hats/9.png", "hats/10.png"])
    assert (now.vectors(there[1:]) == kept[: len(there) - 1]).all()
    assert (now.vectors(["bags/moved.png"]) == kept[5]).all()
    assert now.metadata(["bags/moved.png"])[0]["label"] == "bags"
    files = [shop / "bags/0.png", shop / "hats/10.png"]
    assert np.allclose(
        now.vectors(["bags/0.png", "hats/10.png"]), embedder.vectors(files), atol=1e-5
    )


def test_files_that_change_places_keep_their_vectors(shop, tmp_path, embedder, embedded):
    first = index(shop, tmp_path / "index", embedder)
    a, b = first.index.vectors(["bags/0.png", "shoes/0.png"])
    (shop / "bags/0.png").rename(shop / "x")
    (shop / "shoes/0.png").rename(shop / "bags/0.png")
    (shop / "x").rename(shop / "shoes/0.png")
    embedded.clear()
    second = index(shop, tmp_path / "index", embedder)
    assert embedded == [] and second.changes.updated == 2
    assert (second.index.vectors(["shoes/0.png", "bags/0.png"]) == [a, b]).all()


def test_columns_of_a_table_can_be_filtered_by_and_change(shop, tmp_path, embedder, embedded):
    rows = [
        {"path": f"shop/{name}", "label": name.split("/")[0], "price": str(10 + number * 2.5),
         "stock": "true" if number % 2 else "false", "code": f"00{number}", "note": ""}
        for number, name in enumerate(NAMES)
    ]  # fmt: skip
    rows[3]["price"] = ""
    file = table(tmp_path / "shop.csv", rows)
    catalogue = index(file, tmp_path / "index", embedder)
    assert catalogue.columns == {
        "path": "text", "label": "text", "price": "number", "stock": "truth", "code": "text",
        "note": "text",
    }  # fmt: skip
    query = shop / "bags/0.png"
    cheap = catalogue.search(query, k=8, where={"price": {"<": 18}, "stock": True})
    assert {hit.id for hit in cheap} == {"shop/bags/1.png"}
    assert "note" not in cheap[0].metadata and cheap[0].metadata["code"] == "001"
    with pytest.raises(InputError, match="colour"):
        catalogue.search(query, where={"colour": "red"})

    embedded.clear()
    rows[5]["price"], rows[6]["label"], rows[7]["price"] = "1", "", ""
    table(tmp_path / "shop.csv", rows)
    catalogue = index(file, tmp_path / "index", embedder)
    assert embedded == []
    assert catalogue.changes == Changes(0, 0, 3, 0, 5, 0, ())
    found = catalogue.index.metadata([f"shop/{NAMES[i]}" for i in (5, 6, 7)])
    assert found[0]["price"] == 1 and "label" not in found[1] and "price" not in found[2]
    hits = catalogue.search(query, k=8, where={"price": {"<": 5}})
    assert [hit.id for hit in hits] == ["shop/shoes/1.png"]


@pytest.mark.parametrize(
    ("cells", "expected", "kind"),
    [
        (["1", "2.5", ""], [1, 2.5, None], "number"),
        (["-3", "+4", "1e3"], [-3, 4.0, 1000.0], "number"),
        (["007", "8"], ["007", "8"], "text"),
        (["1_000", "2"], ["1_000", "2"], "text"),
        (["nan", "1"], ["nan", "1"], "text"),
        (["1e999", "1"], ["1e999", "1"], "text"),
        (["True", "false", ""], [True, False, None], "truth"),
        (["yes", " no "], ["yes", "no"], "text"),
        (["", ""], [None, None], "text"),
        (["12a", ""], ["12a", None], "text"),
        (["0", "0.5", "00.5"], ["0", "0.5", "00.5"], "text"),
        (["-", "1"], ["-", "1"], "text"),
    ],
)
def test_cells_become_what_they_mean(cells, expected, kind):
    from tl_keras.retrieval.catalogue_rows import _typed

    values, found = _typed(cells)
    assert (values, found) == (expected, kind)
    assert [type(one) for one in values] == [type(one) for one in expected]


def test_a_corrupt_file_costs_only_itself(shop, tmp_path, embedder):
    (shop / "bags/5.png").write_bytes((shop / "bags/0.png").read_bytes()[:60])
    (shop / "bags/readme.txt").write_text("no picture")
    made = index(shop, tmp_path / "index", embedder)
    assert made.changes.added == 8
    assert sorted(one.path.rsplit("/", 1)[1] for one in made.changes.skipped) == [
        "5.png",
        "readme.txt",
    ]
    # One that was sound and is not any more is taken out.
    (shop / "bags/1.png").write_bytes(b"")
    made = index(shop, tmp_path / "index", embedder)
    assert made.changes.deleted == 1 and "bags/1.png" not in made.index.ids()


def test_a_file_that_vanishes_between_reading_and_embedding_costs_only_itself(
    shop, tmp_path, embedder
):
    examples = read_catalogue(shop, progress=False)
    (shop / "shoes/2.png").unlink()
    made = index_catalogue(examples, tmp_path / "index", embedder)
    assert made.changes.added == 7
    assert [(one.path, one.reason) for one in made.changes.skipped] == [
        (str(shop / "shoes/2.png"), "no such file")
    ]


def test_pictures_without_classes_and_copies_of_two_classes_are_all_kept(tmp_path, embedder):
    for number in range(3):
        paint(tmp_path / "flat" / f"{number}.png", number)
    made = index(tmp_path / "flat", tmp_path / "index", embedder)
    assert sorted(made.index.ids()) == ["0.png", "1.png", "2.png"] and "label" not in made.columns

    paint(tmp_path / "two/a/1.png", 1)
    paint(tmp_path / "two/b/1.png", 1)
    made = index(tmp_path / "two", tmp_path / "other", embedder)
    assert sorted(made.index.ids()) == ["a/1.png", "b/1.png"] and made.changes.embedded == 1


def test_parts_of_a_split_are_no_labels_and_the_index_may_lie_within(tmp_path, embedder):
    for seed, name in enumerate(("train/a/1.png", "train/b/1.png", "val/a/2.png")):
        paint(tmp_path / name, seed)
    shutil.copy(tmp_path / "train/a/1.png", tmp_path / "val/a/copy.png")
    out = tmp_path / "index"
    for added in (4, 0):
        examples = read_catalogue(tmp_path, apart=out, progress=False)
        made = index_catalogue(examples, out, embedder)
        assert made.changes.added == added and made.changes.skipped == ()
    values = made.index.metadata(["val/a/copy.png"])[0]
    assert (values["label"], values["split"]) == ("a", "val") and made.index.count() == 4


def test_a_table_may_name_a_file_twice(shop, tmp_path, embedder):
    rows = [{"path": f"shop/{NAMES[i]}", "price": i} for i in (0, 1, 0)]
    made = index(table(tmp_path / "t.csv", rows), tmp_path / "index", embedder)
    assert made.index.metadata(["shop/bags/0.png"])[0]["price"] == 0
    assert "twice" in made.changes.skipped[0].reason and made.changes.added == 2


def test_another_model_is_refused(shop, tmp_path):
    first = tiny_embedder(tmp_path / "model")
    index(shop, tmp_path / "index", open_embedder(first))
    other = open_embedder(tiny_embedder(tmp_path / "other", seed=1))
    for attempt in (
        lambda: index(shop, tmp_path / "index", other),
        lambda: open_catalogue(tmp_path / "index", other),
    ):
        with pytest.raises(InputError, match="another model"):
            attempt()
    shutil.rmtree(first)
    shutil.move(tmp_path / "other", first)  # as where a model was trained again in its place
    with pytest.raises(InputError, match=r"another model than what .*model is now"):
        open_catalogue(tmp_path / "index").search(shop / "bags/0.png")
    shutil.rmtree(first)
    with pytest.raises(InputError, match="its model cannot be opened"):
        open_catalogue(tmp_path / "index").search(shop / "bags/0.png")
    assert open_catalogue(tmp_path / "index").similar("bags/0.png", 1)  # needs no model


def test_what_cannot_be_searched_or_indexed(shop, tmp_path, embedder):
    out = tmp_path / "index"
    with pytest.raises(InputError, match="holds no catalogue; make one with tl-keras index"):
        open_catalogue(out)
    catalogue = index(shop, out, embedder)
    (tmp_path / "q.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"q\.jpg: not an image"):
        catalogue.search(tmp_path / "q.jpg")
    with pytest.raises(InputError, match="no such file"):
        catalogue.search(tmp_path / "none.jpg")
    with pytest.raises(InputError, match="k: 0"):
        catalogue.search(shop / "bags/0.png", k=0)
    with pytest.raises(InputError, match="holds no 'nope'"):
        catalogue.similar("nope")
    with pytest.raises(InputError, match=r"expected \(N, 8\)"):
        catalogue.index.search(np.ones(5))
    catalogue.index.delete(NAMES)
    with pytest.raises(InputError, match="is empty; put pictures into it"):
        catalogue.search(shop / "bags/0.png")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="nothing is empty"):
        read_catalogue(tmp_path / "nothing", progress=False)
    with pytest.raises(InputError, match="holds other files"):
        index(shop, shop, embedder)
    with pytest.raises(InputError, match="is a file"):
        index(shop, shop / "bags/0.png", embedder)


def test_another_catalogue_does_not_wipe_out_an_index(shop, tmp_path, embedder):
    index(shop, tmp_path / "index", embedder)
    paint(tmp_path / "else/x/1.png", 1)
    with pytest.raises(InputError, match="has not one picture; give another folder"):
        index(tmp_path / "else", tmp_path / "index", embedder)
    assert open_catalogue(tmp_path / "index", embedder).index.count() == 8
    # A folder that was moved keeps its index.
    shop.rename(tmp_path / "moved")
    moved = index(tmp_path / "moved", tmp_path / "index", embedder)
    assert moved.changes == Changes(0, 0, 0, 0, 8, 0, ())
    assert moved.path_of("bags/0.png") == tmp_path / "moved/bags/0.png"


def test_a_description_that_is_damaged(shop, tmp_path, embedder):
    index(shop, tmp_path / "index", embedder)
    file = tmp_path / "index/catalogue.json"
    for text in ('{"format": 1}', "[]", '{"for'):
        file.write_text(text)
        with pytest.raises(InputError, match=r"catalogue\.json"):
            open_catalogue(tmp_path / "index")
