"""Boxes in tables: a row for each, or all of an image in one cell."""

import json
import math
from collections.abc import Sequence

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import Skipped
from tl_keras.data.naming import class_name
from tl_keras.data.reading.table_columns import Plan
from tl_keras.data.reading.table_files import Table
from tl_keras.errors import InputError

#: The class of boxes that have none.
UNNAMED = "object"

_TRUE = {"1", "1.0", "true", "yes"}
# Shares of the sides lie in 0..1; a little more where a box leaves the picture.
_LARGEST_SHARE = 1.5


def boxes_from_rows(
    table: Table, plan: Plan, rows: Sequence[Sequence[int]], skipped: list[Skipped]
) -> list[Drawn]:
    """Boxes of a table that has a row for each.

    Coordinates that are all between 0 and 1 are shares of the image's sides.  A row without any
    number stands for an image without boxes.

    Args:
        table: the table.
        plan: its columns.
        rows: per image the positions of its rows.
        skipped: boxes that cannot be read are added here.

    Returns:
        What was drawn on each image.

    Example:
        >>> table = Table("a.csv", {"f": ["1.jpg"], "x": ["4"], "y": ["2"], "w": ["9"],
        ...                         "h": ["5"]}, [2], [])
        >>> plan = Plan("f", box=("x", "y", "w", "h"), sides=True)
        >>> boxes_from_rows(table, plan, [[0]], [])[0].xyxy
        [(4.0, 2.0, 13.0, 7.0)]
    """
    assert plan.box is not None
    numbers = [[_number(cell) for cell in table.columns[name]] for name in plan.box]
    corners = list(zip(*numbers, strict=True))
    finite = [value for column in numbers for value in column if value is not None]
    relative = bool(finite) and max(finite) <= _LARGEST_SHARE
    classes = table.columns[plan.box_class] if plan.box_class else None
    ignored = table.columns[plan.ignore] if plan.ignore else None
    drawn = []
    for positions in rows:
        xyxy, names, called, ignore = [], [], [], []
        for i in positions:
            if all(not table.columns[name][i].strip() for name in plan.box):
                continue
            where = f"row {table.numbers[i]}"
            name = class_name(classes[i].strip()) if classes else UNNAMED
            if None in corners[i]:
                cells = ", ".join(table.columns[column][i][:20] for column in plan.box)
                skipped.append(Skipped(table.path, f"{where}: no box of numbers: {cells!r}"))
            elif not name:
                skipped.append(Skipped(table.path, f"{where}: a box without a class"))
            else:
                x, y, right, bottom = corners[i]
                end = (x + right, y + bottom) if plan.sides else (right, bottom)
                xyxy.append((x, y, *end))
                names.append(name)
                called.append(where)
                ignore.append(bool(ignored) and ignored[i].strip().casefold() in _TRUE)
        size = None if relative else _size(table, plan, positions[0])
        drawn.append(Drawn(table.path, xyxy, names, called, ignore, size, relative))
    return drawn


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _size(table: Table, plan: Plan, row: int) -> tuple[int, int] | None:
    if plan.size is None:
        return None
    sides = [_number(table.columns[name][row]) for name in plan.size]
    return (int(sides[0]), int(sides[1])) if all(side and side >= 1 for side in sides) else None


def boxes_to_cell(boxes: Boxes, class_names: Sequence[str]) -> str:
    """All boxes of an image as one cell.

    Args:
        boxes: the boxes.
        class_names: of their classes.

    Returns:
        JSON: a list of ``[x1, y1, x2, y2, class]``, px, those to be ignored with a further
        ``"ignore"``.

    Example:
        >>> boxes_to_cell(Boxes.of([(1, 2, 3.5, 4)], [0]), ("cat",))
        '[[1.0, 2.0, 3.5, 4.0, "cat"]]'
    """
    rows = []
    for corners, label, ignore in zip(boxes.xyxy, boxes.classes, boxes.ignore, strict=True):
        # The shortest text that is the same float32.
        row = [*(float(str(value)) for value in corners), class_names[label]]
        rows.append([*row, "ignore"] if ignore else row)
    return json.dumps(rows, ensure_ascii=False)


def boxes_from_cell(cell: str, where: str, row: str) -> Drawn:
    """Reads what :func:`boxes_to_cell` wrote.

    Args:
        cell: the cell; empty for no boxes.
        where: the table's file.
        row: its row, for messages.

    Returns:
        The boxes.

    Raises:
        InputError: it is something else.

    Example:
        >>> boxes_from_cell('[[1, 2, 3, 4, "cat"]]', "a.csv", "row 2").names
        ['cat']
    """
    try:
        found = json.loads(cell) if cell else []
        names = [class_name(box[4]) for box in found]
        xyxy = [tuple(map(_checked, box[:4])) for box in found]
        ignore = [box[5:] == ["ignore"] for box in found]
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        raise InputError(
            f"{row}: boxes are no list of [x1, y1, x2, y2, class]; write the table anew"
        ) from None
    return Drawn(where, xyxy, names, [row] * len(names), ignore)


def _checked(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ValueError(value)
    return float(value)
