"""So many images of each class, and what remains of the table to measure on."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.splitting.seeds import check_seed
from tl_keras.data.splitting.units import Positions, units_of
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def shot_positions(
    examples: "Examples", shots: int, seed: int, *, repeat: int = 0, leave: bool = True
) -> tuple[Positions, Positions]:
    """Draws so many images of each class.

    Which they are follows from the bytes of the files and the seed.  No image is drawn twice, not
    as a copy either, and of groups as many as can be are drawn from.  Copies of what is drawn, and
    the rest of its group, are on no side.

    Args:
        examples: the table; every row has a label.
        shots: images of each class, 1 or more.
        seed: a whole number from 0 on.
        repeat: which draw of this seed.
        leave: whether something of each class must remain.

    Returns:
        Ascending positions of what is drawn, and of what remains.

    Raises:
        InputError: a class has too few distinct images, or an argument is out of range.

    Example:
        >>> from tl_keras.data import Examples
        >>> table = Examples(tuple("abcd"), np.array([0, 0, 1, 1]), ("x", "y"),
        ...                  ("1", "2", "3", "4"), (None,) * 4)
        >>> drawn, rest = shot_positions(table, 1, seed=0)
        >>> table.labels[drawn].tolist(), table.labels[rest].tolist()
        ([0, 1], [0, 1])
    """
    check_seed(seed)
    whole = isinstance(shots, int | np.integer) and not isinstance(shots, bool)
    if not whole or shots < 1:
        raise InputError(f"shots={shots!r}: give a number of images of each class, 1 or more")
    labels = np.asarray(examples.labels)
    if (labels < 0).any():
        raise InputError(
            f"{int((labels < 0).sum())} of {len(labels)} images have no class to draw them by; "
            "name their classes, or leave them out"
        )
    units = units_of(examples, seed, grouped=examples.groups is not None, repeat=repeat)
    of_class: dict[int, list[Positions]] = defaultdict(list)
    for unit in units:
        for label, positions in _distinct(examples, unit).items():
            of_class[label].append(positions)
    drawn: list[int] = []
    for label, name in enumerate(examples.class_names):
        having = of_class[label]
        # The last unit stays, so that there is something to measure on.
        found = list(_in_turn(having[:-1] if leave else having))[:shots]
        if len(found) < shots:
            what = "image" if examples.groups is None else "image of a group"
            raise InputError(
                f"class {name!r} of {examples.root or 'the data'} has {sum(map(len, having))} "
                f"distinct images, {len(found)} that can be drawn"
                + (f" with one {what} left to measure on" if leave else "")
                + f"; give fewer than {shots} shots, or add images"
            )
        drawn += found
    spent = set(drawn)
    rest = [i for unit in units if not spent.intersection(unit) for i in unit]
    remaining = set(labels[rest].tolist())
    lacking = [name for label, name in enumerate(examples.class_names) if label not in remaining]
    if leave and lacking:
        raise InputError(
            f"nothing of class {lacking[0]!r} remains to measure on, for its groups were drawn for "
            "other classes; give fewer shots, or a validation part"
        )
    return sorted(drawn), sorted(rest)


def _distinct(examples: "Examples", unit: Positions) -> dict[int, Positions]:
    """Label -> positions of a unit that have it, one of each content."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for position in unit:
        found[int(examples.labels[position])].setdefault(examples.digests[position], position)
    return {label: list(positions.values()) for label, positions in found.items()}


def _in_turn(units: Sequence[Positions]) -> Iterator[int]:
    """The first of every unit, then the second of those that have one, and so on."""
    for place in range(max(map(len, units), default=0)):
        yield from (unit[place] for unit in units if place < len(unit))
