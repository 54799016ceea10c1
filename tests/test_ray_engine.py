"""Ray starts dead workers again; without Ray the engine says how to get it."""

import importlib.util
from pathlib import Path

import numpy as np
import placed_training
import pytest
from processes import finish, start

from tl_keras.errors import InputError
from tl_keras.training.ray_engine import train_with_ray

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
