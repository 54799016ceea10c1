"""Mouse tracks, scripted tracks, pages of documents, and the command."""

import json

import numpy as np
import pytest
from convert_signals import tone, wander, write_track, write_ts, write_wav
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tl_keras.cli.main import main
from tl_keras.convert import PageImage, TrackImage, pages, scripted_track, tracks
from tl_keras.convert.scripted import STYLES
from tl_keras.convert.track_files import Track, UnreadableTrackError, read_track
from tl_keras.errors import InputError


def test_path_time_and_speed_are_red_green_and_blue():
    # A second to the right at 100 px/s, then a second downwards at 1000 px/s.
    times = np.arange(21) / 10
    points = np.concatenate([
        np.stack([np.linspace(0, 100, 11), np.zeros(11)], 1),
        np.stack([np.full(10, 100.0), np.linspace(100, 1000, 10)], 1),
    ])  # fmt: skip
    picture = TrackImage(size=200).render(Track(times, points)).astype(int)
    drawn = picture[..., 0] > 250
    rows, columns = np.nonzero(drawn)
    assert 6 <= rows.min() <= 9 and 190 <= rows.max() <= 193  # margin of 4 %, aspect kept
    assert np.ptp(columns) == pytest.approx(0.92 * 199 / 10 + 2, abs=3)
    first, last = (
        picture[rows.min() + 1, columns.min() + 3],
        picture[rows.max() - 3, columns.max() - 1],
    )
    assert first[1] < 50 and last[1] > 245
    decades = np.array([first[2], last[2]]) / 255 * 3  # from 10 px/s
    np.testing.assert_allclose(decades, [1, 2], atol=0.03)


def test_place_and_size_on_the_screen_do_not_count_but_speed_does():
    times, points = wander(0)
    here = TrackImage(size=64).render(Track(times, points))
    there = TrackImage(size=64).render(Track(times + 99, points + 500))
    np.testing.assert_array_equal(here, there)
    larger = TrackImage(size=64).render(Track(times, 2 * points))
    np.testing.assert_array_equal(here[..., :2], larger[..., :2])
    assert larger[..., 2].sum() > here[..., 2].sum()


def test_windows_by_events_and_by_seconds():
    times, points = wander(0, 240)
    track = Track(times, points)
    assert [len(w) for _, w in TrackImage(events=100).windows(track)] == [100, 100]
    assert [len(w) for _, w in TrackImage(events=80).windows(track)] == [80, 80, 80]
    for start, window in TrackImage(seconds=5.0).windows(track):
        assert np.ptp(window.times) < 5 and len(window) >= 8
        np.testing.assert_array_equal(window.points[0], points[start])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), style=st.sampled_from([None, *STYLES]))
def test_scripted_tracks_are_as_their_seed_and_as_their_person(seed, style):
    person = Track(*wander(seed % 7, 100))
    script = scripted_track(person, seed, style)
    np.testing.assert_array_equal(script.points, scripted_track(person, seed, style).points)
    np.testing.assert_array_equal(script.times, person.times)
    assert (script.points == np.rint(script.points)).all()
    # It ends where the person does, and stays near where the person was.
    assert np.abs(script.points[[0, -1]] - person.points[[0, -1]]).max() < 6
    low, high = person.points.min(0), person.points.max(0)
    assert (script.points > low - 0.5 * (high - low)).all()
    assert (script.points < high + 0.5 * (high - low)).all()
    if style == "grid":
        steps = np.abs(np.diff(script.points, axis=0))
        # Rows and columns, but for jitter and corners cut by sampling.
        assert np.median(steps.min(axis=1)) <= 3 < np.median(steps.max(axis=1))


def test_scripted_tracks_differ_by_seed_and_rest_with_the_person():
    times, points = wander(3, 100)
    person = Track(times, points)
    seen = {scripted_track(person, seed).points.tobytes() for seed in range(20)}
    assert len(seen) == 20
    rest = int(np.argmax(np.diff(times)))
    for seed in range(10):
        script = scripted_track(person, seed)
        # The stroke ends after the rest, and over the rest it goes no further than a step.
        step = np.hypot(*(script.points[rest + 1] - script.points[rest]))
        assert step < 5 * np.median(np.hypot(*np.diff(script.points, axis=0).T)) + 10
        assert np.abs(script.points[rest + 1] - points[rest + 1]).max() < 6
    with pytest.raises(InputError, match="no style 'spiral'"):
        scripted_track(person, 0, "spiral")


