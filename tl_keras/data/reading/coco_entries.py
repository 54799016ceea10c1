"""Single entries of COCO's JSON: categories, annotations, and their outlines."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from tl_keras.data.examples import Skipped
from tl_keras.data.mask_shapes import Shape
from tl_keras.data.naming import class_name
from tl_keras.data.rasters import unpack_run_lengths
from tl_keras.data.reading.numbers import finite, size_of
from tl_keras.errors import InputError

# Numbers of a polygon below which it has no area: three corners.
_FEWEST = 6


class Annotation(NamedTuple):
    """A thing in an image.

    Attributes:
        row: what it is called in messages.
        name: its class.
        xyxy: its box, px.
        ignore: a crowd.
        shape: its outline; empty where it has none.

    Example:
        >>> Annotation("annotation 7", "cat", (0, 0, 4, 4), False, Shape()).name
        'cat'
    """

    row: str
    name: str
    xyxy: tuple[float, ...]
    ignore: bool
    shape: Shape


def read_categories(
    entries: Sequence[Any], path: str, skipped: list[Skipped]
) -> dict[str | int, str]:
    """The classes by id.

    Args:
        entries: the list ``categories``.
        path: the file, for messages.
        skipped: entries without id or name, and those with the id of another, are added here.

    Returns:
        Id -> name, in the order of the ids where all are numbers.

    Raises:
        InputError: none is left.

    Example:
        >>> read_categories([{"id": 3, "name": "dog"}, {"id": 1, "name": "cat"}], "a.json", [])
        {1: 'cat', 3: 'dog'}
    """
    found: dict[str | int, str] = {}
    for number, entry in enumerate(entries, 1):
        known = isinstance(entry, dict)
        key, name = (entry.get("id"), entry.get("name")) if known else (None, None)
        if not isinstance(key, (int, str)) or not isinstance(name, str) or not name.strip():
            skipped.append(Skipped(path, f"category {number} has no id or no name"))
        elif key in found:
            skipped.append(Skipped(path, f"category {number} has the id {key} of {found[key]!r}"))
        else:
            found[key] = class_name(name.strip())
    if not found:
        raise InputError(f"{path} has no categories; add their ids and names")
    if all(isinstance(key, int) for key in found):
        return dict(sorted(found.items()))
    return found


def read_annotation(
    entry: Any, number: int, categories: Mapping[str | int, str], seen: set[str | int]
) -> Annotation:
    """Reads one entry of the list ``annotations``.

    Args:
        entry: the entry.
        number: its place in the list, from 1 on; its name where it has no id.
        categories: classes by id.
        seen: ids met before; its own is added.

    Returns:
        The annotation.

    Raises:
        InputError: what it lacks, in a few words.

    Example:
        >>> entry = {"id": 7, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]}
        >>> read_annotation(entry, 1, {3: "cat"}, set()).xyxy
        (1.0, 2.0, 4.0, 6.0)
    """
    if not isinstance(entry, dict):
        raise InputError(f"annotation number {number}: is no object")
    own = entry.get("id")
    row = f"annotation {own}" if isinstance(own, (int, str)) else f"annotation number {number}"
    row = row[:80]
    if not isinstance(entry.get("image_id"), (int, str)):
        raise InputError(f"{row}: has no image_id")
    category = entry.get("category_id")
    if not isinstance(category, (int, str)) or category not in categories:
        raise InputError(f"{row}: is of the category {str(category)[:40]}, which is not listed")
    if isinstance(own, (int, str)):
        if own in seen:
            raise InputError(f"{row}: has the id of another annotation")
        seen.add(own)
    shape = _shape(entry.get("segmentation"), row)
    box = entry.get("bbox")
    if isinstance(box, list) and len(box) == 4:
        x, y, width, height = map(finite, box)
    elif box is None and shape.polygons:
        flat = list(chain.from_iterable(shape.polygons))
        x, y = min(flat[::2]), min(flat[1::2])
        width, height = max(flat[::2]) - x, max(flat[1::2]) - y
    else:
        raise InputError(f"{row}: has no bbox of four numbers")
    if None in (x, y, width, height):
        raise InputError(f"{row}: has no bbox of four numbers")
    ignore = entry.get("iscrowd") == 1 or entry.get("ignore") == 1
    return Annotation(row, categories[category], (x, y, x + width, y + height), ignore, shape)


def _shape(found: Any, row: str) -> Shape:
    if not found:
        return Shape()
    if isinstance(found, dict):
        return _run_lengths(found, row)
    if not isinstance(found, list):
        raise InputError(f"{row}: its segmentation is neither polygons nor run-lengths")
    pieces = found if isinstance(found[0], list) else [found]
    polygons = []
    for piece in pieces:
        numbers = [finite(value) for value in piece] if isinstance(piece, list) else [None]
        if None in numbers or len(numbers) % 2:
            raise InputError(f"{row}: its segmentation holds a polygon that is no x, y, x, y, ...")
        if len(numbers) >= _FEWEST:
            polygons.append(tuple(numbers))
    if not polygons:
        raise InputError(f"{row}: its segmentation has fewer than three corners")
    return Shape(tuple(polygons))


def _run_lengths(found: Mapping[str, Any], row: str) -> Shape:
    counts, size = found.get("counts"), found.get("size")
    sides = size_of(*size[::-1]) if isinstance(size, list) and len(size) == 2 else None
    if sides is None:
        raise InputError(f"{row}: its run-lengths have no size [height, width]")
    if isinstance(counts, str):
        try:
            counts = unpack_run_lengths(counts)
        except InputError as error:
            raise InputError(f"{row}: {error}") from None
    elif not isinstance(counts, list) or not all(
        isinstance(count, int) and 0 <= count <= sides[0] * sides[1] for count in counts
    ):
        raise InputError(f"{row}: its run-lengths are no whole numbers that fit the size")
    if sum(counts) != sides[0] * sides[1]:
        raise InputError(f"{row}: its run-lengths give {sum(counts)} px, not the size's")
    return Shape(counts=tuple(counts), size=(sides[1], sides[0]))
