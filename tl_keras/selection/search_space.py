"""What tuning may change, what of it is searched, and the recipe that follows from a choice."""

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from tl_keras.errors import InputError
from tl_keras.training.recipes import RECIPES, Recipe, Stage

Settings = dict[str, Any]
"""A value for every parameter by name."""

# Values that a grid takes from a range: its ends and its middle.
_GRID_VALUES = 3


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


@dataclass(frozen=True)
class SearchSpace:
    """What is searched, and where everything else stands.

    Attributes:
        searched: Parameter to its range or choices.
        defaults: A value for every parameter: what is compared against.

    Example:
        >>> space = search_space(["dropout=0,0.5"], {"unfreeze": "0", "base": "x@128"})
        >>> space.searched, len(space.grid())
        ({'dropout': (0.0, 0.5)}, 2)
    """

    searched: Mapping[str, Range | tuple[Any, ...]]
    defaults: Settings

    def suggest(self, trial: Any, defaults: bool = False) -> Settings:
        """A value for every parameter.

        Args:
            trial: Optuna's; it is asked for what is searched and means something here.
            defaults: Whether this trial is that of the defaults, which are told to the search where
                they lie within, and stand in any case.
        """
        settings = dict(self.defaults)
        for name, values in self.searched.items():
            if PARAMETERS[name].trains_base and settings["unfreeze"] == "0":
                continue
            if defaults and settings[name] not in values:
                continue
            if isinstance(values, Range):
                settings[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
            else:
                settings[name] = trial.suggest_categorical(name, values)
        return settings

    def active(self, settings: Settings) -> Settings:
        """Of some settings, those that are searched and mean something."""
        frozen = settings["unfreeze"] == "0"
        return {
            name: settings[name]
            for name in self.searched
            if not (frozen and PARAMETERS[name].trains_base)
        }

    def grid(self) -> list[Settings]:
        """Every combination of choices, of a range three values; each that differs once."""
        names = list(self.searched)
        columns = [
            values.values(_GRID_VALUES) if isinstance(values, Range) else values
            for values in self.searched.values()
        ]
        found: dict[tuple[Any, ...], Settings] = {}
        for row in itertools.product(*columns):
            active = self.active({**self.defaults, **dict(zip(names, row, strict=True))})
            found.setdefault(tuple(active.items()), active)
        return list(found.values())

    def grid_size(self) -> int:
        """Combinations before those that do not differ are told apart."""
        return math.prod(
            _GRID_VALUES if isinstance(values, Range) else len(values)
            for values in self.searched.values()
        )

    @property
    def trains_base(self) -> bool:
        """Whether any trial may train the base."""
        return any(one != "0" for one in self.searched.get("unfreeze", [self.defaults["unfreeze"]]))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is searched, in words, and the defaults."""
        said = {name: values_said(values) for name, values in self.searched.items()}
        return {"searched": said, "defaults": self.defaults}


def search_space(search: Iterable[str] | None, defaults: Settings) -> SearchSpace:
    """Read what is to be searched.

    Args:
        search: ``NAME=LOW..HIGH``, ``NAME=A,B,C``, or ``NAME`` alone for where it is usually
            searched; parameters that are not named stand at their defaults.  None: all of
            :data:`PARAMETERS` but ``base``.
        defaults: Those that follow from the data, ``unfreeze`` and ``base``.

    Raises:
        InputError: There is no such parameter, or it cannot have such a value.

    Example:
        >>> space = search_space(["learning_rate=1e-4..1e-2"], {"unfreeze": "0", "base": "x@128"})
        >>> space.searched["learning_rate"].log
        True
    """
    whole = {name: one.default for name, one in PARAMETERS.items()} | defaults
    words = [name for name in PARAMETERS if name != "base"] if search is None else list(search)
    if isinstance(search, str) or not words:
        raise InputError(f"search={search!r}: give a list of NAME, NAME=LOW..HIGH or NAME=A,B,C")
    searched: dict[str, Range | tuple[Any, ...]] = {}
    for word in words:
        name, equals, text = str(word).partition("=")
        name = name.strip()
        if name not in PARAMETERS:
            near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PARAMETERS)}"
            raise InputError(f"there is no parameter {name!r} to search; {hint}")
        if name in searched:
            raise InputError(f"{name} is to be searched twice; name it once")
        searched[name] = _read(name, text) if equals else _usual(name)
    for name, values in searched.items():
        for value in (values.low, values.high) if isinstance(values, Range) else values:
            check_value(name, value, whole)
    return SearchSpace(searched, whole)


def recipe_of(settings: Settings, reason: str = "found by tl-keras tune") -> Recipe:
    """The recipe that some settings stand for.

    At their defaults these are the recipes of that name: ``unfreeze`` 0 is ``feature_extraction``,
    ``all`` is ``fine_tune``, ``0.5+all`` is ``progressive``.

    Raises:
        InputError: A value is outside its range.

    Example:
        >>> space = search_space(["dropout"], {"unfreeze": "0.5+all", "base": "x@128"})
        >>> recipe_of(space.defaults).stages == RECIPES["progressive"].stages
        True
    """
    head = replace(RECIPES["fine_tune"].stages[0], learning_rate=float(settings["learning_rate"]))
    depths = _depths(settings["unfreeze"])
    many, stages = len(depths) > 1, [head]
    for place, depth in enumerate(depths, 1):
        named = _named(depth)
        repeated = [_named(one) for one in depths].count(named) > 1
        stages.append(
            Stage(
                f"{named} {place}" if repeated else named,
                epochs=12 if not many else 8 if place == len(depths) else 6,
                unfreeze=depth,
                learning_rate=float(settings["fine_tune_rate"]),
                augment=settings["augment"],
            )
        )
    dropped = float(settings["dropout"])
    return Recipe(
        "tuned",
        tuple(stages),
        reason=reason,
        bottom_rate=float(settings["bottom_rate"]),
        weight_decay=float(settings["weight_decay"]),
        label_smoothing=float(settings["label_smoothing"]),
        # The builder's own needs no saying.
        dropout=None if dropped == PARAMETERS["dropout"].default else dropped,
    )


def unfreeze_of(recipe: Recipe) -> str:
    """What ``unfreeze`` stands for the stages of a recipe of :data:`RECIPES`.

    Example:
        >>> unfreeze_of(RECIPES["progressive"]), unfreeze_of(RECIPES["feature_extraction"])
        ('0.5+all', '0')
    """
    depths = [str(stage.unfreeze) for stage in recipe.stages if not stage.frozen]
    return "+".join(depths) or "0"


def depths_of(space: SearchSpace) -> set[int | float | str]:
    """Every depth that some trial may unfreeze to."""
    values = space.searched.get("unfreeze", ()), (space.defaults["unfreeze"],)
    return {depth for value in itertools.chain(*values) for depth in _depths(value)}


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


def check_value(name: str, value: Any, settings: Settings) -> None:
    """Find out whether a parameter can have a value.

    Raises:
        InputError: It cannot.
    """
    from tl_keras.data.augment.presets import preset

    choices = PARAMETERS["head"].usual
    if name == "head" and value not in choices:
        raise InputError(f"head={value} is none to classify; there are {', '.join(choices)}")
    if name == "augment":
        preset(value)
    if name != "base":
        try:
            # Where the base trains every parameter means something.
            changed = {"unfreeze": "all", "augment": "none", name: value}
            recipe_of({**settings, **changed})
        except InputError as problem:
            said = str(problem).removeprefix("recipe 'tuned': ")
            raise InputError(f"{name}={value} cannot be searched: {said}") from None


def _named(depth: int | float | str) -> str:
    return "all" if depth == "all" else "top"


def _depths(text: str) -> list[int | float | str]:
    """``"0.5+all"`` as what stages unfreeze, one after the other; of ``"0"`` nothing."""
    found: list[int | float | str] = []
    for word in text.split("+"):
        try:
            depth: int | float | str = word if word == "all" else int(word)
        except ValueError:
            try:
                depth = float(word)
            except ValueError:
                depth = -1
        fraction = isinstance(depth, float) and not 0 < depth <= 1
        if depth != "all" and (depth < 0 or fraction or (depth == 0 and text != "0")):
            raise InputError(
                f"unfreeze={text} cannot be read; give 0, a number of stages such as 3, a fraction "
                "such as 0.5, all, or several one after the other such as 0.5+all"
            )
        found.append(depth)
    return [] if text == "0" else found


def _usual(name: str) -> Range | tuple[Any, ...]:
    if name != "base":
        return PARAMETERS[name].usual
    from tl_keras.selection.candidates import bases_at_hand

    return tuple(candidate.name for candidate in bases_at_hand())


def _read(name: str, text: str) -> Range | tuple[Any, ...]:
    """``LOW..HIGH`` or ``A,B,C``."""
    parameter = PARAMETERS[name]
    if ".." in text:
        if not parameter.numeric:
            raise InputError(f"{name}={text}: {name} has no range; give its values as {name}=A,B")
        low, high = (_number(name, end) for end in text.split("..", 1))
        if not low < high or (parameter.log and low <= 0):
            above = " above 0" if parameter.log else ""
            raise InputError(f"{name}={text}: a range goes from a lower to a higher number{above}")
        return Range(low, high, parameter.log)
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise InputError(f"{name}= names no value; give {name}=A,B, or {name} alone")
    if name == "base":
        from tl_keras.selection.candidates import asked_for

        return tuple(candidate.name for candidate in asked_for(words))
    values = [_number(name, word) for word in words] if parameter.numeric else words
    return tuple(dict.fromkeys(values))


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(
            f"{name}: {text!r} is no number; give {name}=LOW..HIGH, or values as {name}=A,B"
        )
    return number
