"""The recipe that some settings of a search stand for."""

from dataclasses import replace

from tl_keras.errors import InputError
from tl_keras.selection.search_parameters import PARAMETERS, Settings
from tl_keras.training.recipes import RECIPES, Recipe, Stage


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
    wanted = depths(settings["unfreeze"])
    many, stages = len(wanted) > 1, [head]
    for place, depth in enumerate(wanted, 1):
        named = _named(depth)
        repeated = [_named(one) for one in wanted].count(named) > 1
        stages.append(
            Stage(
                f"{named} {place}" if repeated else named,
                epochs=12 if not many else 8 if place == len(wanted) else 6,
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
    trained = [str(stage.unfreeze) for stage in recipe.stages if not stage.frozen]
    return "+".join(trained) or "0"


def depths(text: str) -> list[int | float | str]:
    """What stages unfreeze, one after the other; of ``"0"`` nothing.

    Args:
        text: A value of ``unfreeze``.

    Raises:
        InputError: It cannot be read.

    Example:
        >>> depths("0.5+all"), depths("3"), depths("0")
        ([0.5, 'all'], [3], [])
    """
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


def _named(depth: int | float | str) -> str:
    return "all" if depth == "all" else "top"
