"""YOLO: a text file of boxes or polygons for each image, and data.yaml."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tl_keras.data.copies import Listed
from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import assemble
from tl_keras.data.mask_shapes import Shape
from tl_keras.data.naming import class_name
from tl_keras.data.reading.numbers import finite
from tl_keras.data.reading.yolo_layout import find_layout
from tl_keras.errors import InputError

_BOX = 4
# Numbers of the smallest polygon; fewer, and more than a box, are neither.
_TRIANGLE = 6


def from_yolo(
    folder: str | os.PathLike,
    *,
    class_names: Sequence[str] | None = None,
    background: str | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Reads images with boxes, and masks where they are polygons, in YOLO's text files.

    Each picture ``.../images/.../a.jpg`` has its lines in ``.../labels/.../a.txt``, or beside it:
    ``class x y width height`` (centre and sides) or ``class x y x y x y ...`` (a polygon), as
    shares of the sides of the upright image.  A picture without file, or with an empty one, has no
    boxes.  ``data.yaml`` tells classes and parts; without it (or without PyYAML, which reads it),
    the parts are the folders ``train``, ``val`` and ``test``, and the classes the lines of
    ``classes.txt``, ``class_names``, or the numbers themselves.  What happens to odd boxes,
    :func:`tl_keras.data.drawn.settle` says.

    Format: https://docs.ultralytics.com/datasets/detect/

    Args:
        folder: the folder, or its ``data.yaml``.
        class_names: the classes by number, instead of those of the data.
        background: name of a class for pixels of nothing, put before the others, for
            segmentation by pixel; without it those pixels are ignored in ``semantic()``.
        strict: stop at what would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table, without labels; classes in the order of their numbers.

    Raises:
        InputError: no such folder, a data.yaml that cannot be read, no pictures or no labels, or,
            under ``strict``, anything left out.

    Example:
        >>> from_yolo("coco128/data.yaml")  # doctest: +SKIP
        Examples(128 images, {}, 0 left out)
    """
    skipped: list[Skipped] = []
    layout = find_layout(folder, skipped)
    names = [*map(class_name, class_names or layout.class_names)]
    listed: list[Listed] = []
    found: list[_Lines] = []
    labelled = False
    for part, pictures in layout.pictures.items():
        for picture in pictures:
            labels = _label_file(picture)
            labelled = labelled or Path(labels).exists()
            beside = str(Path(picture).with_suffix(".txt"))
            if beside != labels and Path(beside).exists():
                skipped.append(Skipped(beside, f"{picture} has its labels in {labels} already"))
            try:
                lines = _read(labels, layout.keypoints, skipped)
            except InputError as error:
                skipped.append(Skipped(picture, str(error)))
                continue
            listed.append(Listed(picture, None, part))
            found.append(lines)
    if not labelled:
        raise InputError(
            f"{layout.root} has no labels for its pictures, e.g. {_label_file(picture)}; expected "
            "images/train/a.jpg and labels/train/a.txt"
        )
    if not names:
        highest = max((max(lines.classes, default=-1) for lines in found), default=-1)
        names = [str(number) for number in range(highest + 1)]
    outlined = any(shape.polygons for lines in found for shape in lines.shapes)
    first = () if background is None else (class_name(background),)
    return assemble(
        listed,
        root=layout.root,
        class_names=(*first, *dict.fromkeys(name for name in names if name not in first)),
        drawn=[_drawn(lines, names, outlined, background, skipped) for lines in found],
        skipped=skipped,
        strict=strict,
        progress=progress,
    )


class _Lines(NamedTuple):
    where: str
    classes: list[int]
    xyxy: list[tuple[float, ...]]
    shapes: list[Shape]
    rows: list[str]


def _label_file(picture: str) -> str:
    """``images`` becomes ``labels``, at its last place, where such a file is; else beside."""
    beside = Path(picture).with_suffix(".txt")
    parts = list(beside.parts)
    folders = [part.casefold() for part in parts[:-1]]
    if "images" in folders:
        last = len(folders) - 1 - folders[::-1].index("images")
        labels = Path(*parts[:last], "labels", *parts[last + 1 :])
        if labels.exists():
            return str(labels)
    return str(beside)


def _read(path: str, keypoints: bool, skipped: list[Skipped]) -> _Lines:
    lines = _Lines(path, [], [], [], [])
    if not os.path.exists(path):  # noqa: PTH110 (False, not an error, for a link to itself)
        return lines
    try:
        if not Path(path).is_file():
            raise InputError(f"its labels {path} are not a file")
        text = Path(path).read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"its labels {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"its labels {path} are no text") from None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        values = [finite(word) for word in words[1:]]
        if keypoints:
            values = values[:_BOX]
        polygon = len(values) >= _TRIANGLE and len(values) % 2 == 0
        if not words[0].isascii() or not words[0].isdigit() or len(words[0]) > _TRIANGLE:
            fault = f"begins with {words[0][:40]!r}, not with the number of a class"
        elif None in values or not (polygon or len(values) == _BOX):
            fault = f"has {len(values)} values after the class, not x y width height or a polygon"
        else:
            fault = None
        if fault:
            skipped.append(Skipped(path, f"line {number} {fault}"))
            continue
        lines.classes.append(int(words[0]))
        lines.rows.append(f"line {number}")
        lines.shapes.append(Shape((tuple(values),)) if polygon else Shape())
        lines.xyxy.append(_hull(values) if polygon else _corners(*values))
    return lines


def _corners(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _hull(polygon: Sequence[float]) -> tuple[float, ...]:
    return min(polygon[::2]), min(polygon[1::2]), max(polygon[::2]), max(polygon[1::2])


def _drawn(
    lines: _Lines,
    names: Sequence[str],
    outlined: bool,
    background: str | None,
    skipped: list[Skipped],
) -> Drawn:
    kept = [i for i, number in enumerate(lines.classes) if number < len(names)]
    skipped += [
        Skipped(lines.where, f"{lines.rows[i]} is of the class {number}; there are {len(names)}")
        for i, number in enumerate(lines.classes)
        if number >= len(names)
    ]
    return Drawn(
        lines.where,
        [lines.xyxy[i] for i in kept],
        [names[lines.classes[i]] for i in kept],
        [lines.rows[i] for i in kept],
        relative=True,
        shapes=[lines.shapes[i] for i in kept] if outlined else None,
        background=class_name(background) if outlined and background is not None else None,
    )
