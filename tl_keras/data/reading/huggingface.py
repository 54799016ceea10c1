"""Data sets of the Hugging Face ``datasets`` library: https://huggingface.co/docs/datasets."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tl_keras.data.examples import Examples
from tl_keras.data.naming import part_meant
from tl_keras.data.reading.label_names import class_of
from tl_keras.data.reading.stored_table import Target, table_of
from tl_keras.data.reading.storing import Item
from tl_keras.errors import InputError

_LABEL = ("label", "labels", "fine_label", "class", "category", "target", "tags")


def from_huggingface(
    dataset: Any,
    image: str | None = None,
    label: str | bool | None = None,
    *,
    into: str | os.PathLike | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Makes examples of a ``datasets.Dataset``; images are written once, as the files they were.

    Images that lie in files of their own stay there.

    Args:
        dataset: a ``Dataset``, an ``IterableDataset``, or a ``DatasetDict``, whose parts are a
            brought split.
        image: the column of images; by default the only one of the feature ``Image``.
        label: the column of classes (``ClassLabel``, names or whole numbers), or of lists of
            them, which are tags; guessed.  ``False``: none.
        into: the folder of the images; by default ``tl_keras/images`` below Keras' home.
        strict: raise instead of leaving an image out.
        progress: show bars on standard error when it takes long.

    Returns:
        The table, in the order of the data set.

    Raises:
        InputError: it is no such data set, there is no such column, or the disk is full.

    Example:
        >>> from_huggingface(datasets.load_dataset("imagefolder", data_dir="photos"))
        ... # doctest: +SKIP
    """
    parts = dataset if isinstance(dataset, Mapping) else {None: dataset}
    first = next(iter(parts.values()), None)
    features = getattr(first, "features", None)
    if not features:
        raise InputError(
            f"a {type(first).__name__} without features is no data set to read; give a "
            "datasets.Dataset, DatasetDict, or an IterableDataset with features"
        )
    image = _image_column(features, image)
    label = _label_column(features, image, label)
    names, many = _names(features, label)
    kind = _kind(features[image])
    tag_names = tuple(names or _values(parts, label)) if many else ()

    def items() -> Iterator[Item]:
        for part, data in parts.items():
            for number, row in enumerate(_undecoded(data, image, label)):
                where = f"row {number}" + (f" of {part}" if part else "")
                target = Target(split=part_meant(str(part)))
                if many:
                    target = target._replace(tags=_tags(row[label], tag_names, names, where))
                elif label:
                    target = target._replace(label=class_of(row[label], names, where))
                yield Item(_picture(row[image], kind), where, target)

    lengths = [len(data) if hasattr(data, "__len__") else None for data in parts.values()]
    return table_of(
        items(), what="the data set", class_order=None if many else names, tag_names=tag_names,
        into=into, total=None if None in lengths else sum(lengths), strict=strict,
        progress=progress,
    )  # fmt: skip


def _image_column(features: Mapping[str, Any], image: str | None) -> str:
    has = ", ".join(features)
    if image is not None:
        if image not in features:
            raise InputError(f"the data set has no column {image!r}; it has {has}")
        return image
    found = [key for key, feature in features.items() if _is_image(feature)]
    if "image" in found or ("image" in features and not found):
        return "image"
    if len(found) != 1:
        count = "several columns" if found else "no column"
        raise InputError(f"the data set has {count} of images; it has {has}: give image=")
    return found[0]


def _is_image(feature: Any) -> bool:
    """Of the feature ``Image``, or the structure that it is stored as."""
    return type(feature).__name__ == "Image" or (
        isinstance(feature, Mapping) and {"bytes", "path"} == set(feature)
    )


def _label_column(features: Mapping[str, Any], image: str, label: str | bool | None) -> str:
    if label is not None:
        if label and label not in features:
            raise InputError(f"the data set has no column {label!r}; it has {', '.join(features)}")
        return label or ""
    usual = [key for key in _LABEL if key in features and key != image]
    classes = [key for key, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    return next((key for key in usual if key in classes), next(iter([*classes, *usual]), ""))


def _names(features: Mapping[str, Any], label: str) -> tuple[list[str] | None, bool]:
    """The names of the classes, where the feature has them, and whether a row has many."""
    if not label:
        return None, False
    feature, many = features[label], False
    if isinstance(feature, list):
        feature, many = feature[0], True
    elif hasattr(feature, "feature"):  # Sequence, List
        feature, many = feature.feature, True
    return (list(feature.names) if getattr(feature, "names", None) else None), many


def _values(parts: Mapping[Any, Any], label: str) -> list[str]:
    found = {
        class_of(value, None, label)
        for data in parts.values()
        for row in data.select_columns([label])
        for value in row[label] or ()
    }
    return sorted(found - {None})


def _undecoded(data: Any, image: str, label: str) -> Any:
    """Rows of the two columns, with images as ``{"bytes", "path"}`` where they are of that kind."""
    data = data.select_columns([column for column in (image, label) if column])
    if type(data.features[image]).__name__ == "Image":
        return data.cast_column(image, type(data.features[image])(decode=False))
    if _is_image(data.features[image]):
        return data
    return data.with_format("numpy", columns=[image], output_all_columns=True)


def _kind(feature: Any) -> str | None:
    """The type of the numbers in a column of arrays: on the way here they all become int64."""
    while not hasattr(feature, "dtype") and hasattr(feature, "feature"):
        feature = feature.feature
    kind = getattr(feature, "dtype", None)
    return kind if kind in ("uint8", "uint16", "bool") else None


def _picture(value: Any, kind: str | None) -> Any:
    if isinstance(value, Mapping):
        return value["bytes"] if value.get("bytes") is not None else value.get("path")
    return value if kind is None else np.asarray(value, kind)


def _tags(
    values: Any, tag_names: tuple[str, ...], names: list[str] | None, where: str
) -> tuple[int, ...]:
    if values is None:
        return (-1,) * len(tag_names)
    present = {class_of(value, names, where) for value in values}
    return tuple(int(name in present) for name in tag_names)
