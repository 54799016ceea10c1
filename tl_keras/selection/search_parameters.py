"""What tuning may change, and what each of these means."""

import math
from typing import Any, NamedTuple

Settings = dict[str, Any]
"""A value for every parameter by name."""


class Range(NamedTuple):
    """Every number from low to high; on a logarithmic scale where ``log``."""

    low: float
    high: float
    log: bool = False

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}"

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def values(self, count: int) -> tuple[float, ...]:
        """So many of them, evenly on the scale, both ends among them."""
        low, high = (math.log(end) if self.log else end for end in (self.low, self.high))
        points = [low + (high - low) * i / (count - 1) for i in range(1, count - 1)]
        between = [math.exp(point) if self.log else point for point in points]
        return (self.low, *(float(f"{value:.6g}") for value in between), self.high)


class Parameter(NamedTuple):
    """Something that tuning may change.

    Attributes:
        meaning: In a few words.
        default: What training takes where nobody says; None: follows from the data.
        usual: Where it is searched unless told otherwise; None: follows from what is at hand.
        log: Whether its scale is logarithmic.
        trains_base: Whether it means something only where the base trains.
        numeric: Whether its values are numbers.
    """

    meaning: str
    default: Any
    usual: Range | tuple[Any, ...] | None
    log: bool = False
    trains_base: bool = False
    numeric: bool = True


PARAMETERS = {
    "unfreeze": Parameter(
        "how much of the base trains after the head: 0 nothing, 3 the last three stages of the "
        "stage map, 0.5 the last half of them, all, or one after the other: 0.5+all",
        None, ("0", "0.5", "all", "0.5+all"), numeric=False,
    ),
    "learning_rate": Parameter(
        "peak rate of the head alone", 2e-3, Range(3e-4, 3e-2, log=True), log=True
    ),
    "fine_tune_rate": Parameter(
        "peak rate where the base trains", 2e-4, Range(2e-5, 2e-3, log=True), log=True,
        trains_base=True,
    ),
    "bottom_rate": Parameter(
        "rate of the base's lowest stage as a fraction of the head's", 0.1,
        Range(0.01, 1.0, log=True), log=True, trains_base=True,
    ),
    "augment": Parameter(
        "augmentation preset of the stages that train the base", "light",
        ("none", "light", "standard"), trains_base=True, numeric=False,
    ),
    "weight_decay": Parameter(
        "decoupled decay of AdamW", 0.01, Range(1e-3, 0.3, log=True), log=True
    ),
    "label_smoothing": Parameter("share of each target spread over all classes", 0.0, (0.0, 0.1)),
    "dropout": Parameter("share of the head's features dropped", 0.2, Range(0.0, 0.6)),
    "head": Parameter(
        "plain, or wide: mean and maximum side by side, and a hidden layer", "plain",
        ("plain", "wide"), numeric=False,
    ),
    "base": Parameter(
        "the base network, such as mobilenet_v2@128; alone: every one at hand", None, None,
        numeric=False,
    ),
}  # fmt: skip


def values_said(values: Range | tuple[Any, ...]) -> str:
    """As it is written after ``NAME=``.

    Example:
        >>> values_said(Range(1e-5, 1e-2)), values_said((0.0, 0.5))
        ('1e-05..0.01', '0,0.5')
    """
    if isinstance(values, Range):
        return str(values)
    return ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in values)


def value_shown(value: Any) -> str:
    """As it is shown beside others.

    Example:
        >>> value_shown(0.00159658), value_shown("0.5+all")
        ('0.0016', '0.5+all')
    """
    return f"{value:.3g}" if isinstance(value, float) else str(value)
