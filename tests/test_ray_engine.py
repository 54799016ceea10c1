"""Ray starts dead workers again; without Ray the engine says how to get it."""

import csv
import importlib.util
import time
from pathlib import Path

import keras
import numpy as np
import placed_training
import pytest
from processes import finish, start

from tl_keras.errors import InputError
from tl_keras.training.ray_engine import train_with_ray

_TIMES = ("seconds", "elapsed")
HAS_RAY = importlib.util.find_spec("ray") is not None


def test_two_workers_at_least(tmp_path):
    with pytest.raises(InputError, match="2 or more"):
        train_with_ray(print, {}, 1, tmp_path)


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_the_remedy_is_said(tmp_path):
    with pytest.raises(InputError, match=r"tl-keras\[ray\]"):
        train_with_ray(print, {}, 2, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="needs Ray (pip install 'tl-keras[ray]')")
def test_a_worker_killed_by_signal_9_changes_nothing(tmp_path):
    """It is started again, and the run ends bit for bit as one in which nobody died."""
    placed_training.draw(tmp_path / "pictures")
    program = Path(__file__).with_name("ray_program.py")
    more = {"PYTHONPATH": f"{program.parents[1]}:{program.parent}"}
    for name, what in (("whole", ()), ("killed", ("die",))):
        command = [program, tmp_path / "pictures", tmp_path / name, *what]
        finish([start(*command, **more)], seconds=600)
    assert (tmp_path / "killed" / "died").is_file()
    whole, killed = (np.load(tmp_path / name / "out.npz") for name in ("whole", "killed"))
    assert len(whole.files) == 13 and len(whole["loss"]) == 3
    for name in whole.files:
        np.testing.assert_array_equal(whole[name], killed[name])


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="needs Ray (pip install 'tl-keras[ray]')")
def test_the_command_survives_the_death_of_a_worker(tmp_path):
    """A worker of `tl-keras train --engine ray` dies in mid-training; the model is the same."""
    pytest.importorskip("psutil")
    placed_training.draw(tmp_path / "pictures")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        '[[stages]]\nname = "all"\nunfreeze = "all"\nepochs = 6\nlearning_rate = 0.001\n'
        "patience = 6\n"
    )
    for name in ("whole", "killed"):
        out = tmp_path / name
        command = ["-m", "tl_keras.cli.main", "train", tmp_path / "pictures", "--output", out]
        command += ["--recipe", recipe, "--backbone", "mobilenet_025", "--weights", "none"]
        command += ["--image-size", 32, "--batch-size", 8, "--workers", 2, "--engine", "ray"]
        run = start(*command, cwd=tmp_path)
        if name == "killed":
            assert _kill_a_worker(run.pid, Path(f"{out}.unfinished"))
        (output,) = finish([run], seconds=900)
        assert "held-out" in output
    whole, killed = (
        keras.saving.load_model(tmp_path / name / "model.keras", compile=False).weights
        for name in ("whole", "killed")
    )
    for one, other in zip(whole, killed, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    # The model is that of the best epoch; the epochs after the death are in the history alone.
    histories = []
    for name in ("whole", "killed"):
        with (tmp_path / name / "history.csv").open() as file:
            rows = list(csv.DictReader(file))
        histories.append([{k: v for k, v in row.items() if k not in _TIMES} for row in rows])
    assert len(histories[0]) == 6 and histories[0] == histories[1]


def _kill_a_worker(command, folder):
    """Signal 9 to one that trains, once two checkpoints are there; whether there was one."""
    import psutil

    while psutil.pid_exists(command) and psutil.Process(command).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)
        if not len(list(folder.glob("checkpoint-*.npz"))) > 1:
            continue
        below = psutil.Process(command).children(recursive=True)
        workers = [p for p in below if "TrainWorker" in " ".join(p.cmdline())]
        if workers:
            workers[-1].kill()
            return True
    return False
