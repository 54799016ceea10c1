"""COCO: one JSON file of images, boxes and outlines."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.data.copies import Listed
from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import assemble
from tl_keras.data.naming import class_name, part_meant
from tl_keras.data.reading.coco_entries import Annotation, read_annotation, read_categories
from tl_keras.data.reading.image_paths import IMAGE_FOLDERS, ImageFinder, folders_beside
from tl_keras.data.reading.json_files import read_json
from tl_keras.data.reading.numbers import size_of
from tl_keras.data.walking import folder_given, is_folder
from tl_keras.errors import InputError

# Keys of an image that are read as something else than a further column.
_KNOWN = {"file_name", "width", "height", "split", "label", "tags"}
# What COCO's own files are called before the name of their folder.
_KINDS = ("instances_", "person_keypoints_", "panoptic_", "stuff_")


def from_coco(
    json: str | os.PathLike | Mapping[str, str | os.PathLike],
    images: str | os.PathLike | None = None,
    *,
    background: str | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Reads images with boxes, and masks where they are outlined, in COCO's JSON.

    Outlines are polygons and run-lengths, plain or compressed.  Crowds (``iscrowd``) are to be
    ignored.  Annotations of an unknown image or category, without a box, or with the id of
    another one, are left out; an image without any has no boxes.  Where an image has ``split``,
    ``label`` or ``tags`` (with ``tags`` of all at the top), as in this project's sample set, they
    are read; its further keys go into ``extra``.  What happens to odd boxes,
    :func:`tl_keras.data.drawn.settle` says.

    Format: https://cocodataset.org/#format-data

    Args:
        json: the file, or one for each part: ``{"train": ..., "val": ...}``.
        images: the folder that file names are relative to; by default sought beside the file.
        background: name of a class for pixels of nothing, put before the others, for
            segmentation by pixel; without it those pixels are ignored in ``semantic()``.
        strict: stop at what would be left out.
        progress: show a bar on standard error when it takes long.

    Returns:
        The table, in the order of the file's images; classes in the order of the categories' ids.

    Raises:
        InputError: no such file, damaged, without ``images``, ``annotations`` or ``categories``,
            no readable image, or, under ``strict``, anything left out.

    Example:
        >>> from_coco("annotations/instances_val2017.json", "val2017")  # doctest: +SKIP
        Examples(5000 images, {}, 0 left out)
    """
    parts = json if isinstance(json, Mapping) else {None: json}
    for part in parts:
        if part is not None and part_meant(str(part)) is None:
            raise InputError(f"the part {part!r} is none of train, val and test; name it so")
    skipped: list[Skipped] = []
    names: dict[str, None] = {} if background is None else {class_name(background): None}
    rows: dict[tuple[str, str | None], _Row] = {}
    outlined = False
    for part, path in parts.items():
        document = read_json(path, "COCO annotations")
        for key in ("images", "annotations", "categories"):
            if not isinstance(document.get(key), list):
                raise InputError(f"{path} has no list {key!r}; give a JSON file of COCO's form")
        categories = read_categories(document["categories"], str(path), skipped)
        names |= dict.fromkeys(categories.values())
        by_id = _images(document, str(path), images, part, rows, skipped)
        outlined |= _annotate(document, str(path), categories, by_id, skipped)
    if not rows:
        raise InputError(f"{' and '.join(map(str, parts.values()))} lists no images; add some")
    listed = list(rows.values())
    tags, tag_names = _tags(listed)
    columns = dict.fromkeys(key for row in listed for key in row.extra)
    first = next(iter(parts.values()))
    return assemble(
        [Listed(row.path, row.label, row.split) for row in listed],
        root=str(Path(first).absolute() if len(parts) == 1 else Path(first).absolute().parent),
        class_names=tuple(names),
        tags=tags,
        tag_names=tag_names,
        drawn=[row.drawn(outlined, background) for row in listed],
        extra={key: [row.extra.get(key, "") for row in listed] for key in columns},
        skipped=skipped,
        every_class=False,
        strict=strict,
        progress=progress,
    )


