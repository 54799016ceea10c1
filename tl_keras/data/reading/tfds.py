"""Data sets of TensorFlow Datasets, or any ``tf.data.Dataset`` that looks like one."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import Examples
from tl_keras.data.naming import part_meant
from tl_keras.data.reading.label_names import UNNAMED, class_of
from tl_keras.data.reading.stored_table import Target, table_of
from tl_keras.data.reading.storing import Item
from tl_keras.errors import InputError

_IMAGE = ("image", "images", "img")
_LABEL = ("label", "labels", "class", "category", "target")
_OBJECTS = ("objects", "object", "faces")


def from_tfds(
    dataset: Any,
    info: Any = None,
    *,
    image: str | None = None,
    label: str | bool | None = None,
    into: str | os.PathLike | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Makes examples of what ``tfds.load`` or ``tfds.data_source`` gave; images are written once.

    Decoded images become PNG files, larger than the JPEG files they were; load with
    ``decoders={"image": tfds.decode.SkipDecoding()}`` to keep the files as they are.

    Args:
        dataset: of dictionaries, or of pairs (image, label); a dictionary of parts
            (``{"train": ..., "test": ...}``) is a brought split; ``(dataset, info)``, as
            ``tfds.load(..., with_info=True)`` returns it, is taken too.  Batches are undone.
        info: the ``DatasetInfo``: names of the classes, and boxes (``objects`` with ``bbox`` and
            ``label``; TFDS notes them as ymin, xmin, ymax, xmax in fractions of the sides).
        image: key of the image, uint8 or the bytes of a file; guessed.
        label: key of the label; guessed.  ``False``: none.
        into: the folder of the images; by default ``tl_keras/images`` below Keras' home.
        strict: raise instead of leaving an image out.
        progress: show bars on standard error when it takes long.

    Returns:
        The table, in the order of the data set.

    Raises:
        InputError: it is no such data set, never ends, holds no images, or the disk is full.

    Example:
        >>> data, info = tfds.load("beans", with_info=True)  # doctest: +SKIP
        >>> from_tfds(data, info)  # doctest: +SKIP
    """
    if info is None and isinstance(dataset, tuple) and len(dataset) == 2:
        dataset, info = dataset
    parts = dataset if isinstance(dataset, Mapping) else {None: dataset}
    if info is None:  # data sources bring their own
        info = getattr(next(iter(parts.values()), None), "dataset_info", None)
    features = getattr(info, "features", None) or {}
    total = _total(parts.values())

    def items() -> Iterator[Item]:
        for part, data in parts.items():
            keys: dict[str, str] = {}
            for number, row in enumerate(_rows(data)):
                where = f"example {number}" + (f" of {part}" if part else "")
                if not keys:
                    keys = _keys(row, image, label)
                yield _item(row, keys, features, where, part_meant(str(part)))

    name = getattr(info, "name", "") or "the data set"
    return table_of(
        items(), what=name, class_order=_names(features, label), into=into, total=total,
        strict=strict, progress=progress,
    )  # fmt: skip


def _total(parts: Iterable[Any]) -> int | None:
    counts = []
    for data in parts:
        if hasattr(data, "cardinality"):  # -1: infinite, -2: unknown
            count = int(data.cardinality())
            if count == -1:
                raise InputError("the data set never ends; give it without repeat()")
            counts.append(None if count < 0 or _is_batched(data) else count)
        else:
            counts.append(len(data) if hasattr(data, "__len__") else None)
    return None if None in counts else sum(counts)


def _is_batched(data: Any) -> bool:
    spec = data.element_spec
    first = spec[next((k for k in _IMAGE if k in spec), next(iter(spec)))] if isinstance(
        spec, Mapping) else (spec[0] if isinstance(spec, tuple) else spec)  # fmt: skip
    rank = getattr(getattr(first, "shape", None), "rank", None)
    encoded = getattr(getattr(first, "dtype", None), "name", "") == "string"
    return rank == 4 or (encoded and rank == 1)


def _rows(data: Any) -> Iterator[Mapping[str, Any]]:
    """Dictionaries of numpy values, one per example."""
    if hasattr(data, "element_spec"):
        data = data.unbatch() if _is_batched(data) else data
        data = data.as_numpy_iterator()
    try:
        rows = iter(data)
    except TypeError:
        raise InputError(
            f"a {type(data).__name__} is no data set; give what tfds.load returned"
        ) from None
    for row in rows:
        if isinstance(row, Mapping):
            yield row
        elif isinstance(row, tuple) and len(row) == 2:
            yield {"image": row[0], "label": row[1]}
        else:
            yield {"image": row}


def _keys(row: Mapping[str, Any], image: str | None, label: str | bool | None) -> dict[str, str]:
    has = ", ".join(map(str, row)) or "none"
    for key in (image, label):
        if key and key not in row:
            raise InputError(f"the data set has no {key!r}; it has {has}")
    image = image or next((key for key in _IMAGE if key in row), None)
    if image is None:
        raise InputError(f"the data set has nothing called image; it has {has}: give image=")
    if label is None:
        label = next((key for key in _LABEL if key in row), "")
    objects = next((key for key in _OBJECTS if isinstance(row.get(key), Mapping)), "")
    return {"image": image, "label": label or "", "objects": objects}


def _item(
    row: Mapping[str, Any], keys: dict[str, str], features: Any, where: str, part: str | None
) -> Item:
    image, label = row[keys["image"]], row.get(keys["label"])
    if isinstance(label, np.ndarray) and label.ndim:
        raise InputError(f"{where} has {label.size} labels; give label= the key of a single one")
    target = Target(
        label=class_of(label, _names(features, keys["label"]), where),
        split=part,
        drawn=_drawn(row, keys["objects"], features, where) if keys["objects"] else None,
    )
    return Item(image, where, target)


def _names(features: Any, key: str | bool | None) -> list[str] | None:
    """The names that a feature has, of the first usual key where none is given."""
    keys = [key] if key else [k for k in _LABEL if k in features]
    return next((list(features[k].names) for k in keys
                 if k in features and getattr(features[k], "names", None)), None)  # fmt: skip


def _drawn(row: Mapping[str, Any], key: str, features: Any, where: str) -> Drawn | None:
    objects = row[key]
    if "bbox" not in objects:
        return None
    corners = np.asarray(objects["bbox"], float).reshape(-1, 4)
    label = next((name for name in _LABEL if name in objects), None)
    named = getattr(features[key], "feature", {}) if key in features else {}
    names = _names(named, label) if label else None
    classes = objects[label] if label else [None] * len(corners)
    return Drawn(
        where,
        xyxy=[(x1, y1, x2, y2) for y1, x1, y2, x2 in corners.tolist()],
        names=[class_of(value, names, where) or UNNAMED for value in classes],
        rows=[f"box {number}" for number in range(len(corners))],
        relative=True,
    )
