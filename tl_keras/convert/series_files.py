"""Files of series: UCR/UEA ``.ts`` and ``.tsv``, CSV with a column per channel, ``.npy``."""

import csv
import tokenize
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tl_keras.convert.sources import Source
from tl_keras.convert.ts_format import read_ts
from tl_keras.data.examples import Skipped

# What numpy raises over a damaged header or archive.
_DAMAGED = (
    *(ValueError, EOFError, TypeError, SyntaxError, OverflowError, MemoryError),
    *(tokenize.TokenError, zipfile.BadZipFile),
)

SUFFIXES = {".ts", ".tsv", ".csv", ".npy"}


@dataclass(frozen=True)
class Series:
    """One series as read.

    Attributes:
        values: float64 array (n, C), time first.
        name: of the pictures to be.
        label: its class, or ``None``.
        group: what must not be torn apart.
        split: ``"train"``, ``"val"``, ``"test"`` or ``None``.
        source: the file.
        row: which series of the file, from 1; 0 where the file is one series.

    Example:
        >>> Series(np.zeros((5, 1)), "a", "x", None, None, "a.csv", 0).values.shape
        (5, 1)
    """

    values: np.ndarray
    name: str
    label: str | None
    group: str | None
    split: str | None
    source: str
    row: int


def read_series(source: Source, columns: Sequence[str] | None = None) -> Iterator[Series | Skipped]:
    """Reads all series of a file.

    ``.ts`` (UEA & UCR archive, http://www.timeseriesclassification.com) and ``.tsv`` (UCR archive:
    the class, then the values, a series a line) hold many series; ``_TRAIN`` and ``_TEST`` at the
    end of the name is the part.  ``.csv`` is one series, a line per time and a column per channel,
    with or without a header.  ``.npy`` is one series (n,) or (n, C).

    Args:
        source: the file.
        columns: names in a CSV's header of the channels wanted, in order; ``None``: all.

    Yields:
        Series, and what is unusable with the reason.

    Example:
        >>> list(read_series(Source("no.csv", "no", None, None, None)))[0].reason
        'no such file'
    """
    readers = {".ts": _read_ts, ".tsv": _read_tsv, ".npy": _read_npy}
    suffix = Path(source.path).suffix.lower()
    try:
        if Path(source.path).stat().st_size == 0:
            yield Skipped(source.path, "zero bytes")
        elif suffix in readers:
            yield from readers[suffix](source)
        else:
            yield from _read_csv(source, columns)
    except FileNotFoundError:
        yield Skipped(source.path, "no such file")
    except OSError as error:
        yield Skipped(source.path, error.strerror or str(error))
    except UnicodeDecodeError:
        yield Skipped(source.path, "is not text in UTF-8")


def _split(source: Source) -> str | None:
    stem = source.name.casefold()
    by_name = {"_train": "train", "_test": "test"}
    found = next((part for end, part in by_name.items() if stem.endswith(end)), None)
    return source.split or found


def _read_ts(source: Source) -> Iterator[Series | Skipped]:
    for number, case in enumerate(read_ts(source.path), start=1):
        if isinstance(case, Skipped):
            yield case
            continue
        values, label = case
        name = f"{source.name}_{number:04d}"
        yield Series(
            values, name, source.label if label is None else label, source.group, _split(source),
            source.path, number,
        )  # fmt: skip


def _read_tsv(source: Source) -> Iterator[Series | Skipped]:
    with Path(source.path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            label, *cells = line.rstrip("\n").split("\t")
            try:
                # The archive fills series of unequal length with NaN at their ends.
                values = np.array([float(cell) for cell in cells])
            except ValueError as error:
                yield Skipped(f"{source.path} line {number}", f"not a number: {_word(error)}")
                continue
            finite = np.flatnonzero(np.isfinite(values))
            values = values[: finite[-1] + 1] if len(finite) else values[:0]
            name = f"{source.name}_{number:04d}"
            yield Series(
                values[:, None], name, label.strip(), source.group, _split(source), source.path,
                number,
            )  # fmt: skip


def _read_npy(source: Source) -> Iterator[Series | Skipped]:
    try:
        values = np.load(source.path, allow_pickle=False)
        values = np.asarray(values, np.float64)
    except _DAMAGED as error:
        yield Skipped(source.path, f"no array of numbers: {' '.join(str(error).split())}")
        return
    if values.ndim not in (1, 2):
        yield Skipped(source.path, f"shape {values.shape}; expected (n,) or (n, channels)")
        return
    values = values.reshape(len(values), -1)
    yield _one(source, values)


def _one(source: Source, values: np.ndarray) -> Series:
    return Series(values, source.name, source.label, source.group, source.split, source.path, 0)


def _read_csv(source: Source, columns: Sequence[str] | None) -> Iterator[Series | Skipped]:
    with Path(source.path).open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=first.count)
        rows = [row for row in csv.reader(file, delimiter=delimiter) if any(map(str.strip, row))]
    if not rows:
        yield Skipped(source.path, "holds no rows")
        return
    header = None if all(map(_is_number, rows[0])) else [cell.strip() for cell in rows.pop(0)]
    names = header or [str(k) for k in range(len(rows[0]))]
    unknown = [name for name in columns or () if name not in names]
    if unknown:
        yield Skipped(source.path, f"has no column {unknown[0]!r}; it has {', '.join(names)}")
        return
    chosen = [names.index(name) for name in columns] if columns else range(len(names))
    values = np.empty((len(rows), len(chosen)))
    for number, row in enumerate(rows):
        line = number + 1 + (header is not None)
        if len(row) != len(names):
            yield Skipped(source.path, f"row {line} has {len(row)} columns, not {len(names)}")
            return
        for place, column in enumerate(chosen):
            # An empty cell is a missing value, which is told apart from text further on.
            cell = row[column].strip() or "nan"
            if not _is_number(cell):
                yield Skipped(
                    source.path,
                    f"column {names[column]!r} is not a number in row {line} ({cell!r}); name the "
                    "channels with columns (--columns)",
                )
                return
            values[number, place] = float(cell)
    yield _one(source, values)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _word(error: ValueError) -> str:
    return str(error).rpartition(": ")[2]
