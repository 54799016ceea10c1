"""From what a user wrote for ``recipe`` to the recipe: a name, a file, stages, or "auto"."""

import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from tl_keras.errors import InputError
from tl_keras.training.choosing import bit_hyperrule, choose_recipe
from tl_keras.training.feature_batches import FeatureSet
from tl_keras.training.placement import Placement
from tl_keras.training.recipe_files import read_recipe, write_recipe
from tl_keras.training.recipes import RECIPES, Recipe, Stage, get_recipe
from tl_keras.training.timing import forward_seconds

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


def recipe_for(
    name: str,
    model: keras.Model,
    counts: np.ndarray,
    batch_size: int,
    pretrained: bool,
    placement: Placement,
    features: Callable[[], FeatureSet],
) -> Recipe:
    """The recipe that follows from the data.

    Args:
        name: ``"auto"`` or ``"bit_hyperrule"``.
        model: Of ``build_classifier``.
        counts: Training images of each class.
        batch_size: Images of a step.
        pretrained: Whether the backbone holds learned weights.
        placement: Where it will train.
        features: Gives those of the training images; asked only where they decide.
    """
    if name == "bit_hyperrule":
        return bit_hyperrule(int(counts.sum()), batch_size=placement.global_batch(batch_size))
    told = {}
    own_augmentation = any(layer.name == "augmentation" for layer in model.layers)
    if pretrained and not own_augmentation:
        found = features()
        told = {"features": found.views[0], "labels": found.labels}
        if placement.workers == 1:
            # Machines would time differently, and choose differently.
            told["seconds_per_image"] = forward_seconds(model) / placement.replicas
    return choose_recipe(
        counts[counts > 0].tolist(), pretrained, accelerated=placement.kind != "cpu", **told
    )


def remembered(folder: Path, make: Callable[[], Recipe]) -> Recipe:
    """The recipe that an unfinished run chose, which a timing may choose differently today.

    Args:
        folder: Of the run's checkpoints.
        make: Chooses, where nothing was chosen yet.
    """
    file = folder / "recipe.toml"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        beside = write_recipe(make(), folder / "recipe.part.toml")
        beside.replace(file)
    return read_recipe(file)
