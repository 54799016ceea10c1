"""TFRecord files of ``tf.train.Example``: pictures in records, with labels and boxes.

Keys are guessed from the usual layouts: that of TF-Slim (``image/encoded``, ``image/class/label``),
of the TF Object Detection API (``image/object/bbox/xmin``, ... as fractions of the sides), of
TensorFlow Datasets and of TensorFlow's guide (``image``, ``image_raw``, ``label``):
https://www.tensorflow.org/tutorials/load_data/tfrecord
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tl_keras.data.drawn import Drawn
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.naming import natural_key, part_meant
from tl_keras.data.reading.label_names import UNNAMED, class_of
from tl_keras.data.reading.stored_table import Target, table_of
from tl_keras.data.reading.storing import Item
from tl_keras.data.reading.tfrecord_files import records
from tl_keras.errors import InputError

_IMAGE = ("image/encoded", "image", "image_raw", "image/data", "encoded", "img", "jpeg", "png")
_LABEL = (
    "image/class/text", "label/text", "image/class/label", "label", "class", "class_name",
    "category", "target", "class_id",
)  # fmt: skip
_BOXES = ("image/object", "objects", "object")
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM")


def from_tfrecord(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    *,
    image: str | None = None,
    label: str | bool | None = None,
    boxes: str | bool | None = None,
    class_names: Sequence[str] | None = None,
    into: str | os.PathLike | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Reads TFRecord files, packed by gzip or not; pictures are written as they are, once.

    Checksums of records are verified.  Where one is wrong or a file is cut off, what comes after
    it in that file is left out, and listed.  A name such as ``train-00000-of-00010.tfrecord``
    brings the part of a split.  Reading needs TensorFlow.

    Args:
        paths: a file, a folder of them, or a list.
        image: key of the encoded picture; guessed.
        label: key of the class, a number from 0 on or a name; guessed.  ``False``: none.
        boxes: what stands before ``/bbox/xmin`` (``ymin``, ``xmax``, ``ymax``), fractions of the
            sides, and ``/class/text`` or ``/class/label``; guessed.  ``False``: none.
        class_names: the name of each number; by default the lines of ``label.labels.txt`` beside
            the file, which TensorFlow Datasets writes, else ``"0"``, ``"1"``, ...
        into: the folder of the pictures; by default ``tl_keras/images`` below Keras' home.
        strict: raise instead of leaving a record out.
        progress: show bars on standard error when it takes long.

    Returns:
        The table, in the order of the records.

    Raises:
        InputError: there is no such file or key, no record is sound, a label has no name,
            TensorFlow is missing, or the disk is full.

    Example:
        >>> from_tfrecord("flowers-train.tfrecord")  # doctest: +SKIP
    """
    files = record_files(paths)
    names = None if class_names is None else [str(name) for name in class_names]
    if names is None and isinstance(label or "label", str):
        names = _names_beside(files[0], label or "label")
    broken: list[Skipped] = []
    keys: dict[str, str] = {}

    def items() -> Iterator[Item]:
        for file in files:
            part = part_of_file(file)
            for number, record in enumerate(records(file, broken)):
                where = f"record {number} of {file.name}"
                fields = _fields(record, where)
                if not keys:
                    keys.update(_keys(fields, image, label, boxes, str(file)))
                yield _item(fields, keys, names, where, part)

    return table_of(
        items(), what=str(files[0].parent if len(files) > 1 else files[0]), class_order=names,
        into=into, broken=broken, strict=strict, progress=progress,
    )  # fmt: skip


def _names_beside(file: Path, label: str) -> list[str] | None:
    try:
        text = file.with_name(f"{label}.labels.txt").read_text(encoding="utf-8")
    except (OSError, ValueError):  # none, or of another kind; a key with a slash or a NUL
        return None
    return text.split("\n")[: text.rstrip("\n").count("\n") + 1]


def record_files(paths: str | os.PathLike | Sequence[str | os.PathLike]) -> list[Path]:
    """The files that are meant.

    Args:
        paths: a file, a folder, or a list of files.

    Returns:
        Absolute paths; those of a folder in natural order.

    Raises:
        InputError: one does not exist, or the folder holds none.

    Example:
        >>> record_files("records/")  # doctest: +SKIP
    """
    if not isinstance(paths, (str, os.PathLike)):
        files = [Path(path).expanduser().absolute() for path in paths]
    else:
        given = Path(paths).expanduser().absolute()
        files = [given]
        if given.is_dir():
            found = [entry for entry in given.iterdir() if is_record_name(entry.name)]
            files = sorted(found, key=lambda file: natural_key(file.name))
    if not files:
        raise InputError(f"{paths} holds no TFRecord files (*.tfrecord*); give their folder")
    for file in files:
        if not file.is_file():
            raise InputError(f"{file} does not exist or is no file; give a TFRecord file")
    return files


