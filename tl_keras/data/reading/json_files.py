"""Strangers' JSON."""

import json
import os
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError


def read_json(path: str | os.PathLike, what: str) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Args:
        path: the file.
        what: what it should hold, for messages.

    Returns:
        The object.

    Raises:
        InputError: missing, empty, damaged, nested without end, or something else than an object.

    Example:
        >>> read_json("no/such.json", "COCO annotations")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: cannot read no/such.json: no such file; give a JSON file of \
COCO annotations
    """
    file = Path(os.path.expanduser(os.fspath(path)))  # noqa: PTH111
    try:
        if not file.is_file():
            reason = "not a file" if file.exists() else "no such file"
            raise InputError(f"cannot read {path}: {reason}; give a JSON file of {what}")
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a readable file") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{path} is no sound JSON ({reason}); write or fetch it anew") from None
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise InputError(f"{path} holds a {kind} at the top; expected an object of {what}")
    return found
