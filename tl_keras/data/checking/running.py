"""The check of a whole table."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.checking.boxes import box_faults, box_oddities
from tl_keras.data.checking.classes import class_sizes
from tl_keras.data.checking.copies import copies, digest_groups
from tl_keras.data.checking.findings import Finding, in_order
from tl_keras.data.checking.label_errors import judge_labels, label_errors
from tl_keras.data.checking.left_out import left_out
from tl_keras.data.checking.masks import mask_faults
from tl_keras.data.checking.near_copies import near_copies
from tl_keras.data.checking.outliers import outliers
from tl_keras.data.checking.pictures import look_at
from tl_keras.data.checking.shapes import picture_shapes
from tl_keras.data.scanning import scan
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

_FEWEST = 20  # pictures from which a head could learn anything


def check(
    examples: "Examples",
    *,
    features: "np.ndarray | Callable[[Examples], np.ndarray] | None" = None,
    progress: bool = True,
) -> list[Finding]:
    """Looks for what is wrong with data, before anything is trained on it.

    Files, copies, near copies, sizes, classes, boxes and masks are looked at in any case.  With
    features of a network, near copies are also confirmed and found by them, outliers become surer,
    and labels that are probably wrong are looked for.

    Args:
        examples: the table.
        features: float (N, D), a row for each example, or what computes them:
            ``tl_keras.embed``, or a function from a table to such an array.  ``None``: none.
        progress: show bars on standard error when it takes long.

    Returns:
        The findings, the gravest kind first and the worst of each kind first; see
        :data:`tl_keras.data.checking.findings.KINDS` for what the kinds mean.

    Raises:
        InputError: the features do not fit the table.

    Example:
        >>> import tl_keras as tl
        >>> examples = tl.data.open_data("photos/")  # doctest: +SKIP
        >>> for finding in tl.data.check(examples, features=tl.embed):  # doctest: +SKIP
        ...     print(finding.kind, finding.paths, finding.why)
    """
    found = left_out(examples, progress=progress)
    found += [Finding(note.kind, (note.path,), note.text) for note in examples.notes]
    pictures = look_at(examples.paths, progress=progress)
    sound = np.array([fault is None for fault in pictures.faults], bool)
    for row in np.flatnonzero(~sound):
        found.append(Finding("unreadable", (examples.paths[row],), pictures.faults[row]))
    rows = np.flatnonzero(sound)
    if len(rows) < len(examples):
        features = features if features is None or callable(features) else features[rows]
        examples, pictures = examples.subset(rows), pictures.subset(rows)
    values = _values(examples, features)
    contents = digest_groups(examples.digests)
    crossing = [path for path, _ in examples.crossing]
    checked = zip(crossing, scan(crossing, progress=progress), strict=True)
    found += copies(examples, {path: file.digest for path, file in checked if file.digest})
    near, groups = near_copies(examples, pictures, values, contents)
    found += near
    firsts = np.unique(contents)
    paths = tuple(examples.paths[row] for row in firsts)
    far = None if values is None else values[firsts]
    found += outliers(paths, pictures.figures[firsts], far)
    found += _wrong_labels(examples, values, groups)
    found += class_sizes(examples, contents)
    found += picture_shapes(examples.paths, pictures)
    found += box_faults(examples, pictures.sizes)
    found += box_oddities(examples, pictures.sizes)
    found += mask_faults(examples, pictures.sizes, progress=progress)
    return in_order(found)


def _values(
    examples: "Examples", features: "np.ndarray | Callable[[Examples], np.ndarray] | None"
) -> np.ndarray | None:
    if features is None or not len(examples):
        return None
    values = np.asarray(features(examples) if callable(features) else features)
    if values.ndim != 2 or len(values) != len(examples) or values.dtype.kind != "f":
        raise InputError(
            f"features are {values.dtype} of shape {values.shape}; give floats, a row for each of "
            f"the {len(examples)} examples, such as tl_keras.embed(examples)"
        )
    if not np.isfinite(values).all():
        raise InputError("features are not finite; use another base, or float32 precision")
    return values


def _wrong_labels(
    examples: "Examples", values: np.ndarray | None, groups: np.ndarray
) -> list[Finding]:
    rows = np.flatnonzero(examples.labels >= 0)
    if values is None or len(rows) < _FEWEST or len({*examples.labels[rows].tolist()}) < 2:
        return []
    labels = examples.labels[rows]
    judged = judge_labels(values[rows], labels, len(examples.class_names), groups[rows])
    paths = tuple(examples.paths[row] for row in rows)
    return label_errors(paths, examples.class_names, labels, judged)
