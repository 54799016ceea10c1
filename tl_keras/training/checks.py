"""Everything that can be known to be wrong before the first step is found before it."""

from typing import Any

import keras
import numpy as np

from tl_keras.backbones.registry import find_backbone
from tl_keras.builders.classifier import head_model
from tl_keras.callbacks.staged_unfreezing import check_unfreeze
from tl_keras.errors import InputError
from tl_keras.tasks.task import Task
from tl_keras.training.recipes import Recipe, Stage


def check_inputs(model: keras.Model, train: Any, val: Any, task: Task) -> tuple[int, np.ndarray]:
    """The model's image size, px, and the counts of each name in the training data.

    Args:
        model: To be trained.
        train: As ``task.prepared`` returns it, and so is ``val``.
        val: Validation data or None.
        task: What is learned.

    Raises:
        InputError: Model and data do not fit each other.
    """
    find_backbone(model)
    layers = {layer.name for layer in model.layers}
    needed = {"pooling", "predictions"} if task.pooled else {"predictions"}
    if not needed <= layers or len(model.input_shape) != 4:
        raise InputError(
            "tl_keras.fit trains models of build_classifier and its kin; give one, or use "
            "model.fit with tl_keras.callbacks.StagedUnfreezing"
        )
    counts = task.check(model, train, "training")
    if val is not None:
        task.check(model, val, "validation")
        if hasattr(train, "dataset") and hasattr(val, "dataset") and not task.open_set:
            names = task.names(train), task.names(val)
            if names[0] != names[1]:
                raise InputError(
                    f"training and validation data name different things ({', '.join(names[0])}; "
                    f"{', '.join(names[1])}); read both from data of the same names"
                )
    return model.input_shape[1], counts


def check_recipe(model: keras.Model, recipe: Recipe, task: Task, arrays: bool) -> None:
    """Find out whether every stage can be run.

    Raises:
        InputError: A stage unfreezes what the backbone does not have, or its augmentation is
            unknown, or differs between stages of one ``fit()``.
    """
    task.loss_name(recipe)
    if recipe.balance is not None and (task.target != "labels" or task.open_set):
        how = "draws classes in its own way" if task.open_set else "has none by image"
        raise InputError(
            f"recipe {recipe.name!r} balances classes, and --task {task.name} {how}; leave balance "
            "out"
        )
    for stage in recipe.stages:
        if stage.solver is not None:
            _check_solved(model, stage, task)
            _check_trained(recipe)
        check_unfreeze(model, stage.unfreeze)
        if stage.mixes and task.mixed_target is None:
            raise InputError(
                f"augment={stage.augment!r} mixes images, which --task {task.name} has no targets "
                "for; take a preset without"
            )
    # Where nothing is cached, frozen stages see the same batches as the others.
    trained = [s.augment for s in recipe.stages if not task.pooled or not s.frozen or s.mixes]
    if len(set(trained)) > 1:
        which = "that train the backbone, or that mix images," if task.pooled else "of one recipe"
        raise InputError(
            f"stages {which} share one augmentation preset; this recipe names "
            + ", ".join(sorted(set(trained)))
        )
    # The recipes with a name augment where they can; a list of one's own asks for it.
    asked = recipe.name == "custom" and any(stage.augment != "none" for stage in recipe.stages)
    if arrays and asked:
        raise InputError(
            "arrays are not augmented by a stage; give examples from files, or "
            "build_classifier(augmentation=...)"
        )


def _check_solved(model: keras.Model, stage: Stage, task: Task) -> None:
    """Refuse to compute what is no softmax over a linear function of features, or no projection."""
    if (stage.solver == "whitening") != task.open_set:
        raise InputError(
            f"solver={stage.solver!r} is not for --task {task.name}: whitening computes the "
            "projection of an embedder, the others a head of classes; take another recipe"
        )
    if task.open_set:
        if "projection" not in {layer.name for layer in model.layers}:
            raise InputError(
                f"solver={stage.solver!r} computes the projection, and this embedder is without; "
                "build it with a dimension"
            )
        return
    plain = task.classifies
    if plain:
        layers = head_model(model).layers[1:]
        kinds = [layer for layer in layers if not isinstance(layer, keras.layers.Dropout)]
        plain = len(kinds) == 1 and isinstance(kinds[0], keras.layers.Dense) and kinds[0].use_bias
    if not plain:
        raise InputError(
            f"solver={stage.solver!r} computes a head of one layer for one class per image, which "
            f"this model for --task {task.name} has not; build it without hidden layers, or take "
            "another recipe"
        )


def _check_trained(recipe: Recipe) -> None:
    """Refuse settings of training where nothing is trained."""
    plain = Recipe(recipe.name, recipe.stages)
    named = (
        "loss", "label_smoothing", "dropout", "class_weights", "balance", "ema", "clip_norm"
    )  # fmt: skip
    without = [name for name in named if getattr(recipe, name) != getattr(plain, name)]
    if without and all(stage.solver is not None for stage in recipe.stages):
        raise InputError(
            f"recipe {recipe.name!r} computes the head and trains nothing, so {without[0]} would "
            "have no effect; leave it out, or take feature_extraction"
        )
