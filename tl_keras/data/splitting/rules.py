"""Which way of splitting: ``by`` from what the data bring, for two sides and for k folds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.splitting.by_class import check_fraction, stratified
from tl_keras.data.splitting.by_time import in_time_order
from tl_keras.data.splitting.content import Content, content_of
from tl_keras.data.splitting.dealing import MOST_EVENED, deal, even_out
from tl_keras.data.splitting.seeds import check_seed
from tl_keras.data.splitting.units import Positions, units_of
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

#: Ways of splitting; the last is followed by the name of a column.
BY = ("auto", "stratified", "group", "tags", "time:COLUMN")
Sides = tuple[Positions, Positions]


def rule_of(examples: "Examples", by: str) -> tuple[str, str]:
    """The way of splitting, and the column where it is by time.

    Args:
        examples: the table.
        by: one of :data:`BY`.  ``"auto"``: ``"group"`` where there are groups, else ``"tags"``
            where there are tags, else ``"stratified"``.

    Raises:
        InputError: there is no such way, or the data bring no groups or tags to go by.

    Example:
        >>> from tl_keras.data import Examples
        >>> table = Examples(("a",), np.zeros(1), ("x",), ("1",), (None,))
        >>> rule_of(table, "auto"), rule_of(table, "time:taken")
        (('stratified', ''), ('time', 'taken'))
    """
    grouped = examples.groups is not None and any(group is not None for group in examples.groups)
    if by == "auto":
        by = "group" if grouped else "stratified" if examples.tags is None else "tags"
    name, _, column = by.partition(":") if isinstance(by, str) else (by, "", "")
    if name not in ("stratified", "group", "tags", "time") or (name == "time") != bool(column):
        raise InputError(f"by={by!r} is no way to split; give one of {', '.join(BY)}")
    if name == "group" and not grouped:
        raise InputError(
            f"{examples.root or 'the data'} brings no groups to split by; give by='stratified', or "
            "read the data with its group column"
        )
    if name == "tags" and examples.tags is None:
        raise InputError(
            f"{examples.root or 'the data'} brings no tags to split by; give by='stratified'"
        )
    return name, column


def split_positions(
    examples: "Examples",
    fraction: float,
    seed: int,
    by: str = "auto",
    together: Sequence[Sequence[int]] = (),
    singles: bool = False,
) -> Sides:
    """Splits in two; see :meth:`tl_keras.data.Examples.split`.

    Args:
        examples: the table.
        fraction: share of the second side, between 0 and 1.
        seed: a whole number from 0 on.
        by: one of :data:`BY`.
        together: lists of positions that belong together beside copies, such as near duplicates.
        singles: as of :func:`stratified`; other ways allow classes on one side only.

    Returns:
        ``(train, val)``: ascending positions, disjoint, together all of them.

    Raises:
        InputError: a class cannot stand on both sides, or an argument is unusable.
    """
    check_fraction(fraction)
    check_seed(seed)
    name, column = rule_of(examples, by)
    units = units_of(examples, seed, together=together, grouped=name == "group")
    shares = (1 - fraction, fraction)
    if name == "time":
        train, val = in_time_order(examples, column, units, shares)
        _check_trained(examples, train, f"before the newest {len(val)}")
        return train, val
    one_class = all(len(set(examples.labels[unit].tolist())) == 1 for unit in units)
    if name == "stratified" and one_class and (examples.labels >= 0).all():
        return stratified(examples, fraction, seed, units, singles)
    if len(units) < 2:
        raise InputError(
            f"{len(examples)} images make {len(units)} {_KIND[name]}, which cannot stand on both "
            "sides of a split; add images"
        )
    # Where classes may stand on one side, sides are even in images alone.
    dealt = replace(examples, labels=np.full(len(examples), -1)) if singles else examples
    content = content_of(dealt, units, tags=name == "tags")
    if not singles:
        _check_spread(examples, content, 2, name, "stand on both sides of a split")
    train, val = _dealt(content, units, shares, even=True)
    for side, where in ((train, "trained on"), (val, "validated on")):
        absent = _absent(examples, side)
        if absent and content.classes and not singles:
            raise InputError(
                f"the {_KIND[name]} of class {absent[0]!r} hang together with others so that none "
                f"can be {where} without losing another class; add images of it, or give "
                "by='stratified'"
            )
    return train, val


def fold_positions(
    examples: "Examples",
    k: int,
    seed: int,
    repeats: int = 1,
    by: str = "auto",
    together: Sequence[Sequence[int]] = (),
) -> list[Sides]:
    """Splits k times, repeatedly; see :meth:`tl_keras.data.Examples.folds`.

    Args:
        examples: the table.
        k: folds, 2 or more.
        seed: a whole number from 0 on.
        repeats: how often everything is dealt anew.
        by: one of :data:`BY`.
        together: lists of positions that belong together beside copies.

    Returns:
        k · repeats times ``(train, val)``, ascending positions.

    Raises:
        InputError: a class has too few images or groups, or an argument is unusable.
    """
    for value, least, said in ((k, 2, "folds"), (repeats, 1, "repeats")):
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or value < least:
            raise InputError(f"{said} {value!r} is not a whole number from {least} on")
    check_seed(seed)
    name, column = rule_of(examples, by)
    if name == "time":
        return _forward(examples, k, seed, repeats, column, together)
    found: list[Sides] = []
    for repeat in range(repeats):
        units = units_of(examples, seed, together=together, grouped=name == "group", repeat=repeat)
        if len(units) < k:
            raise InputError(
                f"{len(units)} {_KIND[name]} cannot make {k} folds; give {len(units)} folds or "
                "fewer, or add data"
            )
        content = content_of(examples, units, tags=name == "tags")
        least = k if name == "stratified" else 2
        _check_spread(examples, content, least, name, f"stand in each of {k} folds")
        # Single images of one class each are dealt as evenly as can be already.
        plain = name == "stratified" and bool((content.sizes == 1).all()) and content.classes > 0
        parts = _dealt(content, units, [1 / k] * k, even=not plain)
        for val in parts:
            inside = set(val)
            train = [i for i in range(len(examples)) if i not in inside]
            _check_trained(examples, train, "outside one fold; give fewer folds")
            found.append((train, val))
    return found


_KIND = {"stratified": "distinct images", "group": "groups", "tags": "distinct images"}


def _dealt(
    content: Content, units: Sequence[Positions], shares: Sequence[float], even: bool
) -> list[Positions]:
    part_of = deal(content, shares)
    if even and len(units) <= MOST_EVENED:
        part_of = even_out(content, part_of, shares)
    return [
        sorted(i for unit, own in zip(units, part_of, strict=True) if own == part for i in unit)
        for part in range(len(shares))
    ]


def _forward(
    examples: "Examples", k: int, seed: int, repeats: int, column: str,
    together: Sequence[Sequence[int]],
) -> list[Sides]:  # fmt: skip
    """Fold i is trained on the first i of k + 1 parts and validated on the next."""
    if repeats > 1:
        raise InputError(
            "folds by time follow from the times alone, so that repeats would be the same again; "
            "leave repeats at 1"
        )
    units = units_of(examples, seed, together=together)
    parts = in_time_order(examples, column, units, [1 / (k + 1)] * (k + 1))
    found = []
    for number in range(1, k + 1):
        train = sorted(i for part in parts[:number] for i in part)
        _check_trained(examples, train, f"in the oldest {len(train)}; give fewer folds")
        found.append((train, parts[number]))
    return found


def _absent(examples: "Examples", side: Positions) -> list[str]:
    labels = examples.labels[side]
    found = np.bincount(labels[labels >= 0], minlength=len(examples.class_names))
    return [name for name, count in zip(examples.class_names, found, strict=True) if not count]


def _check_trained(examples: "Examples", train: Positions, where: str) -> None:
    absent = _absent(examples, train) if (examples.labels >= 0).any() else []
    if absent:
        raise InputError(
            f"class {absent[0]!r} has no image to train on {where}, or leave the class out"
        )


def _check_spread(examples: "Examples", content: Content, least: int, name: str, what: str) -> None:
    """Every class lies in so many units at least."""
    for column, class_name in enumerate(examples.class_names[: content.classes]):
        found = sum(column in unit for unit in content.units)
        if found < least:
            kind = _KIND[name] if found != 1 else _KIND[name].removesuffix("s")
            raise InputError(
                f"class {class_name!r} has {found or 'no'} {kind}, which cannot {what}; add "
                "images or remove the class"
            )
