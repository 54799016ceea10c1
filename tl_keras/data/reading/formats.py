"""The formats that are read, by name, and the one that a source is in."""

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tl_keras.data.reading.archive_kinds import archive_kind
from tl_keras.data.reading.download import is_url
from tl_keras.data.reading.layouts import TABLE_SUFFIXES, is_coco, layouts_of
from tl_keras.data.reading.tfrecord import is_record_name
from tl_keras.data.walking import IMAGE_SUFFIXES, is_folder
from tl_keras.errors import InputError

#: Name -> its reader in ``tl_keras.data``, and what it is, for messages.
FORMATS: dict[str, tuple[str, str]] = {
    "folder": ("from_folder", "a folder of images per class"),
    "csv": ("from_csv", "a table of paths (.csv, .tsv, .parquet)"),
    "voc": ("from_voc", "Pascal VOC (Annotations/*.xml)"),
    "coco": ("from_coco", "COCO (.json)"),
    "yolo": ("from_yolo", "YOLO (data.yaml, labels/*.txt)"),
    "masks": ("from_masks", "images/ beside masks/"),
    "tfrecord": ("from_tfrecord", "TFRecord files"),
    "archive": ("from_archive", "a zip or tar archive or its URL"),
    "arrays": ("from_arrays", "a pair of arrays (images, labels)"),
    "tfds": ("from_tfds", "a TensorFlow Datasets object"),
    "huggingface": ("from_huggingface", "a Hugging Face data set"),
}


_PACKED = (".zip", ".tar", ".tgz", ".gz", ".tbz2", ".bz2", ".txz", ".xz")

_BRING = {
    "boxes": ("voc", "coco", "yolo", "csv", "tfrecord"),
    "masks": ("masks", "coco", "yolo", "csv"),
}

#: Why a folder is read as class folders that may be none.
NOTHING_ELSE = "nothing of another format is in it"


class Recognised(NamedTuple):
    """What a source was taken for.

    Attributes:
        format: its name, of :data:`FORMATS`.
        why: what speaks for it.
        source: what the reader takes.
        options: of the reader, told by the layout.

    Example:
        >>> recognise("https://example.org/photos.zip").format
        'archive'
    """

    format: str
    why: str
    source: Any
    options: Mapping[str, Any] = {}


def reader_of(format: str) -> Callable:
    """The function that reads a format.

    Args:
        format: of :data:`FORMATS`.

    Raises:
        InputError: there is no such format.

    Example:
        >>> reader_of("tfrecord").__name__
        'from_tfrecord'
    """
    if format not in FORMATS:
        raise InputError(f"there is no format {format!r}; there are {', '.join(FORMATS)}")
    return getattr(importlib.import_module("tl_keras.data"), FORMATS[format][0])


def recognise(source: Any, format: str | None = None, brings: str | None = None) -> Recognised:
    """Finds out what a source is.

    Args:
        source: a path, a URL, a data set object or arrays.
        format: its format if that is known; then only what its reader takes is looked for.
        brings: ``"boxes"`` or ``"masks"`` where only data with these are of use: of several ways
            to read a folder, those that bring them.

    Returns:
        The format and why.

    Raises:
        InputError: it is nothing that can be read, or several things at once.

    Example:
        >>> recognise("https://example.org/photos.zip").why
        'it is an address'
    """
    if format is not None:
        reader_of(format)
    if is_url(source):
        return Recognised("archive", "it is an address", source)
    if not isinstance(source, (str, os.PathLike)):
        return Recognised(format, "it was asked for", source) if format else _object(source)
    path = Path(os.path.abspath(os.path.expanduser(source)))  # noqa: PTH100, PTH111 (links stay)
    if is_folder(path):
        return _folder(source, path, format, brings)
    if not os.path.exists(path):  # noqa: PTH110 (False, not an error, for a link to itself)
        raise InputError(f"{source} does not exist; give the folder of your images")
    if format == "archive" or (format and archive_kind(path) is None):
        return Recognised(format, "it was asked for", path)
    return _file(source, path)


