"""What every test may use: real data and weights where they stand, skipped with a reason elsewhere."""

import os
import shutil
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of small real data sets beside the checkout."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("needs the folder of real data sets beside the checkout (../shared/data)")
    return folder


@pytest.fixture
def imagenet_home(tmp_path, monkeypatch) -> Path:
    """KERAS_HOME set to a writable copy of the real ImageNet weights."""
    source = SHARED / "keras_home"
    if not source.is_dir():
        pytest.skip("needs real ImageNet weights beside the checkout (../shared/keras_home)")
    home = tmp_path / "keras_home"
    (home / "models").mkdir(parents=True)
    for file in (source / "models").iterdir():
        shutil.copy(file, home / "models" / file.name)
    monkeypatch.setenv("KERAS_HOME", str(home))
    return home
