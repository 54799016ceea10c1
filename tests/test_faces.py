"""Galleries of people: what they answer, whom they refuse, and what their thresholds promise."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

import tl_keras as tl
from tl_keras.cli.main import main
from tl_keras.errors import InputError
from tl_keras.retrieval import FaceGallery
from tl_keras.retrieval.embedding import open_embedder
from tl_keras.retrieval.face_thresholds import naming_threshold, pair_threshold

MODEL = "mobilenet_v3_small"
NAMES = [f"p{number}" for number in range(8)]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Eight "people", a folder each of five PGM files: one pattern under light, shift and grain."""
    root = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:80, :64].astype("float32")
    for name in NAMES:
        (root / name).mkdir()
        blobs = cv2.resize(rng.uniform(40, 215, (5, 4)), (64, 80), interpolation=cv2.INTER_CUBIC)
        angle, wave = rng.uniform(0, np.pi), rng.uniform(0.3, 1.6)
        lines = np.sign(np.sin(wave * (rows * np.sin(angle) + columns * np.cos(angle))))
        for number in range(5):
            face = np.roll(blobs + 30 * lines, rng.integers(-3, 4, 2), (0, 1))
            face = face * rng.uniform(0.8, 1.1) + rng.normal(0, 5, face.shape)
            Image.fromarray(face.clip(0, 255).astype("uint8")).save(root / name / f"{number}.pgm")
    return root


@pytest.fixture(scope="module")
def embedder():
    """The base that is shipped, small."""
    return open_embedder(MODEL, image_size=64)


def pictures(people, chosen, numbers=range(5)):
    found = [(str(people / name / f"{n}.pgm"), name) for name in chosen for n in numbers]
    return [path for path, _ in found], [name for _, name in found]


@pytest.fixture(scope="module")
def filled(people, embedder, tmp_path_factory):
    """Four people enrolled with three pictures each, three apart, one unknown to it."""
    folder = tmp_path_factory.mktemp("gallery") / "g"
    gallery = FaceGallery.create(folder, embedder)
    assert gallery.enroll(*pictures(people, NAMES[:4], range(3))) == 12
    assert gallery.set_apart(*pictures(people, NAMES[4:7])) == 15
    return gallery


@pytest.fixture
def gallery(filled, tmp_path, embedder):
    """A copy to change."""
    shutil.copytree(filled.folder, tmp_path / "copy")
    return FaceGallery(tmp_path / "copy", embedder)


def test_those_enrolled_are_named_and_others_are_not(filled, people):
    paths, names = pictures(people, NAMES[:4], range(3, 5))
    found = filled.identify(paths, false_alarm_rate=0.1)
    assert [one.person for one in found] == names
    assert [one.source for one in found] == paths
    stranger = filled.identify(pictures(people, NAMES[7:])[0], false_alarm_rate=0.1)
    assert [one.person for one in stranger] == [None] * 5
    for one in found + stranger:
        assert one.nearest[0][1] == one.score
        assert one.threshold == filled.naming_threshold(0.1)
        scores = [score for _, score in one.nearest]
        assert len({name for name, _ in one.nearest}) == 3 and scores == sorted(scores)[::-1]


def test_nobody_is_trained_to_enroll_or_remove(gallery, people):
    paths, _ = pictures(people, NAMES[7:])
    assert gallery.identify(paths[3:], false_alarm_rate=0.1)[0].person is None
    gallery.enroll(paths[:3], "Zoë")
    assert {one.person for one in gallery.identify(paths[3:], false_alarm_rate=0.1)} == {"Zoë"}
    assert gallery.people() == {"Zoë": 3} | dict.fromkeys(NAMES[:4], 3)
    assert gallery.remove("Zoë") == 3
    again = gallery.identify(paths[3:], false_alarm_rate=0.1)
    assert [one.person for one in again] == [None, None]
    assert "Zoë" not in {name for one in again for name, _ in one.nearest}


def test_pairs(filled, people):
    same = filled.verify(people / "p7/0.pgm", people / "p7/1.pgm", false_accept_rate=0.1)
    other = filled.verify(people / "p7/0.pgm", people / "p0/1.pgm", false_accept_rate=0.1)
    assert same.same and not other.same and same.threshold == other.threshold
    picture = np.asarray(Image.open(people / "p7/0.pgm"))
    again = filled.verify(picture, (people / "p7/0.pgm").read_bytes(), threshold=0.999)
    assert again.same and again.score == pytest.approx(1, abs=1e-5)
    assert (again.first, again.second, again.false_accept_rate) == ("array 0", "bytes 1", None)