def accepted() -> str:
    """What would be read, in one line.

    Example:
        >>> accepted().startswith("a folder of images per class, ")
        True
    """
    return ", ".join(what for _, what in FORMATS.values())


def _folder(given: Any, path: Path, format: str | None, brings: str | None) -> Recognised:
    if format == "folder":
        return Recognised(format, "it was asked for", path)
    found = layouts_of(path)
    if brings and not format:
        found = [layout for layout in found if layout.format in _BRING[brings]] or found
        if brings == "masks" and [layout.format for layout in found] == ["folder"]:
            return Recognised("masks", "masks are asked for", path)  # beside the images, perhaps
    if format:
        found = [layout for layout in found if layout.format == format]
        if not found:
            return Recognised(format, "it was asked for", path)
    if not found:
        return Recognised("folder", NOTHING_ELSE, path)  # its reader knows best what is missing
    names = list(dict.fromkeys(layout.format for layout in found))
    if len(names) > 1:
        said = "; ".join(f"{layout.format} ({layout.why})" for layout in found[:6])
        raise InputError(
            f"{given} can be read in several ways; give format= (--data-format) one of: {said}"
        )
    if len(found) > 1:
        files = "; ".join(layout.why for layout in found[:6])
        raise InputError(f"{given} holds several of the kind ({files}); give one of the files")
    return Recognised(*found[0])


def _file(given: Any, path: Path) -> Recognised:
    """What a file is, by its content, else by its name."""
    suffix = path.suffix.lower()
    try:
        kind = archive_kind(path)
    except OSError as error:
        raise InputError(f"cannot read {given}: {error.strerror}; check its permissions") from None
    if suffix in (".npz", ".npy"):  # the first is a zip file as well
        raise InputError(f"{given} holds arrays; load it by numpy and give (images, labels)")
    if is_record_name(path.name):
        return Recognised("tfrecord", "its name says so", path)
    if kind or suffix in _PACKED:
        what = f"it is a {kind} file" if kind else f"its name ends in {suffix}"
        return Recognised("archive", what, path)
    if suffix == ".parquet" and (column := _pictures_in(path)):
        return Recognised("huggingface", f"its column {column} holds pictures", path)
    if suffix in TABLE_SUFFIXES:
        return Recognised("csv", f"its name ends in {suffix}", path)
    if suffix in (".yaml", ".yml"):
        return Recognised("yolo", f"its name ends in {suffix}", path)
    if suffix == ".json" and is_coco(path):
        return Recognised("coco", "it has images and annotations", path)
    if suffix in (".xml", *IMAGE_SUFFIXES):
        raise InputError(f"{given} is a single file; give the folder it lies in")
    raise InputError(f"{given} is a file of no kind that is read; give {accepted()}")


def _pictures_in(path: Path) -> str | None:
    """The column of a Parquet file that holds pictures as Hugging Face writes them."""
    try:
        import pyarrow.parquet

        schema = pyarrow.parquet.read_schema(path)
    except Exception:  # the reader of tables says what is missing or wrong
        return None
    return next((f.name for f in schema if str(f.type).startswith("struct<bytes: binary")), None)


def _object(source: Any) -> Recognised:
    first = next(iter(source.values()), None) if isinstance(source, Mapping) else source
    if isinstance(first, tuple) and len(first) == 2 and _is_tf_data(first[0]):
        return Recognised("tfds", "it is a data set with its info", source)
    module = type(first).__module__.split(".")[0]
    if module == "datasets":
        return Recognised("huggingface", f"it is a datasets.{type(source).__name__}", source)
    if _is_tf_data(first) or module == "tensorflow_datasets":
        return Recognised(
            "tfds", f"it is a {type(first).__module__.split('.')[0]} data set", source
        )
    if isinstance(source, np.ndarray):
        return Recognised("arrays", "it is an array", (source,))
    if isinstance(source, tuple) and len(source) == 2 and hasattr(source[0], "__len__"):
        return Recognised("arrays", "it is a pair of images and labels", source)
    raise InputError(f"a {type(source).__name__} is nothing that is read; give {accepted()}")


def _is_tf_data(source: Any) -> bool:
    return hasattr(source, "element_spec") and hasattr(source, "as_numpy_iterator")
