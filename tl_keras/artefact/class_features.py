"""What an artefact remembers of its classes: features of some images that were held out."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tl_keras.errors import InputError
from tl_keras.training.even_choice import even_positions

FILE = "features.npz"


class ClassFeatures(NamedTuple):
    """Features of images by class.

    Attributes:
        rows: float32 (N, D), of the layer "pooling".
        labels: int32 (N,), positions in the model's classes.
        learned: Booleans (N,), whether the head was fitted to the image itself.

    Example:
        >>> ClassFeatures(np.zeros((1, 2), "float32"), np.zeros(1, "int32"), np.zeros(1, bool))[1]
        array([0], dtype=int32)
    """

    rows: np.ndarray
    labels: np.ndarray
    learned: np.ndarray

    def some(self) -> "ClassFeatures":
        """At most 100 images of each class and 1,000 in all, as evenly as there are."""
        kept = even_positions(self.labels)
        return ClassFeatures(*(column[kept] for column in self))

    def joined(self, other: "ClassFeatures") -> "ClassFeatures":
        """These, then those of another."""
        return ClassFeatures(*map(np.concatenate, zip(self, other, strict=True)))


def write_features(folder: Path, features: ClassFeatures) -> None:
    """Write them into an artefact's folder, as arrays without any pickled object.

    Args:
        folder: Of the artefact.
        features: As many as are to be kept.

    Example:
        >>> write_features(folder, features.some())  # doctest: +SKIP
    """
    np.savez_compressed(
        folder / FILE,
        rows=features.rows.astype("float32"),
        labels=features.labels.astype("int32"),
        learned=features.learned.astype(bool),
    )


def read_features(folder: Path, width: int, classes: int) -> ClassFeatures | None:
    """What :func:`write_features` wrote.

    Args:
        folder: Of the artefact.
        width: Of its features.
        classes: How many it knows.

    Returns:
        The features; None where there are none, or not of every class.

    Raises:
        InputError: The file is damaged, or another model's.

    Example:
        >>> read_features(Path("no/artefact"), 576, 2) is None
        True
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            found = ClassFeatures(kept["rows"], kept["labels"], kept["learned"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
        raise InputError(
            f"{path} is damaged ({problem}); copy it again, or delete it and give --known images"
        ) from problem
    lengths = {len(column) for column in found if column.ndim}
    sound = found.rows.ndim == 2 and found.labels.ndim == found.learned.ndim == 1
    if not sound or len(lengths) > 1 or found.rows.shape[1] != width:
        raise InputError(
            f"{path} holds features of another model ({found.rows.shape}, not (N, {width})); copy "
            "the artefact again, or delete the file and give --known images"
        )
    there = set(found.labels.tolist())
    return found if there == set(range(classes)) else None
