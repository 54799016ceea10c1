"""From what a user wrote for ``recipe`` to the recipe: a name, a file, or stages."""

import os
from collections.abc import Sequence

from tl_keras.training.recipe_files import read_recipe
from tl_keras.training.recipes import BY_DATA, Recipe, Stage, get_recipe


def known_recipe(
    recipe: str | os.PathLike | Recipe | Sequence[Stage], dense: bool = False
) -> Recipe | None:
    """The recipe, or None where it follows from the data.

    So do ``"auto"`` and ``"bit_hyperrule"``, and for heads that read maps all that have a name.

    Args:
        recipe: A name, the path of a TOML file (``.toml``), a recipe, or a list of stages.
        dense: Whether the head reads maps, not one vector an image.

    Raises:
        InputError: There is no such recipe, or the file cannot be used.

    Example:
        >>> known_recipe("auto"), known_recipe("progressive").name
        (None, 'progressive')
    """
    if isinstance(recipe, os.PathLike) or (isinstance(recipe, str) and recipe.endswith(".toml")):
        return read_recipe(recipe)
    if isinstance(recipe, str) and recipe in BY_DATA:
        return None
    found = get_recipe(recipe)
    return None if dense and isinstance(recipe, str) else found
