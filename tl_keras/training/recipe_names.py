"""From what a user wrote for ``recipe`` to the recipe: a name, a file, or stages."""

import difflib
import os
from collections.abc import Sequence

from tl_keras.errors import InputError
from tl_keras.training.recipe_files import read_recipe
from tl_keras.training.recipes import RECIPES, Recipe, Stage, get_recipe

# These follow from the data, so they are made when the data are there.
_BY_DATA = ("auto", "bit_hyperrule")


def known_recipe(recipe: str | os.PathLike | Recipe | Sequence[Stage]) -> Recipe | None:
    """The recipe, or None where it follows from the data (``"auto"``, ``"bit_hyperrule"``).

    Args:
        recipe: A name, the path of a TOML file (``.toml``), a recipe, or a list of stages.

    Raises:
        InputError: There is no such recipe, or the file cannot be used.

    Example:
        >>> known_recipe("auto"), known_recipe("progressive").name
        (None, 'progressive')
    """
    if isinstance(recipe, os.PathLike) or (isinstance(recipe, str) and recipe.endswith(".toml")):
        return read_recipe(recipe)
    if isinstance(recipe, str) and recipe not in RECIPES:
        if recipe in _BY_DATA:
            return None
        names = [*_BY_DATA, *RECIPES]
        near = difflib.get_close_matches(recipe, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"no recipe {recipe!r}; {hint}there are {', '.join(names)}, and files that end in .toml"
        )
    return get_recipe(recipe)
