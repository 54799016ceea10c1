"""A table without what is surely wrong; files are not touched."""

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.data.checking.boxes import impossible
from tl_keras.data.checking.findings import Finding
from tl_keras.data.examples import PARTS
from tl_keras.data.scanning import scan

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

_WHOLE = ("unreadable", "contradictory_copies")


class Cleaned(NamedTuple):
    """A cleaned table, and what it cost.

    Attributes:
        examples: the table.
        dropped: file -> why it is not in it, those that readers had left out already as well.
        boxes: how many boxes were taken out.
    """

    examples: "Examples"
    dropped: dict[str, str]
    boxes: int


def cleaned(examples: "Examples", findings: list[Finding]) -> Cleaned:
    """Takes out what is surely wrong, and nothing that a person has to decide on.

    That is: unreadable files; files of the same bytes under different labels; of copies across the
    split all but those of the last part (test before val before train); boxes without an area
    inside their image.  Probably wrong labels, near copies and outliers stay.

    Args:
        examples: the table that was checked.
        findings: of :func:`~tl_keras.data.checking.running.check`.

    Returns:
        A new table.

    Example:
        >>> table, dropped, boxes = cleaned(examples, check(examples))  # doctest: +SKIP
    """
    row_of = {path: row for row, path in enumerate(examples.paths)}
    dropped: dict[str, str] = {}
    for finding in findings:
        if finding.kind in _WHOLE:
            dropped |= dict.fromkeys(finding.paths, finding.why)
        elif finding.kind == "copies_across_parts":
            rank = {
                path: PARTS.index(examples.splits[row_of[path]])
                for path in finding.paths
                if path in row_of and examples.splits[row_of[path]] in PARTS
            }
            last = max(rank.values(), default=-1)
            lost = [path for path in finding.paths if rank.get(path, -1) < last]
            dropped |= dict.fromkeys(lost, finding.why)
    kept = examples.subset([row for row, path in enumerate(examples.paths) if path not in dropped])
    if kept.boxes is None:
        return Cleaned(kept, dropped, 0)
    wrong = {path for one in findings if one.kind == "box_empty" for path in one.paths}
    rows = [row for row, path in enumerate(kept.paths) if path in wrong]
    boxes, lost = list(kept.boxes), 0
    for row, file in zip(
        rows, scan([kept.paths[row] for row in rows], progress=False), strict=True
    ):
        some = boxes[row]
        sound = ~impossible(some.xyxy, np.array(file.size))
        lost += int((~sound).sum())
        boxes[row] = Boxes.of(some.xyxy[sound], some.classes[sound], some.ignore[sound])
    return Cleaned(replace(kept, boxes=tuple(boxes)), dropped, lost)