def test_no_simple_measure_tells_scripted_windows_from_people(tmp_path):
    """Extent, duration and count of a window say nothing: they are those of the person."""
    person = Track(*wander(1, 100))
    for seed in range(5):
        script = scripted_track(person, seed)
        assert len(script) == len(person)
        assert np.ptp(script.times) == np.ptp(person.times)
        ratio = np.ptp(script.points, axis=0) / np.ptp(person.points, axis=0)
        assert (ratio > 0.7).all() and (ratio < 1.4).all()


def test_people_and_scripts_in_one_call(tmp_path):
    for number, user in enumerate(("ann", "bob")):
        write_track(tmp_path / f"in/{user}/session_1", *wander(number, 210))
    write_track(tmp_path / "in/bob/still", np.arange(60) / 10, np.ones((60, 2)))
    write_track(tmp_path / "in/bob/short", *wander(5, 9))
    (tmp_path / "in/ann/columns").write_text("a,b\n1,2\n")
    call = {"image": TrackImage(size=48), "names": "{group}/*", "scripted": True}
    examples = tracks(tmp_path / "in", tmp_path / "out", **call)
    assert examples.counts() == {"person": 4, "scripted": 4}
    assert set(examples.groups) == {"ann", "bob"}
    reasons = {one.path.rpartition("/")[2]: one.reason for one in examples.skipped}
    assert reasons["still at 0"] == "the mouse stands still"
    assert "too few" in reasons["short"] and "expected x, y and a time" in reasons["columns"]
    again = tracks(tmp_path / "in", tmp_path / "again", **call)
    assert again.digests == examples.digests
    by_folder = tracks(tmp_path / "in", tmp_path / "folder", TrackImage(size=48), scripted=True)
    assert by_folder.groups == examples.groups and by_folder.digests == examples.digests
    other = tracks(tmp_path / "in", tmp_path / "other", **call, seed=1)
    same = [a == b for a, b in zip(other.digests, examples.digests, strict=True)]
    assert same == [label == 0 for label in examples.labels]
    with pytest.raises(InputError, match=r"take \{label\} out"):
        tracks(tmp_path / "in", tmp_path / "x", names="{label}/*", scripted=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "zero bytes"),
        ("t,x,y\n0,1,2\n1,2\n", "line 3 is cut off"),
        ("t,x,y\n0,1,2\n1,two,3\n", "line 3"),
        ("t,x,y\n5,1,2\n1,2,3\n", "runs backwards after 5 s"),
        ("t,x,y\n5,1,nan\n", "not finite"),
        ("when,x,y\n5,1,1\n", "has the columns when, x, y"),
    ],
)
def test_track_dirt_is_one_line(tmp_path, text, reason):
    path = tmp_path / "s"
    path.write_text(text)
    with pytest.raises(UnreadableTrackError, match=reason):
        read_track(str(path))


def test_only_movements_with_a_place_count(tmp_path):
    path = tmp_path / "s"
    path.write_text(
        "record timestamp,client timestamp,button,state,x,y\n"
        "0,0.0,NoButton,Move,1,1\n0,0.1,Left,Pressed,1,1\n0,0.2,NoButton,Drag,2,2\n"
        "0,0.3,NoButton,Move,65535,65535\n0,0.4,NoButton,Move,3,3\n0,0.4,NoButton,Move,4,4\n"
    )
    track = read_track(str(path))
    assert track.times.tolist() == [0.0, 0.2, 0.4]
    assert track.points.tolist() == [[1, 1], [2, 2], [4, 4]]


def _page(kind: str, seed: int = 0) -> np.ndarray:
    """A page of print: rows of small marks, in one column or two, and a picture on some."""
    random = np.random.default_rng(seed)
    page = np.full((1000, 700), 245, np.uint8)
    columns = [(60, 640)] if kind == "letter" else [(60, 330), (370, 640)]
    for left, right in columns:
        for top in range(320, 900, 16):
            for x in range(left, right - 8, 6):
                if random.random() < 0.85:
                    page[top : top + 8, x : x + 4] = 30
    if kind == "paper":
        page[60:260, 100:600] = 90
    return page


def test_layout_shows_ink_blocks_and_large_things_where_they_are():
    picture = PageImage(size=200, cells=50).render(_page("paper"))
    # The page is 0.7 as wide as high, and centred: columns 30..170 of 200.
    assert picture[:, :29].max() == 0 and picture[:, 171:].max() == 0
    red, green, blue = (picture[..., k].astype(int) for k in range(3))
    assert blue[14:50, 55:145].min() == 255 and blue[70:].max() == 0
    assert green[70:175, 45:90].mean() > 230  # a block of text has hardly a gap
    assert green[70:175, 100:101].max() < 120  # but between the columns
    text = red[70:175, 45:90]
    assert 100 < text.mean() < 255 and red[190:].max() == 0
    assert (picture.reshape(50, 4, 50, 4, 3) == picture[::4, ::4][:, None, :, None]).all()


