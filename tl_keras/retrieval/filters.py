"""Filters on metadata: equality, one of several, ranges.  One meaning for every store."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tl_keras.errors import InputError

OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Condition:
    """What one column must satisfy.

    Attributes:
        name: Of the column.
        allowed: The values it may have, or None where ``bounds`` say it.
        bounds: Pairs of an operator of ``OPERATORS`` and a limit, all to be kept.
    """

    name: str
    allowed: tuple[Any, ...] | None
    bounds: tuple[tuple[str, Any], ...] = ()

    def matches(self, value: Any) -> bool:
        """Whether a value satisfies it; no value never does.

        Numbers compare with numbers, text with text (by code point), truth values with truth
        values; anything else does not match.

        Example:
            >>> Condition("price", None, ((">=", 10), ("<", 20))).matches(10)
            True
            >>> Condition("new", (1,)).matches(True)
            False
        """
        kind = kind_of(value)
        if kind is None:
            return False
        if self.allowed is not None:
            return any(kind_of(one) == kind and one == value for one in self.allowed)
        return all(
            kind_of(limit) == kind and OPERATORS[sign](value, limit) for sign, limit in self.bounds
        )


def kind_of(value: Any) -> str | None:
    """Which values compare with which: "truth", "number", "text", None for all other.

    Example:
        >>> kind_of(True), kind_of(1.5), kind_of([1])
        ('truth', 'number', None)
    """
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None


def conditions(where: Mapping[str, Any] | None) -> tuple[Condition, ...]:
    """Reads a filter.

    Args:
        where: From column names to a value (equal to it), a list (equal to one of them) or a
            dictionary of limits with the keys ``<``, ``<=``, ``>``, ``>=``.  An item must satisfy
            all columns.

    Returns:
        The conditions; none lets everything through.

    Raises:
        InputError: Something else.

    Example:
        >>> [one.name for one in conditions({"gender": ["women", "all"], "price": {"<": 30}})]
        ['gender', 'price']
    """
    if where is None:
        return ()
    if not isinstance(where, Mapping):
        raise InputError(f"where: expected a dictionary of columns, got {where!r}")
    return tuple(_condition(name, wanted) for name, wanted in where.items())


def _condition(name: str, wanted: Any) -> Condition:
    if isinstance(wanted, Mapping):
        if not wanted or not set(wanted) <= set(OPERATORS):
            raise InputError(
                f"where {name!r}: limits {dict(wanted)!r} not understood; "
                f"known are {', '.join(OPERATORS)}"
            )
        bounds = tuple((sign, _value(name, limit)) for sign, limit in wanted.items())
        if any(kind_of(limit) == "truth" for _, limit in bounds):
            raise InputError(f"where {name!r}: limits are numbers or text, got {dict(wanted)!r}")
        return Condition(name, None, bounds)
    values = wanted if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
    return Condition(name, tuple(_value(name, value) for value in values))


def _value(name: str, value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if kind_of(value) is None or value != value:
        raise InputError(
            f"where {name!r}: cannot compare with {value!r}; expected a number, text, true or "
            "false, a list of these, or limits such as {'<': 30}"
        )
    return value