def is_record_name(name: str) -> bool:
    """Whether a file is called like a TFRecord file.

    Args:
        name: its own name.

    Example:
        >>> is_record_name("flowers-train.tfrecord-00000-of-00002"), is_record_name("a.txt")
        (True, False)
    """
    pattern = r".+\.(tfrecords?|tfrec)(\.gz|-\d+-of-\d+)?|.+-\d+-of-\d+"
    return re.fullmatch(pattern, name.casefold()) is not None


def part_of_file(file: Path) -> str | None:
    """The part of a split in a file's name, if exactly one is.

    Args:
        file: its path.

    Example:
        >>> part_of_file(Path("flowers-validation.tfrecord-00000-of-00002"))
        'val'
    """
    parts = {part_meant(word) for word in re.split(r"[^a-z]+", file.name.casefold())} - {None}
    return parts.pop() if len(parts) == 1 else None


def _fields(record: bytes, where: str) -> dict[str, Any]:
    """The features of an Example: key -> list of bytes, ints or floats."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(record).features.feature
    except DecodeError:
        raise InputError(f"{where} is no tf.train.Example; other records are not read") from None
    kinds = ((key, value, value.WhichOneof("kind")) for key, value in features.items())
    return {key: list(getattr(value, kind).value) for key, value, kind in kinds if kind}


def _keys(
    fields: dict[str, Any],
    image: str | None,
    label: str | bool | None,
    boxes: str | bool | None,
    file: str,
) -> dict[str, str]:
    """What is called how, as asked for or as the first record has it."""
    has = ", ".join(sorted(fields)) or "none"
    for key in (image, label):
        if key and key not in fields:
            raise InputError(f"{file} has no key {key!r}; it has {has}")
    if boxes and f"{boxes}/bbox/xmin" not in fields:
        raise InputError(f"{file} has no key {boxes}/bbox/xmin; it has {has}")
    pictures = [key for key, value in fields.items() if _is_picture(value)]
    usual = [key for key in _IMAGE if key in fields and isinstance(fields[key][0], bytes)]
    image = image or next(iter([*usual, *pictures]), None)
    if image is None:
        raise InputError(
            f"{file} has no key that is known to hold pictures; it has {has}: give image="
        )
    if label is None:
        label = next((key for key in _LABEL if key in fields and key != image), "")
    if boxes is None:
        boxes = next((key for key in _BOXES if f"{key}/bbox/xmin" in fields), "")
    return {"image": image, "label": label or "", "boxes": boxes or ""}


def _is_picture(value: list) -> bool:
    return len(value) == 1 and isinstance(value[0], bytes) and value[0].startswith(_MAGIC)


def _item(
    fields: dict[str, Any], keys: dict[str, str], names: list[str] | None, where: str,
    part: str | None,
) -> Item:  # fmt: skip
    picture = (fields.get(keys["image"]) or [b""])[0]
    labels = fields.get(keys["label"]) or [None]
    if len(labels) > 1:
        raise InputError(f"{where} has {len(labels)} labels under {keys['label']!r}; expected one")
    target = Target(
        label=class_of(labels[0], names, where),
        split=part,
        drawn=_drawn(fields, keys["boxes"], names, where) if keys["boxes"] else None,
    )
    return Item(picture if isinstance(picture, bytes) else None, where, target)


def _drawn(fields: dict[str, Any], prefix: str, names: list[str] | None, where: str) -> Drawn:
    sides = [fields.get(f"{prefix}/bbox/{side}", []) for side in ("xmin", "ymin", "xmax", "ymax")]
    classes = fields.get(f"{prefix}/class/text") or fields.get(f"{prefix}/class/label", [])
    counts = [len(column) for column in (*sides, classes)]
    if len(set(counts)) > 1:
        raise InputError(f"{where}: xmin, ymin, xmax, ymax and class of boxes have {counts} values")
    return Drawn(
        where,
        xyxy=[tuple(map(float, corners)) for corners in zip(*sides, strict=True)],
        names=[class_of(label, names, where) or UNNAMED for label in classes],
        rows=[f"box {number}" for number in range(len(classes))],
        relative=True,
    )
