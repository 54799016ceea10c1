"""The ``.ts`` text format of the UEA & UCR time series archives.

Header lines begin with ``@``, comments with ``#``; after ``@data`` a line is a case: channels
divided by ``:``, values by ``,``, the class last.  A missing value is ``?``.
https://www.sktime.net/en/stable/api_reference/file_specifications/ts.html
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tl_keras.data.examples import Skipped


def read_ts(path: str) -> Iterator[tuple[np.ndarray, str | None] | Skipped]:
    """Reads the cases of a ``.ts`` file.

    Args:
        path: the file.

    Yields:
        float64 values (n, C), NaN where missing, with the class, or ``None`` if the set has none;
        or what is unusable, and why.

    Raises:
        OSError: the file cannot be opened.
        UnicodeDecodeError: it is not text.

    Example:
        >>> for values, label in read_ts("GunPoint_TRAIN.ts"): ...  # doctest: +SKIP
    """
    labelled, header = False, True
    with Path(path).open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if header:
                key, _, value = line.lower().partition(" ")
                if key == "@data":
                    header = False
                elif key == "@classlabel":
                    labelled = value.split()[:1] == ["true"]
                elif key == "@timestamps" and value.strip() == "true":
                    yield Skipped(path, "holds time stamps; give values at even distances only")
                    return
                elif not key.startswith("@"):
                    yield Skipped(path, f"line {number} stands before @data, but is no header line")
                    return
                continue
            try:
                yield _case(line, labelled)
            except ValueError as error:
                yield Skipped(f"{path} line {number}", str(error))
    if header:
        yield Skipped(path, "holds no @data line: it is no .ts file, or is cut off")


def _case(line: str, labelled: bool) -> tuple[np.ndarray, str | None]:
    channels = line.split(":")
    label = channels.pop().strip() if labelled else None
    if not channels or label == "" or (label and "," in label):
        raise ValueError("has no class at its end, which the header promises; cut off?")
    values = []
    for place, text in enumerate(channels, start=1):
        cells = [cell.strip() for cell in text.split(",")]
        try:
            values.append([np.nan if cell == "?" else float(cell) for cell in cells])
        except ValueError as error:
            word = str(error).rpartition(": ")[2]
            raise ValueError(f"channel {place} holds {word}, which is not a number") from None
    lengths = sorted({len(channel) for channel in values})
    if len(lengths) > 1:
        raise ValueError(f"its channels have {lengths[0]} to {lengths[-1]} values; expected equal")
    return np.array(values, np.float64).T, label
