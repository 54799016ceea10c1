"""What an artefact remembers of its training images, to know others by."""

import zipfile
from pathlib import Path

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.out_of_domain import Domain

FILE = "domain.npz"


def write_domain(folder: Path, domain: Domain) -> None:
    """Write it into an artefact's folder, as arrays without any pickled object.

    Args:
        folder: Of the artefact.
        domain: Of its model.

    Example:
        >>> write_domain(folder, domain)  # doctest: +SKIP
    """
    np.savez(folder / FILE, **domain._asdict())


def read_domain(folder: Path, width: int) -> Domain | None:
    """What :func:`write_domain` wrote; None where there is nothing.

    Args:
        folder: Of the artefact.
        width: Of its model's features.

    Raises:
        InputError: The file is damaged, or another model's.

    Example:
        >>> read_domain(Path("no/artefact"), 576) is None
        True
    """
    path = folder / FILE
    if not path.is_file():
        return None
    mend = "copy the artefact again, or delete the file and go without"
    try:
        with np.load(path, allow_pickle=False) as kept:
            found = Domain(*(kept[name] for name in Domain._fields))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
        raise InputError(f"{path} is damaged ({problem}); {mend}") from problem
    sound = found.rows.ndim == 2 and found.neighbours.ndim == found.energies.ndim == 1
    if not sound or found.rows.shape[1] != width or not len(found.rows):
        raise InputError(
            f"{path} holds features of another model ({found.rows.shape}, not (N, {width})); {mend}"
        )
    return found
