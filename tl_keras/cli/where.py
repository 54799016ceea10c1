"""``--where gender=women price<30``: filters on the columns of an index."""

import argparse
import math
import re
from collections.abc import Sequence
from typing import Any

from tl_keras.errors import InputError

_CONDITION = re.compile(r"(?P<name>[^=<>]+)(?P<sign><=|>=|<|>|=)(?P<value>.*)", re.DOTALL)


def add_where(parser: argparse.ArgumentParser) -> None:
    """``--where``."""
    parser.add_argument(
        "--where",
        nargs="+",
        metavar="COLUMN=VALUE",
        default=[],
        help="only items with these columns, all of them: gender=women, size=S,M (one of these), "
        '"price<30", "price>=10" (the quotes keep the shell from reading them)',
    )


def read_where(given: Sequence[str]) -> dict[str, Any] | None:
    """A filter from words.

    A number stands for itself and, behind ``=``, for the same as text.

    Args:
        given: Words such as ``gender=women``, ``size=S,M``, ``price<30``.

    Returns:
        What :func:`tl_keras.retrieval.filters.conditions` takes; None for no words.

    Raises:
        InputError: A word is no condition, or a column has two that cannot be had together.

    Example:
        >>> read_where(["price>=10", "price<30", "gender=women"])
        {'price': {'>=': 10.0, '<': 30.0}, 'gender': ['women']}
    """
    where: dict[str, Any] = {}
    for word in given:
        found = _CONDITION.fullmatch(word)
        if not found or not found["value"].strip() or not found["name"].strip():
            raise InputError(
                f"--where {word!r} is no condition; write COLUMN=VALUE, COLUMN=ONE,OTHER, or a "
                "limit in quotes: 'COLUMN<VALUE'"
            )
        name, sign, value = (found[part].strip() for part in ("name", "sign", "value"))
        if sign == "=":
            condition: Any = [meant for text in value.split(",") for meant in _meanings(text)]
        else:
            condition = {sign: _meanings(value)[0]}
        before = where.get(name)
        if isinstance(before, dict) and isinstance(condition, dict) and sign not in before:
            condition = before | condition
        elif before is not None:
            raise InputError(
                f"--where has {name!r} twice; write {name}=ONE,OTHER for either of them"
            )
        where[name] = condition
    return where or None


def _meanings(text: str) -> list[Any]:
    """What a text may stand for; a number first."""
    text = text.strip()
    if text.lower() in ("true", "false"):
        return [text.lower() == "true", text]
    try:
        number = float(text)
    except ValueError:
        return [text]
    return [number, text] if math.isfinite(number) else [text]