def test_the_rates_are_those_of_the_people_apart(filled):
    """Counted pair by pair, and picture by picture, from the vectors."""
    apart = filled._apart.vectors(filled._apart.ids())
    who = np.array([row["person"] for row in filled._apart.metadata(filled._apart.ids())])
    enrolled = filled._enrolled.vectors(filled._enrolled.ids())
    unlike = (who[:, None] != who) & np.tri(len(who), k=-1).astype(bool)
    cosines, highest = (apart @ apart.T)[unlike], (apart @ enrolled.T).max(1)
    for rate in (0.4, 0.1):
        for scores, cut in (
            (cosines, filled.threshold(rate)),
            (highest, filled.naming_threshold(rate)),
        ):
            assert (scores >= cut).mean() <= rate
            just_below = scores[scores < cut].max() - 1e-6
            assert (scores >= just_below).mean() > rate


def test_the_naming_threshold_rises_with_the_gallery():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(700, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    apart, gallery = vectors[:200], vectors[200:]
    cuts = [naming_threshold(gallery[:size], apart, 0.05) for size in (1, 20, 500)]
    assert cuts == sorted(cuts) and cuts[2] > cuts[0] + 0.2
    labels = np.arange(200) // 2
    assert cuts[0] == pytest.approx(pair_threshold(apart, labels, 0.05), abs=0.15)


def test_pictures_are_known_again_by_their_bytes(gallery, people, tmp_path):
    copy = tmp_path / "copy.pgm"
    shutil.copy(people / "p0/0.pgm", copy)
    assert gallery.enroll([copy], "p0") == 0
    fourth = people / "p0/3.pgm"
    assert gallery.enroll([copy, fourth, fourth], ["p0"] * 3) == 1
    with pytest.raises(InputError, match="same picture as 'p0'"):
        gallery.enroll([people / "p1/4.pgm", copy], ["p1", "p2"])
    with pytest.raises(InputError, match=r"apart already, as 'p4'"):
        gallery.enroll([people / "p4/0.pgm"], "p9")
    with pytest.raises(InputError, match="'p4' is apart already"):
        gallery.enroll([people / "p7/0.pgm"], "p4")
    with pytest.raises(InputError, match=r"enrolled already, as 'p0'"):
        gallery.set_apart([copy], "p9")
    assert gallery.people() == {"p0": 4, "p1": 3, "p2": 3, "p3": 3}


def test_what_cannot_be_done_is_said(gallery, people, embedder, tmp_path):
    broken = tmp_path / "broken.pgm"
    broken.write_bytes(b"P5\n92 112\n255\nabc")
    before = gallery.people()
    for call, said in (
        (lambda: gallery.enroll([people / "p7/0.pgm", broken], "Al"), "broken.pgm"),
        (lambda: gallery.enroll([people / "no.pgm"], "Al"), "no.pgm: No such file"),
        (lambda: gallery.enroll([], "Al"), "0 names for 0 pictures"),
        (lambda: gallery.enroll([people / "p7/0.pgm"], ["a", "b"]), "2 names for 1"),
        (lambda: gallery.enroll([people / "p7/0.pgm"], " "), "no name"),
        (lambda: gallery.remove(["p0", "Al"]), "knows no 'Al'; it knows p0, p1"),
        (lambda: gallery.identify([broken], threshold=0.5), "broken.pgm"),
        (lambda: gallery.identify([people / "p7/0.pgm"]), "cannot show a false-alarm rate of 0.01"),
        (lambda: gallery.verify(broken, broken, threshold=2), "no cosine"),
        (lambda: gallery.threshold(0), "0 < rate < 1"),
        (lambda: gallery.naming_threshold(1.5), "0 < rate < 1"),
        (lambda: FaceGallery.create(gallery.folder, embedder), "holds a gallery already"),
        (lambda: FaceGallery(tmp_path), "holds no gallery"),
        (lambda: FaceGallery(gallery.folder, open_embedder(MODEL)), "another model"),
    ):
        with pytest.raises(InputError, match=said):
            call()
    assert gallery.people() == before
    empty = FaceGallery.create(tmp_path / "empty", embedder)
    assert empty.people() == {}
    with pytest.raises(InputError, match="nobody is enrolled"):
        empty.identify([people / "p7/0.pgm"], threshold=0.5)
    with pytest.raises(InputError, match="nobody apart"):
        empty.threshold()


def test_without_people_apart_the_threshold_is_that_of_the_model(gallery, people, monkeypatch):
    gallery.remove(NAMES[4:7])
    settings = {"threshold": 0.625, "false_accept_rate": 0.01}
    monkeypatch.setattr(gallery.embedder, "settings", settings)
    assert gallery.threshold() == 0.625
    for ask in (lambda: gallery.threshold(0.001), gallery.naming_threshold):
        with pytest.raises(InputError, match="nobody apart to set it on"):
            ask()
    assert gallery.identify([people / "p0/4.pgm"], threshold=0.5)[0].person == "p0"


def test_the_commands(people, tmp_path, capsys):
    def said(*words, code=0):
        assert main(["faces", *map(str, words)]) == code
        return capsys.readouterr()

    gallery, probe, broken = tmp_path / "gallery", people / "p7/0.pgm", tmp_path / "broken.pgm"
    broken.write_bytes(b"no picture")
    for part, names in {"enrolled": NAMES[:4], "apart": NAMES[4:7]}.items():
        for name in names:
            shutil.copytree(people / name, tmp_path / part / name)
    assert "give --model" in said("enroll", gallery, tmp_path / "enrolled", code=2).err
    assert "--name" in said("enroll", gallery, people / "p7", code=2).err
    assert "none of these files" in said("identify", gallery, broken, code=2).err
    assert "holds no gallery" in said("list", gallery, code=2).err
    made = said("enroll", gallery, tmp_path / "enrolled", "--model", MODEL).out
    assert "20 pictures new, 0 known; 4 people enrolled." in made and "faces apart" in made
    apart = said("apart", gallery, tmp_path / "apart").out
    assert "15 pictures new, 0 known; 3 people apart." in apart
    assert "show a false-alarm rate of 0.01; give 100 or more" in apart
    out = said("identify", gallery, people / "p0", probe, "--rate", 0.1).out
    assert out.count(" p0: cosine") == 5 and "(for 10 % false alarms)" in out
    out = said("identify", gallery, probe, "--threshold", 0.999).out
    assert f"{probe}  unknown, most like p" in out and out.endswith("Threshold 0.999\n")
    out = said("verify", gallery, probe, people / "p7/1.pgm", "--rate", 0.1, "--json").out
    pair = json.loads(out)
    assert pair["same"] is True and pair["false_accept_rate"] == 0.1
    said("enroll", gallery, people / "p7", "--name", "Zoë")
    found = said("identify", gallery, broken, probe, "--threshold", 0.9, "--json", code=2).out
    found = json.loads(found)
    assert found["identified"][0]["person"] == "Zoë"
    assert [one["path"] for one in found["skipped"]] == [str(broken)]
    assert "5 pictures removed; 4 people enrolled." in said("remove", gallery, "Zoë").out
    assert "knows no 'Zoë'" in said("remove", gallery, "Zoë", code=2).err
    listed = json.loads(said("list", gallery, "--json").out)
    assert listed["enrolled"] == dict.fromkeys(NAMES[:4], 5)
    assert listed["apart"] == dict.fromkeys(NAMES[4:7], 5)


@pytest.mark.slow
def test_real_people_who_took_no_part_in_training(shared_data, imagenet_home, tmp_path):
    """20 people of AT&T's train, 19 are told apart; 9 of these are enrolled, 10 are not."""
    examples = tl.data.from_folder(shared_data / "faces", progress=False)
    sides = []
    for chosen in (range(20), range(20, 39)):
        side = examples.subset(np.flatnonzero(np.isin(examples.labels, chosen)))
        names = tuple(examples.class_names[number] for number in chosen)
        sides.append(replace(side, labels=side.labels - chosen[0], class_names=names))
    train, test = sides
    file = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_128_no_top.h5"
    model = tl.build_embedder(
        "mobilenet_v2_035", 192, image_size=128, weights=imagenet_home / "models" / file, stride=16
    )
    run = tl.fit(model, train, recipe="whitening", resize="stretch", verbose=False)
    assert run.evaluate(test)["verification"]["equal_error_rate"]["value"] < 0.055
    gallery = FaceGallery.create(tmp_path / "gallery", open_embedder(run.save(tmp_path / "run")))
    names = [test.class_names[label] for label in test.labels]
    rows = np.arange(len(test))
    known, early = test.labels < 9, rows % 10 < 5
    for add, chosen in ((gallery.enroll, known & early), (gallery.set_apart, ~known & early)):
        add([test.paths[row] for row in rows[chosen]], [names[row] for row in rows[chosen]])
    late = rows[known & ~early]
    found = gallery.identify([test.paths[row] for row in late], false_alarm_rate=0.1)
    assert np.mean([one.person == names[row] for one, row in zip(found, late, strict=True)]) > 0.9
    assert all(one.person in (None, names[row]) for one, row in zip(found, late, strict=True))
