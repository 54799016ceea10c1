"""Metadata by column, in files that are mapped into memory, and filters on them."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.retrieval.array_files import Texts, open_array, save_array
from tl_keras.retrieval.filters import OPERATORS, Condition, kind_of

_LISTED = 4096
"""A column of at most so many different values keeps them once, and a number for each row."""
_EXACT = 2**53  # whole numbers up to here are float64 without loss


def write_columns(folder: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes columns of JSON values.

    Args:
        folder: Exists.
        columns: From names to a value for each row, None for no value.

    Example:
        >>> write_columns(Path("."), {"price": [20, None]})  # doctest: +SKIP
    """
    described = []
    for number, (name, values) in enumerate(columns.items()):
        written = _write(folder, f"column{number}", values)
        described.append({"name": name, "file": f"column{number}", **written})
    with (folder / "columns.json").open("w", encoding="utf-8") as stream:
        json.dump(described, stream)
        stream.flush()
        os.fsync(stream.fileno())


def _write(folder: Path, file: str, values: Sequence[Any]) -> dict[str, Any]:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and all(
        value is None or abs(value) <= _EXACT for value in values if type(value) is not float
    ):
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        save_array(folder / f"{file}.npy", numbers)
        return {"kind": "numbers", "whole": kinds == {int}}
    listed: dict[Any, int] = {}
    codes = []
    for value in values:
        key = value if type(value) is str else (json.dumps(value),)
        codes.append(-1 if value is None else listed.setdefault(key, len(listed)))
        if len(listed) > _LISTED:
            Texts.write(folder, file, ["" if one is None else json.dumps(one) for one in values])
            return {"kind": "texts"}
    save_array(folder / f"{file}.npy", np.array(codes, np.int32))
    decoded = [key if isinstance(key, str) else json.loads(key[0]) for key in listed]
    return {"kind": "listed", "values": decoded}


def open_columns(folder: Path) -> dict[str, "Column"]:
    """Opens what :func:`write_columns` wrote.

    Example:
        >>> open_columns(Path("."))["price"][0]  # doctest: +SKIP
        20
    """
    described = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
    kinds = {"numbers": Numbers, "listed": Listed, "texts": LongTexts}
    return {one["name"]: kinds[one["kind"]](folder, one) for one in described}


class Numbers:
    """A column of numbers: float64, NaN for no value."""

    def __init__(self, folder: Path, described: dict[str, Any]):
        self._numbers = open_array(folder / f"{described['file']}.npy")
        self._python = int if described["whole"] else float

    def __getitem__(self, row: int) -> Any:
        number = self._numbers[row]
        return None if np.isnan(number) else self._python(number)

    def all(self) -> list[Any]:
        """The value of every row."""
        return [None if one != one else self._python(one) for one in self._numbers.tolist()]

    def mask(self, condition: Condition) -> np.ndarray:
        """Which rows satisfy the condition, bool (N,)."""
        if condition.allowed is not None:
            wanted = [one for one in condition.allowed if kind_of(one) == "number"]
            found = np.zeros(len(self._numbers), bool)
            for one in wanted:
                found |= self._numbers == one
            return found
        if any(kind_of(limit) != "number" for _, limit in condition.bounds):
            return np.zeros(len(self._numbers), bool)
        checks = [OPERATORS[sign](self._numbers, limit) for sign, limit in condition.bounds]
        return np.logical_and.reduce(checks)


class Listed:
    """A column of few different values: a code for each row, -1 for no value."""

    def __init__(self, folder: Path, described: dict[str, Any]):
        self._codes = open_array(folder / f"{described['file']}.npy")
        self._values = described["values"]

    def __getitem__(self, row: int) -> Any:
        code = int(self._codes[row])
        return None if code < 0 else self._values[code]

    def all(self) -> list[Any]:
        """The value of every row."""
        return [None if code < 0 else self._values[code] for code in self._codes.tolist()]

    def mask(self, condition: Condition) -> np.ndarray:
        """Which rows satisfy the condition, bool (N,)."""
        # The last entry is that of code -1.
        matching = np.array([*(condition.matches(value) for value in self._values), False])
        return matching[self._codes]


class LongTexts:
    """A column of many different values, each as JSON.  A filter reads them one by one."""

    def __init__(self, folder: Path, described: dict[str, Any]):
        self._texts = Texts(folder, described["file"])

    def __getitem__(self, row: int) -> Any:
        text = self._texts[row]
        return json.loads(text) if text else None

    def all(self) -> list[Any]:
        """The value of every row."""
        return [json.loads(text) if text else None for text in self._texts.all()]

    def mask(self, condition: Condition) -> np.ndarray:
        """Which rows satisfy the condition, bool (N,)."""
        return np.fromiter(map(condition.matches, self.all()), bool, len(self._texts))


Column = Numbers | Listed | LongTexts
