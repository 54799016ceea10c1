"""What a tracker is told of a run: settings and figures as flat names and plain values."""

from collections.abc import Mapping
from typing import Any

from tl_keras.tasks.task import Task
from tl_keras.training.recipes import Recipe

_OF_RECIPE = ("name", "loss", "class_weights", "balance", "bottom_rate")


def settings_told(recipe: Recipe, **others: Any) -> dict[str, Any]:
    """Recipe and further settings; stages as ``stage_1.name``, ``stage_1.epochs`` and so on.

    Args:
        recipe: Of the run.
        others: Numbers, texts and Booleans; None is left out.

    Example:
        >>> recipe = Recipe("mine", (tl.Stage("head", epochs=2),), "a try")
        >>> told = settings_told(recipe, seed=3)
        >>> told["seed"], told["recipe.name"], told["stage_1.epochs"]
        (3, 'mine', 2)
    """
    told = dict(others)
    told |= {f"recipe.{name}": getattr(recipe, name) for name in _OF_RECIPE}
    for number, stage in enumerate(recipe.stages, 1):
        told |= {f"stage_{number}.{name}": value for name, value in vars(stage).items()}
    plain = (bool, int, float, str)
    return {
        name: value if isinstance(value, plain) else str(value)
        for name, value in told.items()
        if value is not None
    }


def figures_told(task: Task, metrics: Mapping[str, Any]) -> dict[str, float]:
    """The headline's figures as ``accuracy``, ``accuracy.low`` and ``accuracy.high``, 0..1.

    Example:
        >>> figures_told(get_task("classify"), run.metrics)["accuracy.low"]  # doctest: +SKIP
        0.84
    """
    if not metrics:
        return {}
    return {
        name.replace(" ", "_") + ("" if key == "value" else f".{key}"): float(entry[key])
        for name, entry in task.headline(metrics).items()
        for key in ("value", "low", "high")
        if entry[key] is not None
    }
