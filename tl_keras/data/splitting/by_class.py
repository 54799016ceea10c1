"""A stratified split by seed that no copy of a picture crosses."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tl_keras.data.splitting.seeds import check_seed
from tl_keras.data.splitting.units import Positions, units_of
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def check_fraction(fraction: float) -> None:
    """Refuses what is no share.

    Args:
        fraction: a number between 0 and 1, neither included.

    Raises:
        InputError: it is not.

    Example:
        >>> check_fraction(0.2)
    """
    number = isinstance(fraction, (int, float)) and not isinstance(fraction, bool)
    if not number or not 0 < fraction < 1:
        raise InputError(f"fraction {fraction!r} is not between 0 and 1; give e.g. 0.2")


def stratified(
    examples: "Examples",
    fraction: float,
    seed: int,
    units: Sequence[Positions] | None = None,
    singles: bool = False,
) -> tuple[Positions, Positions]:
    """Splits each class alone, moving byte-identical copies together.

    Files are ranked by a hash of their content and the seed, so the split depends on neither the
    names, the folder, nor the order in which a file system lists them, and adding a few files
    moves few others.  Of each class the nearest whole number to ``fraction`` of its images is
    drawn, at least one and never all; copies may hold a class back from its share by less than
    the number of copies.

    Args:
        examples: the table to split.
        fraction: share of the images of each class that goes to the second side, between 0 and 1.
        seed: a whole number from 0 on.
        units: what stays together, each of one class, in the order of the seed; by default the
            copies.
        singles: whether a class may have one distinct image, which is trained on, or none.

    Returns:
        ``(train, val)``: ascending positions in the table, disjoint, together all of them.

    Raises:
        InputError: a class has fewer than two distinct images, or an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from tl_keras.data import Examples
        >>> table = Examples(tuple("abcd"), np.array([0, 0, 1, 1]), ("x", "y"),
        ...                  ("1", "1", "2", "3"), (None,) * 4)
        >>> stratified(table, 0.5, seed=0)
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: class 'x' has 1 distinct image, which cannot stand on both \
sides of a split; add images or remove the class
    """
    check_fraction(fraction)
    check_seed(seed)
    of_class: dict[int, list[Positions]] = defaultdict(list)
    for unit in units_of(examples, seed) if units is None else units:
        of_class[int(examples.labels[unit[0]])].append(unit)
    train: list[int] = []
    val: list[int] = []
    for label, name in enumerate(examples.class_names):
        groups = of_class[label]
        if len(groups) < 2 and singles:
            train.extend(row for group in groups for row in group)
            continue
        if len(groups) < 2:
            what = "1 distinct image" if groups else "no image"
            left = examples.skipped
            why = f" ({len(left)} left out, {left[0].path}: {left[0].reason})" if left else ""
            raise InputError(
                f"class {name!r} has {what}{why}, which cannot stand on both sides of a split; "
                "add images or remove the class"
            )
        drawn = _draw([len(group) for group in groups], fraction)
        for position, group in enumerate(groups):
            (val if position in drawn else train).extend(group)
    if not val:
        raise InputError(
            f"no class of {examples.root or 'the data'} has two distinct images, so there is "
            "nothing to validate on; add images"
        )
    return sorted(train), sorted(val)


def _draw(sizes: list[int], fraction: float) -> set[int]:
    """The groups to draw, in rank order, for ``fraction`` of the images: some, never all."""
    wanted = max(1, round(fraction * sum(sizes)))
    drawn: set[int] = set()
    for position, size in enumerate(sizes):
        if wanted >= size and len(drawn) < len(sizes) - 1:
            drawn.add(position)
            wanted -= size
    return drawn or {sizes.index(min(sizes))}
