"""Masks in tables: which files they lie in and what their values mean, or their outlines."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, groupby
from typing import Any

from tl_keras.data.mask_files import UNKNOWN, ClassMask, ThingMask
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.data.masks import IGNORE, Mask
from tl_keras.data.naming import class_name
from tl_keras.errors import InputError


def mask_to_cell(
    mask: Mask, class_names: Sequence[str], shorten: Callable[[str], str] = str
) -> str:
    """A mask as one cell.

    Args:
        mask: one of ``ClassMask``, ``ThingMask`` and ``ShapeMask``.
        class_names: of its classes.
        shorten: from a file's path to how it is written.

    Returns:
        JSON: ``{"file": ..., "values": [[first, last, class or null to ignore]]}``, ``{"things":
        [[file, class]]}``, or ``{"shapes": [...]}``, each with its ``"background"``.

    Raises:
        InputError: a mask of another kind, which lies in no file.

    Example:
        >>> mask_to_cell(ThingMask(("1.png",), (1,)), ("background", "cell"))
        '{"background": null, "things": [["1.png", "cell"]]}'
    """

    def name(label: int | None) -> str | None:
        return None if label is None or label == IGNORE else class_names[label]

    cell: dict[str, Any] = {"background": name(getattr(mask, "background", None))}
    if isinstance(mask, ClassMask):
        runs, start = [], 0
        for label, run in groupby(mask.classes):
            length = len(list(run))
            if label != UNKNOWN:
                runs.append([start, start + length - 1, name(label)])
            start += length
        cell |= {"file": shorten(mask.path), "values": runs}
    elif isinstance(mask, ThingMask):
        pairs = zip(mask.paths, mask.classes, strict=True)
        cell["things"] = [[shorten(path), name(label)] for path, label in pairs]
    elif isinstance(mask, ShapeMask):
        cell["shapes"] = [
            {"class": name(label), "ignore": ignore, **_outline(shape)}
            for shape, label, ignore in zip(mask.shapes, mask.classes, mask.ignore, strict=True)
        ]
        frame = {"size": mask.size, "relative": mask.relative, "orientation": mask.orientation}
        cell |= frame
    else:
        raise InputError(
            f"a mask of the kind {type(mask).__name__} lies in no file; save the masks as "
            "pictures and read them with from_masks"
        )
    return json.dumps(cell, ensure_ascii=False)


def _outline(shape: Shape) -> dict[str, Any]:
    if shape.size:
        return {"counts": shape.counts, "size": shape.size}
    return {"polygons": shape.polygons}


def classes_in_cell(cell: Mapping[str, Any]) -> list[str]:
    """The classes that a mask's cell names.

    Args:
        cell: what :func:`parse_mask_cell` made of it.

    Returns:
        Their names, maybe some twice.

    Example:
        >>> classes_in_cell({"background": "none", "things": [["1.png", "cell"]]})
        ['none', 'cell']
    """
    named = [cell.get("background"), *(entry[2] for entry in cell.get("values", ()))]
    named += [entry[1] for entry in cell.get("things", ())]
    named += [entry["class"] for entry in cell.get("shapes", ())]
    return [name for name in named if name is not None]


def parse_mask_cell(text: str, row: str) -> dict[str, Any]:
    """Reads the text of a mask's cell, and checks it.

    Args:
        text: JSON as :func:`mask_to_cell` writes it.
        row: the row, for messages.

    Returns:
        Its content, checked: :func:`mask_from_cell` will not fail on it.

    Raises:
        InputError: it is something else.

    Example:
        >>> parse_mask_cell('{"things": [["1.png", "cell"]]}', "row 2")
        {'things': [['1.png', 'cell']]}
    """
    try:
        cell = json.loads(text)
        names = {class_name(name): i for i, name in enumerate(classes_in_cell(cell))}
        mask_from_cell(cell, names, str)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
        raise InputError(f"{row}: masks hold no mask that to_csv wrote; write it anew") from None
    return cell


def mask_from_cell(
    cell: Mapping[str, Any], index: Mapping[str, int], resolve: Callable[[str], str]
) -> Mask:
    """Makes the mask that a cell describes.

    Args:
        cell: what :func:`parse_mask_cell` returned.
        index: class name -> its number.
        resolve: from a file as written to its path.

    Returns:
        The mask.

    Example:
        >>> cell = {"things": [["1.png", "cell"]]}
        >>> mask_from_cell(cell, {"cell": 0}, str).classes
        (0,)
    """

    def number(name: str) -> int:
        return index[class_name(name)]

    background = None if cell.get("background") is None else number(cell["background"])
    if "file" in cell:
        classes = [UNKNOWN] * 256
        for first, last, name in cell["values"]:
            label = IGNORE if name is None else number(name)
            for value in range(max(first, 0), min(last, 255) + 1):
                classes[value] = label
        return ClassMask(resolve(str(cell["file"])), tuple(classes), background)
    if "things" in cell:
        paths = tuple(resolve(str(path)) for path, _ in cell["things"])
        return ThingMask(paths, tuple(number(name) for _, name in cell["things"]), background)
    size, orientation = cell.get("size"), int(cell.get("orientation", 1))
    if (size and min(size) < 1) or orientation not in range(1, 9):
        raise ValueError(size, orientation)
    return ShapeMask(
        shapes=tuple(_shape(entry) for entry in cell["shapes"]),
        classes=tuple(number(entry["class"]) for entry in cell["shapes"]),
        ignore=tuple(bool(entry.get("ignore")) for entry in cell["shapes"]),
        background=background,
        size=(int(size[0]), int(size[1])) if size else None,
        relative=bool(cell.get("relative")),
        orientation=orientation,
    )


def _shape(entry: Mapping[str, Any]) -> Shape:
    if "counts" in entry:
        counts = tuple(int(count) for count in entry["counts"])
        if min(counts, default=0) < 0:
            raise ValueError(counts)
        return Shape(counts=counts, size=(int(entry["size"][0]), int(entry["size"][1])))
    polygons = tuple(tuple(map(float, polygon)) for polygon in entry["polygons"])
    # Pairs of x and y, three at least.
    even = all(len(polygon) % 2 == 0 and len(polygon) >= 6 for polygon in polygons)
    if not even or not all(map(math.isfinite, chain.from_iterable(polygons))):
        raise ValueError(polygons)
    return Shape(polygons)
