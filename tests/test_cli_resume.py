"""The same command after kill -9: it goes on where it was, and what comes out is the same."""

import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from tl_keras.cli.main import main
from tl_keras.cli.resuming import unfinished_run
from tl_keras.errors import InputError

SETTINGS = {"seed": 0, "batch_size": 32}


def cut_short(output, settings, resume=True):
    """Begin a run, leave a checkpoint, and die; returns whether one was gone on with."""
    with pytest.raises(ZeroDivisionError), unfinished_run(output, "x", settings, resume) as run:
        (run[1] / "checkpoint-00000001.npz").touch()
        raise ZeroDivisionError
    return run[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("output", [None, "runs/mine"])
def test_an_unfinished_run_is_found_again_and_gone_when_finished(output, tmp_path):
    assert not cut_short(output, SETTINGS)
    assert cut_short(output, SETTINGS)
    with unfinished_run(output, "x", SETTINGS, True) as (result, folder, goes_on):
        assert goes_on and (folder / "checkpoint-00000001.npz").exists()
        assert folder.name == result.name + ".unfinished"
    assert not folder.exists()


def test_no_resume_begins_anew():
    cut_short("mine", SETTINGS)
    with unfinished_run("mine", "x", SETTINGS, False) as (_, folder, goes_on):
        assert not goes_on and not list(folder.glob("checkpoint*"))


def test_other_settings_are_another_run():
    cut_short(None, SETTINGS)
    cut_short("mine", SETTINGS)
    with unfinished_run(None, "x", {**SETTINGS, "seed": 1}, True) as (_, _, goes_on):
        assert not goes_on
    with (
        pytest.raises(InputError, match=r"another seed; --no-resume"),
        unfinished_run("mine", "x", {**SETTINGS, "seed": 1}, True),
    ):
        pass


def test_a_run_that_failed_before_its_first_checkpoint_leaves_nothing(tmp_path):
    with pytest.raises(InputError), unfinished_run("mine", "x", SETTINGS, True):
        raise InputError("no")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_two_processes_do_not_train_into_one_folder():
    with unfinished_run("mine", "x", SETTINGS, True) as (_, folder, _):
        with (
            pytest.raises(InputError, match="another process"),
            unfinished_run("mine", "x", SETTINGS, True),
        ):
            pass
        assert folder.exists()


def test_workers_need_an_engine(capsys, monkeypatch):
    assert main(["train", "--workers", "2"]) == 2
    assert "--engine ray" in capsys.readouterr().err
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}}')
    assert main(["train"]) == 2
    assert "TF_CONFIG" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_twice_ends_like_undisturbed(photos, tmp_path):
    (tmp_path / "recipe.toml").write_text(
        '[[stages]]\nname = "head"\nepochs = 20\n'
        '[[stages]]\nname = "all"\nepochs = 6\nunfreeze = "all"\naugment = "light"\n'
    )
    command = [sys.executable, "-m", "tl_keras.cli.main", "train", str(photos), "--image-size",
               "64", "--recipe", "recipe.toml", "--batch-size", "8"]  # fmt: skip

    def run(output, kills=()):
        for checkpoint in kills:
            process = subprocess.Popen(
                [*command, "--output", output], stderr=subprocess.DEVNULL, start_new_session=True
            )
            # Until so many checkpoints were written since this process began.
            folder, seen = tmp_path / f"{output}.unfinished", set()
            known = {file.name for file in folder.glob("checkpoint-*.npz")}
            deadline = time.monotonic() + 300
            while len(seen) < checkpoint and time.monotonic() < deadline:
                now = {file.name for file in folder.glob("checkpoint-*.npz")}
                seen |= now - known
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert len(seen) >= checkpoint
        done = subprocess.run(
            [*command, "--output", output], capture_output=True, text=True, check=True
        )
        assert ("Going on with the unfinished run" in done.stdout) == bool(kills)
        return tmp_path / output

    undisturbed, killed = run("one"), run("two", kills=(1, 3))
    first, second = (keras.saving.load_model(f / "model.keras") for f in (undisturbed, killed))
    for a, b in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    rows = [(folder / "history.csv").read_text().splitlines() for folder in (undisturbed, killed)]
    keep = slice(0, rows[0][0].split(",").index("seconds"))
    assert [r.split(",")[keep] for r in rows[0]] == [r.split(",")[keep] for r in rows[1]]
