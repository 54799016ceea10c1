"""The sets of ``signals.py``: converted to pictures, with what of each is held for the test."""

from pathlib import Path

import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SERIES = ("GunPoint", "ArrowHead", "BasicMotions")
SETS = (*SERIES, "spoken digits", "mouse")
TEST_GROUPS = {
    "spoken digits": ("theo", "yweweler"),
    "mouse": ("user23", "user29", "user35"),
}
# Groups of the training part that are left out in turn to choose among the candidates.
VALIDATION_GROUPS = {"spoken digits": ("lucas", "jackson"), "mouse": ("user12", "user20")}
WINDOW = 200  # movements of the mouse


def pictures(name, image, folder):
    """Converts a set; (train, test) examples."""
    from tl_keras import convert

    if name in SERIES:
        examples = convert.series(SHARED / "time-series" / name, folder, image, progress=False)
        return examples.part("train"), examples.part("test")
    if name == "mouse":
        examples = convert.tracks(
            SHARED / "mouse", folder, image, names="{group}/*", scripted=True, progress=False
        )
    else:
        source, names = SHARED / "spoken-digits", "{label}_{group}_*"
        examples = convert.sound(source, folder, image, names=names, progress=False)
    return without_groups(examples, TEST_GROUPS[name])


def without_groups(examples, held):
    """(the others, these groups)."""
    inside = np.isin(examples.groups, held)
    return examples.subset(np.flatnonzero(~inside)), examples.subset(np.flatnonzero(inside))
