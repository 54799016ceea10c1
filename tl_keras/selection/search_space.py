"""What of the parameters of a training is searched, and where everything else stands."""

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tl_keras.errors import InputError
from tl_keras.selection.search_parameters import PARAMETERS, Range, Settings, values_said
from tl_keras.selection.tuned_recipe import depths, recipe_of

# Values that a grid takes from a range: its ends and its middle.
_GRID_VALUES = 3


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


def depths_of(space: SearchSpace) -> set[int | float | str]:
    """Every depth that some trial may unfreeze to."""
    values = space.searched.get("unfreeze", ()), (space.defaults["unfreeze"],)
    return {depth for value in itertools.chain(*values) for depth in depths(value)}


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
