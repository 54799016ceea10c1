"""Boxes that cannot be, or that leave their image."""

from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.box_conventions import odd_convention
from tl_keras.data.checking.findings import Finding

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

#: Things of an image that a model makes room for by itself; more are beyond what it returns.
MANY = 500

_ROUNDING = 1.0  # px that a box may leave its image, for formats count from 0 or 1


def impossible(xyxy: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Which boxes have no area, no finite corners, or lie wholly outside.

    Args:
        xyxy: (M, 4), px.
        size: width and height of the image, px.

    Returns:
        bool (M,).

    Example:
        >>> impossible(np.array([[0, 0, 9, 9], [5, 5, 5, 9], [90, 0, 99, 9]]), (50, 50)).tolist()
        [False, True, True]
    """
    limits = np.tile(np.asarray(size, np.float32), 2)
    inside = np.clip(np.nan_to_num(xyxy, nan=0.0), 0, limits)
    sides = inside[:, 2:] - inside[:, :2]
    return ~np.isfinite(xyxy).all(axis=1) | (sides <= 0).any(axis=1)


def box_faults(examples: "Examples", sizes: np.ndarray) -> list[Finding]:
    """Findings of kinds ``box_empty``, ``box_outside`` and ``box_class``, one a picture.

    Args:
        examples: a table with boxes.
        sizes: int (N, 2), width and height, px.

    Returns:
        None for a table without boxes.
    """
    findings = []
    for path, boxes, size in zip(examples.paths, examples.boxes or (), sizes, strict=False):
        if not len(boxes):
            continue
        bad = impossible(boxes.xyxy, size)
        over = np.maximum(-boxes.xyxy, boxes.xyxy - np.tile(size, 2)).max(axis=1)
        leaving = ~bad & (over > _ROUNDING)
        unknown = (boxes.classes < 0) | (boxes.classes >= len(examples.class_names))
        for kind, chosen, what in (
            ("box_empty", bad, "no area inside the image of"),
            ("box_outside", leaving, "an edge outside the image of"),
            ("box_class", unknown, "no class of the table, in the image of"),
        ):
            if chosen.any():
                number = int(chosen.sum())
                first = ", ".join(f"{value:g}" for value in boxes.xyxy[chosen][0])
                why = (
                    f"{number} box{'es' if number > 1 else ''} of {len(boxes)} with {what} "
                    f"{size[0]} x {size[1]} px; the first: {first}"
                )
                findings.append(Finding(kind, (path,), why, float(number)))
    return findings


def box_oddities(examples: "Examples", sizes: np.ndarray) -> list[Finding]:
    """Findings about all boxes together: ``box_convention``, ``box_many``, ``no_positives``.

    Args:
        examples: a table with boxes.
        sizes: int (N, 2), width and height, px.

    Returns:
        One finding of a kind at most; none for a table without boxes.
    """
    if not examples.boxes:
        return []
    findings = []
    counts = np.array([int((~boxes.ignore).sum()) for boxes in examples.boxes])
    each = [len(boxes) for boxes in examples.boxes]
    odd = odd_convention(
        np.concatenate([boxes.xyxy for boxes in examples.boxes]).astype(np.float64),
        np.repeat(np.asarray(sizes), each, axis=0),
    )
    said = any(note.kind == "box_convention" for note in examples.notes)  # by the reader
    if odd and not said:
        findings.append(Finding("box_convention", (), odd))
    if counts.max() > MANY:
        rows = np.flatnonzero(counts > MANY)
        rows = rows[np.argsort(-counts[rows], kind="stable")]
        why = f"{len(rows):,} with more than {MANY} boxes that count, the fullest {counts.max():,}"
        findings.append(Finding("box_many", tuple(examples.paths[row] for row in rows), why))
    if not counts.any():
        what = "a box that counts" if sum(each) else "a box"
        why = f"none of the {len(counts):,} images has {what}"
        findings.append(Finding("no_positives", (), why))
    return findings
