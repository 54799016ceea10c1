"""One door for all data: find out what a source is, say so, and read it."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from tl_keras.data.examples import Examples
from tl_keras.data.reading.cache import cache_folder
from tl_keras.data.reading.formats import FORMATS, NOTHING_ELSE, Recognised, reader_of, recognise
from tl_keras.data.reading.options import reader_options
from tl_keras.errors import InputError

_IN_FILES = ("csv", "voc", "coco", "yolo", "masks", "tfrecord", "archive")


def open_data(
    source: Any,
    *,
    format: str | None = None,
    strict: bool = False,
    progress: bool = True,
    defaults: Mapping[str, Any] | None = None,
    brings: str | None = None,
    **options: Any,
) -> Examples:
    """Reads data of any kind that tl_keras knows: what every command's DATA goes through.

    A folder with a folder of images per class is read by :func:`tl_keras.data.from_folder`,
    whatever else lies in it.  For any other, one line on standard error says what it was taken
    for, and why.

    Args:
        source: a folder (classes, VOC, COCO, YOLO, images and masks, TFRecord), a file (``.csv``,
            ``.tsv``, ``.parquet``, COCO's ``.json``, YOLO's ``.yaml``, ``.tfrecord``), an archive
            or its URL, a data set object of TensorFlow Datasets or Hugging Face, a pair of arrays
            (images, labels), or a table, which is returned as it is.
        format: ``"folder"``, ``"csv"``, ``"voc"``, ``"coco"``, ``"yolo"``, ``"masks"``,
            ``"tfrecord"``, ``"archive"``, ``"arrays"``, ``"tfds"`` or ``"huggingface"``, where it
            cannot be told, or is told wrongly; for an archive, that of what is in it.
        strict: raise instead of leaving anything out.
        progress: say what it was taken for, and show bars, on standard error.
        defaults: options for readers that take them, passed over by others: segmentation gives
            ``{"background": "background"}``.
        brings: ``"boxes"`` or ``"masks"`` where a folder that can be read in several ways is of
            use only with these.
        **options: of the reader of that format (``from_csv`` and so on), see
            :func:`tl_keras.data.reading.options.reader_options`; ``None`` is the reader's own.

    Returns:
        The table.

    Raises:
        InputError: it cannot be told what it is, or cannot be read.

    Example:
        >>> open_data("photos.zip")  # doctest: +SKIP
        >>> open_data("street/", format="coco", strict=True)  # doctest: +SKIP
    """
    if isinstance(source, Examples):
        return source
    found = recognise(source, format, brings)
    reader = reader_of(found.format)
    if found.format != "folder" and progress:
        print(f"{_name(source)}: read as {found.format}, for {found.why}", file=sys.stderr)
    if found.format == "archive":
        given = {name: value for name, value in options.items() if value is not None}
        inner = None if format == "archive" else format
        given |= {"defaults": defaults} if defaults else {}
        given |= {"brings": brings} if brings else {}
        return reader(source, format=inner, strict=strict, progress=progress, **given)
    given = reader_options(found.format, options, {**(defaults or {}), **found.options})
    if found.format == "folder":
        return _class_folders(reader, source, found, strict=strict, progress=progress, **given)
    sources = found.source if found.format == "arrays" else (_loaded(found),)
    return reader(*sources, strict=strict, progress=progress, **given)


def _class_folders(reader: Any, source: Any, found: Recognised, **options: Any) -> Examples:
    try:
        return reader(source, **options)
    except InputError as error:
        if found.why != NOTHING_ELSE:
            raise
        others = ", ".join(what for name, (_, what) in FORMATS.items() if name in _IN_FILES)
        raise InputError(f"{error} (other data that is read: {others})") from None


def _name(source: Any) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source).split("?")[0]
    return f"the {type(source).__name__}"


def _loaded(found: Recognised) -> Any:
    """What a reader takes: of a folder or file that Hugging Face wrote, the data set in it."""
    if found.format != "huggingface" or not isinstance(found.source, os.PathLike):
        return found.source
    try:
        import datasets
    except ImportError:
        raise InputError(f"reading {found.source} needs pip install datasets") from None
    path = os.fspath(found.source)
    try:
        if found.source.is_dir():
            return datasets.load_from_disk(path)
        return datasets.Dataset.from_parquet(path, cache_dir=os.fspath(cache_folder("parquet")))
    except Exception as error:  # of a library that reads strangers' files
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"cannot read {found.source}: {reason}; write it anew") from None
