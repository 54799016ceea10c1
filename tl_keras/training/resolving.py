"""Recipes that follow from the data, and stay what they were when a run is resumed."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from tl_keras.builders.classifier import augments_itself
from tl_keras.training.choosing import bit_hyperrule, choose_recipe
from tl_keras.training.feature_batches import FeatureSet
from tl_keras.training.placement import Placement
from tl_keras.training.recipe_files import read_recipe, write_recipe
from tl_keras.training.recipes import Recipe
from tl_keras.training.timing import forward_seconds


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
    if pretrained and not augments_itself(model):
        found = features()
        if found.labels.ndim == 1:  # the probe names one class per image
            told = {"features": found.views[0], "labels": found.labels}
        if placement.workers == 1:
            # Machines would time differently, and choose differently.
            told["seconds_per_image"] = forward_seconds(model) / placement.replicas
    return choose_recipe(
        counts[counts > 0].tolist(), pretrained, accelerated=placement.kind != "cpu", **told
    )


def remembered(folder: Path, make: Callable[[], Recipe], writes: bool) -> Recipe:
    """The recipe that an unfinished run chose, which a timing may choose differently today.

    Args:
        folder: Of the run's checkpoints.
        make: Chooses, where nothing was chosen yet.
        writes: Whether this process writes the choice down.
    """
    file = folder / "recipe.toml"
    if file.exists():
        return read_recipe(file)
    recipe = make()
    if writes:
        folder.mkdir(parents=True, exist_ok=True)
        write_recipe(recipe, folder / "recipe.part.toml").replace(file)
    return recipe