class _Row:
    """An image as listed, and what was said of it."""

    def __init__(self, path: str, where: str, image: Mapping[str, Any], part: str | None) -> None:
        label, split, tags = image.get("label"), image.get("split"), image.get("tags")
        self.path = path
        self.where = where
        self.size = size_of(image.get("width"), image.get("height"))
        self.label = class_name(label) if isinstance(label, str) and label else None
        self.split = part_meant(part or (split if isinstance(split, str) else ""))
        self.tags = (
            [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else None
        )
        self.extra = {
            str(key): str(value)
            for key, value in image.items()
            if key not in _KNOWN and isinstance(value, (str, int, float))
        }
        self.annotations: list[Annotation] = []

    def drawn(self, outlined: bool, background: str | None) -> Drawn:
        found = self.annotations
        return Drawn(
            self.where,
            [one.xyxy for one in found],
            [one.name for one in found],
            [one.row for one in found],
            [one.ignore for one in found],
            self.size,
            shapes=[one.shape for one in found] if outlined else None,
            background=class_name(background) if outlined and background is not None else None,
        )


def _finder(path: str, images: str | os.PathLike | None) -> ImageFinder:
    if images is not None:
        return ImageFinder([folder_given(images, "the images")])
    file = Path(path).absolute()
    kind = next((kind for kind in _KINDS if file.stem.startswith(kind)), "")
    own = file.stem.removeprefix(kind)
    up = file.parent.parent
    usual = [up / own, *(up / folder / own for folder in IMAGE_FOLDERS)]
    return ImageFinder([*folders_beside(file), *filter(is_folder, usual)])


def _images(
    document: Mapping[str, Any],
    path: str,
    folder: str | os.PathLike | None,
    part: str | None,
    rows: dict[tuple[str, str | None], _Row],
    skipped: list[Skipped],
) -> dict[str | int, _Row]:
    """The images by id; those of one file and part are one image."""
    finder = _finder(path, folder)
    by_id: dict[str | int, _Row] = {}
    for number, image in enumerate(document["images"], 1):
        fault = None
        if not isinstance(image, dict):
            fault = "is no object"
        elif not isinstance(image.get("file_name"), str) or not image["file_name"]:
            fault = "has no file_name"
        elif not isinstance(image.get("id"), (int, str)):
            fault = "has no id"
        elif image["id"] in by_id:
            fault = f"({image['file_name'][:80]}) has the id {image['id']} of another image"
        if fault:
            skipped.append(Skipped(path, f"image {number} {fault}"))
            continue
        file = finder.find(image["file_name"])
        by_id[image["id"]] = rows.setdefault((file, part), _Row(file, path, image, part))
    return by_id


def _annotate(
    document: Mapping[str, Any],
    path: str,
    categories: Mapping[str | int, str],
    by_id: Mapping[str | int, _Row],
    skipped: list[Skipped],
) -> bool:
    """Gives each image its annotations; whether any has an outline."""
    seen: set[str | int] = set()
    outlined = False
    for number, entry in enumerate(document["annotations"], 1):
        try:
            annotation = read_annotation(entry, number, categories, seen)
            row = by_id.get(entry["image_id"])
        except InputError as error:
            skipped.append(Skipped(path, str(error)))
            continue
        if row is None:
            reason = f"{annotation.row}: belongs to the image {entry['image_id']!r}, which is not"
            skipped.append(Skipped(path, f"{reason} listed"))
            continue
        row.annotations.append(annotation)
        outlined |= bool(annotation.shape.polygons or annotation.shape.size)
    return outlined


def _tags(rows: list[_Row]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Tags of all images; an image that has no list of them is not known."""
    if all(row.tags is None for row in rows):
        return None, ()
    names = tuple(dict.fromkeys(tag for row in rows for tag in row.tags or ()))
    index = {name: i for i, name in enumerate(names)}
    tags = np.zeros((len(rows), len(names)), np.int8)
    for i, row in enumerate(rows):
        if row.tags is None:
            tags[i] = -1
        else:
            tags[i, [index[tag] for tag in row.tags]] = 1
    return tags, names
