"""The table of examples as a CSV file that people and ``from_csv`` read."""

import csv
import io
import json
import os
import secrets
from pathlib import Path

import numpy as np

from tl_keras.data.examples import Examples
from tl_keras.data.naming import natural_key
from tl_keras.data.reading.box_cells import boxes_to_cell
from tl_keras.data.reading.mask_cells import mask_to_cell
from tl_keras.data.reading.usual_names import CLASSES, EXTRA, TAG, is_usual
from tl_keras.errors import InputError

_TAG_CELL = {1: "1", 0: "0", -1: ""}


def to_csv(examples: Examples, path: str | os.PathLike) -> Path:
    """Writes every column of the table as CSV (or, named ``.tsv``, with tabs): UTF-8, a header.

    Columns: ``path`` (relative to the table's folder where it lies below), ``label``, ``split``,
    ``group``, ``digest``, ``tag:NAME`` (1, 0, empty), ``boxes`` and ``masks`` (JSON), further
    columns under their own names (``extra:NAME`` where those mean something else), and, where the
    classes are not simply those that occur in natural order, ``classes:[...]``, an empty column
    whose name lists them.  What was left out when reading (``skipped``) is not written.

    Args:
        examples: the table.
        path: the file to write; an older one is replaced in one step.

    Returns:
        The file.

    Raises:
        InputError: it cannot be written, or a mask lies in no file.

    Example:
        >>> to_csv(from_folder("photos/"), "photos.csv")  # doctest: +SKIP
        PosixPath('photos.csv')
    """
    target = Path(path)
    base = Path(os.path.abspath(target)).parent  # noqa: PTH100 (links stay)

    def shorten(file: str) -> str:
        return file[len(prefix) :] if file.startswith(prefix) else file

    prefix = str(base) + os.sep
    names = examples.class_names
    columns: dict[str, list[str]] = {
        "path": [shorten(file) for file in examples.paths],
        "label": [names[label] if label >= 0 else "" for label in examples.labels.tolist()],
        "split": [split or "" for split in examples.splits],
    }
    if examples.groups is not None:
        columns["group"] = [group or "" for group in examples.groups]
    columns["digest"] = list(examples.digests)
    if examples.tags is not None:
        for name, column in zip(examples.tag_names, examples.tags.T, strict=True):
            columns[TAG + name] = [_TAG_CELL[value] for value in column.tolist()]
    if examples.boxes is not None:
        columns["boxes"] = [boxes_to_cell(boxes, names) for boxes in examples.boxes]
    if examples.masks is not None:
        columns["masks"] = [
            mask_to_cell(mask, names, shorten) if mask else "" for mask in examples.masks
        ]
    for name, cells in examples.extra.items():
        columns[EXTRA + name if is_usual(name) or not name.strip() else name] = list(cells)
    if examples.masks is not None or names != _natural(examples):
        columns[CLASSES + json.dumps(names, ensure_ascii=False)] = [""] * len(examples)
    _write(target, columns)
    return target


def _natural(examples: Examples) -> tuple[str, ...]:
    """The classes that ``from_csv`` would find in the labels and boxes."""
    labels = [examples.labels, *(boxes.classes for boxes in examples.boxes or ())]
    found = np.unique(np.concatenate(labels))
    names = (examples.class_names[label] for label in found.tolist() if label >= 0)
    return tuple(sorted(names, key=natural_key))


def _write(target: Path, columns: dict[str, list[str]]) -> None:
    written = io.StringIO(newline="")
    tabs = target.suffix.lower() in (".tsv", ".tab")
    # Quoted throughout where readers might pass over a blank, take a name for the delimiter, or
    # break a line at a carriage return.
    texts = [*columns, *(cell for cells in columns.values() for cell in cells)]
    odd = any(text != text.strip() or "\r" in text for text in texts)
    odd |= any(mark in name for name in columns for mark in ";|\t")
    writer = csv.writer(
        written,
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL,
        lineterminator="\n",
    )
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    scratch = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        scratch.write_bytes(written.getvalue().encode("utf-8", "surrogateescape"))
        os.replace(scratch, target)  # noqa: PTH105 (over an older one, in one step)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise InputError(
            f"cannot write {target}: {error.strerror}; name a file in a folder you may write to"
        ) from None
