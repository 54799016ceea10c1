"""Pictures for the tests of the check: each unlike the others, of a few recognisable kinds."""

import numpy as np
from PIL import Image

from tl_keras.data import Examples


def picture(rng, kind=0, size=(120, 90)):
    """Coloured clouds with a texture: stripes, rings or squares."""
    width, height = size
    coarse = Image.fromarray(rng.integers(40, 215, (6, 8, 3), np.uint8))
    clouds = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), "float32")
    rows, columns = np.mgrid[:height, :width].astype("float32")
    wave, phase = rng.uniform(5, 8), rng.uniform(0, 6)
    if kind == 0:
        angle = rng.uniform(0, np.pi)
        field = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) / wave * 6.28 + phase)
    elif kind == 1:
        y, x = rng.uniform(20, 70), rng.uniform(20, 100)
        field = np.sin(np.hypot(rows - y, columns - x) / wave * 6.28)
    else:
        field = np.sign(np.sin(rows / wave * 3 + phase) * np.sin(columns / wave * 3))
    pixels = clouds + 45 * field[..., None] + rng.normal(0, 5, (height, width, 3))
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def fill(folder, count, kind=0, seed=0):
    """``count`` pictures of a kind in a new folder."""
    rng = np.random.default_rng([seed, kind])
    folder.mkdir(parents=True)
    for number in range(count):
        picture(rng, kind).save(folder / f"{number:03d}.png")
    return folder


def table(paths, labels=None, names=("a", "b"), **columns):
    """A table of files as somebody may make it, with nothing left out."""
    paths = tuple(map(str, paths))
    given = {
        "digests": tuple(f"{number:032x}" for number in range(len(paths))),
        "splits": (None,) * len(paths),
        **columns,
    }
    labels = [-1] * len(paths) if labels is None else labels
    return Examples(paths, np.array(labels), tuple(names), **given)


def kinds(findings):
    """Kind -> the names of the files of each finding."""
    found = {}
    for one in findings:
        names = sorted(
            path.rsplit("/", 2)[-2] + "/" + path.rsplit("/", 1)[-1] for path in one.paths
        )
        found.setdefault(one.kind, []).append(names)
    return found
