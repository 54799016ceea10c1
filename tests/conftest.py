"""What every test may use; real data and weights are skipped with a reason where they are not."""

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


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """A folder of two classes, 20 pictures each: stripes and rings, easy but not by colour."""
    import numpy as np
    from PIL import Image

    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:72, :72].astype("float32")
    for name in ("rings", "stripes"):
        (root / name).mkdir()
        for number in range(20):
            angle, phase, wave = rng.uniform(0, np.pi), rng.uniform(0, 6), rng.uniform(4, 7)
            if name == "stripes":
                field = rows * np.sin(angle) + columns * np.cos(angle)
            else:
                field = np.hypot(rows - rng.uniform(20, 52), columns - rng.uniform(20, 52))
            shade = 0.5 + 0.5 * np.sin(field / wave * 6.28 + phase)
            low, high = rng.uniform(0, 255, (2, 3))
            pixels = low + shade[..., None] * (high - low) + rng.normal(0, 8, (72, 72, 3))
            image = Image.fromarray(pixels.clip(0, 255).astype("uint8"))
            image.save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="session")
def colour_shop(tmp_path_factory):
    """A catalogue of plain colours that can be searched; whoever changes it changes it back."""
    from shops import make_shop

    return make_shop(tmp_path_factory.mktemp("colour_shop"))
