"""Recipes of tasks whose heads read maps: boxes and masks.

Nothing of a frozen base is kept for them (its maps are as large as the images), so that every
epoch costs a pass over the pixels, and lengths are counted in steps: what a head of random weights
needs does not shrink with the number of images.
"""

import math
from pathlib import Path

from tl_keras.errors import InputError
from tl_keras.tasks.task import Pace
from tl_keras.training.placement import Placement
from tl_keras.training.recipes import RECIPES, Recipe, Stage, get_recipe

_HEAD_STEPS = 60
_FEWEST, _MOST = 10, 100  # epochs
_HEAD_MOST = 25
_HEAD_RATE = 2e-3


def dense_recipe(
    name: str | Path,
    images: int,
    batch_size: int,
    pretrained: bool,
    placement: Placement,
    pace: Pace,
) -> Recipe:
    """The recipe of this name for so many images.

    Args:
        name: ``"auto"`` (as ``"fine_tune"``), ``"feature_extraction"``, ``"fine_tune"`` or
            ``"progressive"``.
        images: To train on.
        batch_size: Images of a step on one device.
        pretrained: Whether the backbone holds learned weights.
        placement: Where it will train.
        pace: Of the task.

    Returns:
        The recipe, with its reason.

    Raises:
        InputError: There is no such recipe for these tasks.

    Example:
        >>> from tl_keras.training.placement import choose_placement
        >>> cpu = choose_placement("cpu", "float32")
        >>> recipe = dense_recipe("auto", 200, 8, True, cpu, Pace())
        >>> [(stage.name, stage.epochs) for stage in recipe.stages]
        [('head', 3), ('all', 12)]
    """
    solved = name in RECIPES and any(stage.solver for stage in RECIPES[name].stages)
    if name == "bit_hyperrule" or solved:
        raise InputError(
            f"recipe {name!r} is for one class per image; take auto, fine_tune, "
            "progressive, feature_extraction or stages of your own"
        )
    get_recipe("fine_tune" if name == "auto" else name)  # says what there is
    steps = max(1, math.ceil(images / placement.global_batch(batch_size)))
    head = min(math.ceil(_HEAD_STEPS / steps), _HEAD_MOST)
    whole = min(max(math.ceil(pace.steps / steps), _FEWEST), _MOST)
    size = f"{images:,} training images, {steps:,} steps an epoch"
    if name == "feature_extraction":
        return _recipe(name, [_stage("head", head + whole, 0, _HEAD_RATE)], size, pace)
    if not pretrained:
        why = f"{size}; the backbone starts from random weights, so all of it must train"
        stages = [_stage(what, epochs, "all", pace.rate) for what, epochs in
                  (("start", head), ("all", whole))]  # fmt: skip
        return _recipe("fine_tune", stages, why, pace)
    stages = [_stage("head", head, 0, _HEAD_RATE)]
    if name == "progressive":
        top = math.ceil(whole / 3)
        stages += [_stage("top", top, 0.5, pace.rate)]
        whole -= top
    stages += [_stage("all", whole, "all", pace.rate)]
    why = f"{size}: the head on the frozen base first, then everything"
    return _recipe("progressive" if name == "progressive" else "fine_tune", stages, why, pace)


def _stage(name: str, epochs: int, unfreeze: float | str, rate: float) -> Stage:
    # The rate falls to nothing over the stage, so it is not cut short before most of it is over.
    patience = max(10, epochs // 2)
    return Stage(name, max(1, epochs), unfreeze, rate, patience=patience, augment="light")


def _recipe(name: str, stages: list[Stage], reason: str, pace: Pace) -> Recipe:
    # A batch with one large box can give a gradient many times the usual.
    return Recipe(name, tuple(stages), reason, bottom_rate=pace.bottom_rate, clip_norm=5.0)
