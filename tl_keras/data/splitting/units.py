"""What no split may tear apart: copies of a file, groups, and near duplicates told of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tl_keras.data.splitting.seeds import rank
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

Positions = list[int]


def units_of(
    examples: "Examples",
    seed: int,
    *,
    together: Sequence[Sequence[int]] = (),
    grouped: bool = False,
    repeat: int = 0,
) -> list[Positions]:
    """Finds the units of a table: the finest parts that share no content.

    Byte-identical files lie in one unit, and so do the positions of each list in ``together`` and,
    where asked for, the examples of one group; what overlaps becomes one unit.

    Args:
        examples: the table.
        seed: of the order.
        together: lists of positions that belong together, such as near duplicates.
        grouped: whether ``examples.groups`` count.
        repeat: which repetition; each has an order of its own.

    Returns:
        Lists of ascending positions, together all of them once, in the order of their contents'
        ranks (:func:`tl_keras.data.splitting.seeds.rank`).

    Raises:
        InputError: ``together`` holds no lists of positions in the table.

    Example:
        >>> import numpy as np
        >>> from tl_keras.data import Examples
        >>> table = Examples(tuple("abc"), np.zeros(3), ("x", "y"), ("1", "2", "1"), (None,) * 3)
        >>> sorted(units_of(table, 0)), units_of(table, 0, together=[(0, 1)])
        ([[0, 2], [1]], [[0, 1, 2]])
    """
    parent = list(range(len(examples)))

    def root(position: int) -> int:
        while parent[position] != position:
            parent[position] = parent[parent[position]]
            position = parent[position]
        return position

    first: dict[tuple[str, str], int] = {}
    for position, digest in enumerate(examples.digests):
        parent[root(position)] = root(first.setdefault(("copy", digest), position))
    if grouped and examples.groups is not None:
        for position, group in enumerate(examples.groups):
            if group is not None:
                parent[root(position)] = root(first.setdefault(("group", group), position))
    for positions in together:
        inside = _checked(positions, len(examples))
        for position in inside[1:]:
            parent[root(position)] = root(inside[0])
    units: dict[int, Positions] = {}
    for position in range(len(examples)):
        units.setdefault(root(position), []).append(position)
    digests = examples.digests
    return sorted(units.values(), key=lambda unit: rank((digests[i] for i in unit), seed, repeat))


def _checked(positions: Sequence[int], count: int) -> Positions:
    try:
        inside = [int(position) for position in positions]
    except (TypeError, ValueError):
        raise InputError(
            f"together holds {positions!r}; give lists of positions in the table, one list for "
            "each set of near duplicates"
        ) from None
    outside = [position for position in inside if not 0 <= position < count]
    if outside:
        raise InputError(
            f"together names position {outside[0]}; the table has 0 to {count - 1}, so give "
            "positions of the very table that is split"
        )
    return inside