def test_layout_does_not_depend_on_resolution_or_paper():
    image = PageImage(size=112)
    page = _page("letter")
    reference = image.render(page).astype(int)
    twice = np.kron(page, np.ones((2, 2), np.uint8))
    assert np.abs(image.render(twice) - reference).mean() < 4
    darker = (page * 0.6 + 40).astype(np.uint8)
    assert np.abs(image.render(darker) - reference).mean() < 4
    other = np.abs(image.render(_page("paper")) - reference).mean()
    same = np.abs(image.render(_page("letter", 1)) - reference).mean()
    assert same < other / 3


def test_pages_of_pdf_and_images(tmp_path):
    pdfium = pytest.importorskip("pypdfium2")
    for kind in ("letter", "paper"):
        (tmp_path / "in" / kind).mkdir(parents=True)
        sheets = [Image.fromarray(_page(kind, seed)) for seed in range(2)]
        sheets[0].save(tmp_path / f"in/{kind}/ü.pdf", save_all=True, append_images=sheets[1:])
        Image.fromarray(_page(kind, 7)).save(tmp_path / f"in/{kind}/scan.png")
    (tmp_path / "in/letter/empty.pdf").write_bytes(b"")
    (tmp_path / "in/letter/torn.pdf").write_bytes(b"%PDF-1.4 and no more")
    (tmp_path / "in/letter/torn.png").write_bytes(b"\x89PNG and no more")
    Image.new("L", (70, 100), 250).save(tmp_path / "in/letter/white.png")
    (tmp_path / "in/letter/locked.pdf").write_bytes(_LOCKED_PDF)
    assert pdfium
    examples = pages(tmp_path / "in", tmp_path / "out", PageImage(size=56))
    assert examples.counts() == {"letter": 3, "paper": 3}
    assert examples.groups.count("letter/ü") == 2
    assert sorted(examples.extra["offset"]) == ["1", "1", "1", "1", "2", "2"]
    reasons = {one.path.rpartition("/")[2]: one.reason for one in examples.skipped}
    assert reasons["empty.pdf"] == "zero bytes" and reasons["torn.pdf"] == "no PDF that can be read"
    assert reasons["locked.pdf"].startswith("encrypted")
    assert reasons["white.png page 1"] == "a blank page" and "torn.png" in reasons


# A page-less PDF whose /Encrypt names the standard handler; its password is not the empty one.
_LOCKED_PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"3 0 obj<</Filter/Standard/V 1/R 2/P -4/O<"
    + b"41" * 32
    + b">/U<"
    + b"42" * 32
    + b">>>endobj\n"
    b"xref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000054 00000 n \n"
    b"0000000095 00000 n \ntrailer<</Size 4/Root 1 0 R/Encrypt 3 0 R/ID[<00><00>]>>\n"
    b"startxref\n289\n%%EOF\n"
)


def test_command_converts_and_says_what_it_left_out(tmp_path, capsys):
    for label, pitch in (("low", 300), ("high", 2000)):
        for number in range(3):
            write_wav(tmp_path / f"in/{label}/{number}.wav", tone(pitch + 10 * number))
    (tmp_path / "in/low/empty.wav").write_bytes(b"")
    command = ["convert", "sound", str(tmp_path / "in"), str(tmp_path / "out")]
    settings_ = ["--sample-rate", "8000", "--size", "48", "--seconds", "1"]
    assert main([*command, *settings_]) == 0
    printed = capsys.readouterr()
    assert "6 pictures" in printed.out and "high 3, low 3" in printed.out
    assert "empty.wav: zero bytes" in printed.err
    table = (tmp_path / "out/examples.csv").read_text(encoding="utf-8")
    assert len(table.splitlines()) == 7 and "low/0" in table
    command[-1] = str(tmp_path / "again")
    assert main([*command, "--like", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pictures"] == 6 and told["groups"] == 6 and len(told["skipped"]) == 1
    assert main([*command, "--size", "48"]) == 2
    assert "not an empty folder" in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "new"), "--seconds", "-1"]) == 2
    assert "seconds=-1.0 is not a number above 0" in capsys.readouterr().err


def test_command_draws_the_sheet_and_its_help_teaches_the_choices(tmp_path, capsys):
    write_ts(tmp_path / "A_TRAIN.ts", ["1,2,3,4:a", "4,3,2,9:b"])
    sheet = tmp_path / "sheet.png"
    assert main(["convert", "series", str(tmp_path), str(sheet), "--method", "all"]) == 0
    assert sheet.stat().st_size > 1000 and "side by side" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["convert", "series", "--help"])
    text = capsys.readouterr().out
    for word in ("recurrence", "Gramian angular field", "--threshold", "dataset", "time runs"):
        assert word in text
