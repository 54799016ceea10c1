"""A recipe as a TOML file: read, checked, and written."""

import dataclasses
import difflib
import json
import math
import numbers
import os
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError
from tl_keras.training.recipes import Recipe, Stage


def read_recipe(path: str | os.PathLike) -> Recipe:
    """Read a recipe from a TOML file.

    The keys are the fields of :class:`Recipe`, and of :class:`Stage` in one ``[[stages]]`` table
    for each stage, in order; what is left out has its default, and the recipe is named after the
    file where it has no ``name``::

        bottom_rate = 0.05

        [[stages]]
        name = "head"
        epochs = 40
        learning_rate = 2e-3

        [[stages]]
        name = "all"
        epochs = 10
        unfreeze = "all"
        learning_rate = 2e-4
        augment = "light"

    Args:
        path: The file.

    Returns:
        The recipe.

    Raises:
        InputError: The file cannot be read, is no TOML, or a key or value of it is no recipe's;
            one line that names file, key and remedy.

    Example:
        >>> recipe = read_recipe("mine.toml")  # doctest: +SKIP
        >>> run = tl.fit(model, train, val, recipe=recipe)  # doctest: +SKIP
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"recipe file {path} cannot be read ({error.strerror}); give the path of a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"recipe file {path} is not TOML: {error}") from None
    stages = table.pop("stages", None)
    if not (isinstance(stages, list) and stages and all(isinstance(s, dict) for s in stages)):
        raise InputError(f"recipe file {path} has no stages; add a [[stages]] table for each")
    read = tuple(
        _build(Stage, stage, f"{path}, stage {number}") for number, stage in enumerate(stages, 1)
    )
    reason = {"reason": f"read from {path.name}"}
    return _build(Recipe, {"name": path.stem, **reason, **table, "stages": read}, str(path))


def write_recipe(recipe: Recipe, path: str | os.PathLike) -> Path:
    """Write a recipe to a TOML file that :func:`read_recipe` reads back equal.

    Args:
        recipe: The recipe.
        path: The file; one that is there is written over.

    Returns:
        The path.

    Raises:
        InputError: The file cannot be written, or class weights go by numbers, not names.

    Example:
        >>> from tl_keras.training.recipes import get_recipe
        >>> write_recipe(get_recipe("progressive"), "/tmp/mine.toml").name
        'mine.toml'
        >>> read_recipe("/tmp/mine.toml") == get_recipe("progressive")
        True
    """
    lines = _lines(recipe, leave_out="stages")
    for stage in recipe.stages:
        lines += ["", "[[stages]]", *_lines(stage)]
    target = Path(path)
    try:
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"the recipe cannot be written to {target} ({error.strerror}); give another path"
        ) from None
    return target


def _build(kind: type, values: dict[str, Any], where: str) -> Any:
    """An instance of a dataclass from checked values."""
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    for key, value in values.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1, cutoff=0.5)
            known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(hints)}"
            raise InputError(f"{where}: there is no key {key!r}; {known}")
        if key != "stages" and not _fits(value, hints[key]):
            raise InputError(f"{where}: {key} = {value!r} must be {_spoken(hints[key])}")
    missing = [
        field.name
        for field in fields
        if field.name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InputError(f"{where}: {', '.join(missing)} is missing; add it")
    try:
        return kind(**values)
    except InputError as problem:
        raise InputError(f"{where}: {problem}") from None


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value read from TOML is of a field's type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(_fits(one, inner[1]) for one in value.values())
    if origin is not None and issubclass(origin, Sequence):
        return isinstance(value, list) and all(_fits(one, inner[0]) for one in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _spoken(hint: Any) -> str:
    """A field's type in words, without what TOML cannot say."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_spoken(one) for one in inner if one is not types.NoneType)
    if origin is not None and issubclass(origin, Mapping):
        return f"a table whose values are each {_spoken(inner[1])}"
    if origin is not None and issubclass(origin, Sequence):
        return f"a list of which each is {_spoken(inner[0])}"
    words = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
    return words.get(hint, getattr(hint, "__name__", str(hint)))


def _lines(item: Any, leave_out: str = "") -> list[str]:
    """``key = value`` for each field that has one; None is a key that is left out."""
    values = {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    return [
        f"{name} = {_toml(value)}"
        for name, value in values.items()
        if name != leave_out and value is not None
    ]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Real):
        # inf and nan are spelled the same in TOML.
        return repr(float(value)) if math.isfinite(value) else str(float(value))
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for one control character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InputError(
                f"a recipe file names things by strings; {value!r} has other keys, so give names"
            )
        pairs = (f"{_toml(key)} = {_toml(one)}" for key, one in value.items())
        return "{" + ", ".join(pairs) + "}"
    return "[" + ", ".join(_toml(one) for one in value) + "]"
