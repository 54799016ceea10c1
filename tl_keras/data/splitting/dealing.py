"""Deals units to parts of given shares so that each part has its share of every column."""

from collections.abc import Sequence

import numpy as np

from tl_keras.data.splitting.content import Content


def deal(content: Content, shares: Sequence[float]) -> np.ndarray:
    """Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, ECML PKDD, algorithm 1).

    The column with the fewest examples left to deal comes first; each unit that has it goes to the
    part that lacks most of it, among equals to the part that lacks most examples at all.  Units of
    many examples come before those of few, else in their given order, where the paper's examples
    come in any order and its ties are broken by chance.

    Args:
        content: of the units, in the order of their ranks.
        shares: of each part, summing to 1.

    Returns:
        int64 (U,): the part of each unit.

    Example:
        >>> units = [{0: 1}, {0: 1}, {1: 1}, {1: 1}]
        >>> content = Content(units, np.ones(4, int), np.array([2, 2]), 2)
        >>> deal(content, (0.5, 0.5)).tolist()
        [0, 1, 0, 1]
    """
    shares = np.asarray(shares, np.float64)
    lacking = shares[:, None] * content.totals
    room = shares * content.sizes.sum()
    left = content.totals.copy()
    where: list[list[int]] = [[] for _ in content.totals]
    for unit, counts in enumerate(content.units):
        for column in counts:
            where[column].append(unit)
    part_of = np.full(len(content.units), -1)

    def give(unit: int, part: int) -> None:
        part_of[unit] = part
        counts = content.units[unit]
        columns = np.fromiter(counts, np.int64)
        numbers = np.fromiter(counts.values(), np.int64)
        lacking[part, columns] -= numbers
        left[columns] -= numbers
        room[part] -= content.sizes[unit]

    while left.any():
        column = int(np.argmin(np.where(left > 0, left, np.iinfo(np.int64).max)))
        waiting = [unit for unit in where[column] if part_of[unit] < 0]
        for unit in sorted(waiting, key=lambda unit: -content.units[unit][column]):
            lacks = lacking[:, column]
            most = np.flatnonzero(lacks > lacks.max() - 1e-9)
            if len(most) > 1:
                others = list(content.units[unit])
                needs = (lacking[np.ix_(most, others)] / content.totals[others]).sum(axis=1)
                most = most[needs > needs.max() - 1e-9]
            give(unit, int(most[np.argmax(room[most])]))
    bare = [unit for unit in range(len(content.units)) if part_of[unit] < 0]
    for unit in sorted(bare, key=lambda unit: -content.sizes[unit]):
        give(unit, int(np.argmax(room)))
    return part_of


# Of (units)² times columns, about a second's work a pass; beyond, units only move and never swap.
_MOST_SWAPPED = 5e7
#: Beyond so many units each is so small a share that dealing alone is even enough.
MOST_EVENED = 5_000
_PASSES = 10
# Outweighs any unevenness that mending it could cost.
_MISSING = 1e9


def even_out(content: Content, part_of: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Moves and swaps units between parts for as long as that makes the parts more even.

    Units of several examples (patients with many scans), or of many tags, leave parts uneven when
    dealt one by one.  What is lowered is first the number of (part, class) pairs without an
    example, then the sum over parts and columns (and the sizes) of (has - share)² / share,
    Pearson's chi-square.

    Args:
        content: of the units.
        part_of: from :func:`deal`.
        shares: of each part.

    Returns:
        int64 (U,): the part of each unit.

    Example:
        >>> content = Content([{0: 2}, {0: 1}, {0: 1}], np.array([2, 1, 1]), np.array([4]), 1)
        >>> even_out(content, np.array([0, 0, 1]), (0.5, 0.5)).tolist()
        [1, 0, 0]
    """
    matrix, part_of = content.dense(), part_of.copy()
    matrix = matrix[:, matrix.any(axis=0)]
    classes = int((content.totals[: content.classes] > 0).sum())
    goals = np.outer(shares, matrix.sum(axis=0))
    sums = np.stack([matrix[part_of == part].sum(axis=0) for part in range(len(goals))])
    # Whom to swap with: nobody, or one of the other part.
    swaps = len(matrix) * matrix.size <= _MOST_SWAPPED

    def cost(rows: np.ndarray, part: int) -> np.ndarray:
        uneven = ((rows - goals[part]) ** 2 / goals[part]).sum(axis=-1)
        missing = (rows[..., :classes] <= 0).sum(axis=-1) + (rows[..., -1] <= 0)
        return uneven + _MISSING * missing

    def improve(unit: int) -> bool:
        own, row = part_of[unit], matrix[unit]
        best = (-1e-9, -1, -1)
        for other in range(len(goals)):
            if other == own:
                continue
            partners = np.flatnonzero(part_of == other) if swaps else np.empty(0, int)
            back = np.concatenate([np.zeros((1, matrix.shape[1])), matrix[partners]])
            change = (
                cost(sums[own] - row + back, own) + cost(sums[other] + row - back, other)
                - cost(sums[own], own) - cost(sums[other], other)
            )  # fmt: skip
            least = int(np.argmin(change))
            if change[least] < best[0]:
                best = (float(change[least]), other, -1 if least == 0 else int(partners[least - 1]))
        _, other, partner = best
        if other < 0:
            return False
        moved = row if partner < 0 else row - matrix[partner]
        sums[own] -= moved
        sums[other] += moved
        part_of[unit] = other
        if partner >= 0:
            part_of[partner] = own
        return True

    for _ in range(_PASSES):
        if not any([improve(unit) for unit in range(len(matrix))]):
            break
    return part_of
