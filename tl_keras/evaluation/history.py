"""The training history as a table: one row an epoch, over all stages."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_FIRST_COLUMNS = (
    "epoch",
    "stage",
    "loss",
    "accuracy",
    "val_loss",
    "val_accuracy",
    "learning_rate",
    "seconds",
)


def write_history_csv(history: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> Path:
    """Writes the training history as CSV (UTF-8, header line, full precision).

    Args:
        history: One mapping an epoch, such as ``{"epoch": 1, "stage": "head", "loss": 1.2,
            "val_accuracy": 0.7, "learning_rate": 1e-3, "seconds": 4.1}``.  Further keys follow
            the usual columns in the order of their first appearance; a missing value is an empty
            cell.
        path: File to write.

    Returns:
        The path.

    Example:
        >>> path = write_history_csv([{"epoch": 1, "loss": 0.5}], "/tmp/history.csv")
        >>> path.read_text()
        'epoch,loss\\n1,0.5\\n'
    """
    seen = dict.fromkeys(key for row in history for key in row)
    first = [name for name in _FIRST_COLUMNS if name in seen]
    columns = [*first, *(name for name in seen if name not in _FIRST_COLUMNS)]
    target = Path(path)
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    return target
