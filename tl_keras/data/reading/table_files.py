"""Tables on a disk, CSV, TSV or Parquet, to columns of text."""

import csv
import io
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from tl_keras.data.examples import Skipped
from tl_keras.errors import InputError

_DELIMITERS = (",", ";", "\t", "|")
_PARQUET = (".parquet", ".pq")
# A cell may hold the polygons of a whole street; the csv module's own bound is 128 KiB.
_LONGEST_CELL = 2**30
# Characters to look for delimiters in; a header of ten thousand tags is shorter.
_LONGEST_HEADER = 2**20


class Table(NamedTuple):
    """A table as it lies in its file, all cells text.

    Attributes:
        path: the file, absolute.
        columns: name -> cells, in the file's order.
        numbers: the number of each row, counted from the header, which is row 1.
        skipped: rows that were left out.

    Example:
        >>> Table("a.csv", {"path": ["1.jpg"]}, [2], []).columns["path"]
        ['1.jpg']
    """

    path: str
    columns: dict[str, list[str]]
    numbers: list[int]
    skipped: list[Skipped]

    def __len__(self) -> int:
        return len(self.numbers)


def read_table(path: str | os.PathLike) -> Table:
    """Reads a table: Parquet by its ending, else text with a header in the first line.

    Text is UTF-8 (or UTF-16 with its mark); the delimiter is the one of comma, semicolon, tab and
    bar that the header has most of.  File names that are no UTF-8 are kept as they are.

    Args:
        path: the file.

    Returns:
        The columns; rows of another number of cells than the header are in ``skipped``.

    Raises:
        InputError: missing, empty, no table, another encoding, or, for Parquet, without pyarrow.

    Example:
        >>> read_table("no/such.csv")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: cannot read no/such.csv: no such file; give a CSV, TSV or \
Parquet table
    """
    given = os.fspath(path)
    file = Path(os.path.abspath(os.path.expanduser(given)))  # noqa: PTH100, PTH111 (links stay)
    if not file.is_file():
        what = "no such file" if not file.exists() else "not a file"
        raise InputError(f"cannot read {given}: {what}; give a CSV, TSV or Parquet table")
    if file.suffix.lower() in _PARQUET:
        table = _parquet(file, given)
    else:
        table = _text(file, given)
    if not table.numbers:
        why = f" ({table.skipped[0].reason})" if table.skipped else ""
        raise InputError(f"{given} has a header but no rows{why}; add a row per image")
    return table


def _text(file: Path, given: str) -> Table:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {given}: {error.strerror}; give a readable table") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    else:
        text = data.decode("utf-8-sig", "surrogateescape")
    if "\0" in text:
        raise InputError(f"{given} is no table but binary data; give a CSV, TSV or Parquet table")
    header = re.sub(r'"[^"]*"', "", text.lstrip("\r\n")[:_LONGEST_HEADER]).split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    lines = io.StringIO(text, newline="")
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise InputError(f"{given} is no table ({error}); save it as CSV anew") from None
    finally:
        csv.field_size_limit(limit)
    return _columns(rows, str(file), given)


def _columns(rows: list[list[str]], path: str, given: str) -> Table:
    numbered = [(number, row) for number, row in enumerate(rows, 1) if any(map(str.strip, row))]
    if not numbered:
        raise InputError(f"{given} is empty; give a table with a header and a row per image")
    (_, header), *body = numbered
    names = [name if name.strip() else f"column {i}" for i, name in enumerate(header, 1)]
    _check_names(names, given)
    skipped, sound, numbers = [], [], []
    for number, row in body:
        if len(row) != len(names):
            reason = f"row {number}: {len(row)} cells, the header has {len(names)}"
            skipped.append(Skipped(path, reason))
        else:
            sound.append(row)
            numbers.append(number)
    cells = zip(*sound, strict=True) if sound else [()] * len(names)
    columns = {name: list(column) for name, column in zip(names, cells, strict=True)}
    return Table(path, columns, numbers, skipped)


def _check_names(names: list[str], given: str) -> None:
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(f"{given} has two columns {shown(twice)}; rename one of them")
    if any("\udc80" <= letter <= "\udcff" for name in names for letter in name):
        raise InputError(f"the header of {given} is not UTF-8; save the table as UTF-8")


def shown(text: str, longest: int = 40) -> str:
    """A text of a stranger's as it may stand in a message: quoted, in one line, shortened.

    Args:
        text: the text.
        longest: characters to show at most.

    Returns:
        A printable text.

    Example:
        >>> shown("a\\nb")
        "'a\\\\nb'"
    """
    return repr(text) if len(text) <= longest else repr(text[:longest]) + "..."


def _parquet(file: Path, given: str) -> Table:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise InputError(
            f"reading {given} needs pyarrow; pip install pyarrow, or save the table as CSV"
        ) from None
    try:
        found = parquet.read_table(file)
    except (ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{given} is no sound Parquet file ({reason}); write it anew") from None
    _check_names(found.column_names, given)
    columns = {name: [_cell(v) for v in found[name].to_pylist()] for name in found.column_names}
    return Table(str(file), columns, list(range(2, found.num_rows + 2)), [])


def _cell(value: Any) -> str:
    if value is None or value != value:  # not a number: an empty cell of pandas
        return ""
    if isinstance(value, (list, tuple, dict)):
        import json

        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # pandas turns whole numbers beside empty cells into floats
    return str(value)
