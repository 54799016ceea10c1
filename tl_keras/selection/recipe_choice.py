"""Which recipe suits: train the base as well, or its head alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tl_keras.selection.training_time import TrainingTime
from tl_keras.training.choosing import FEW, PROBE_IS_ENOUGH
from tl_keras.training.recipes import RECIPES, Recipe


@dataclass(frozen=True)
class Choice:
    """A recipe with what decided.

    Attributes:
        recipe: Its ``reason`` names the figures.
        time: That it would take here.
        change: What would turn the choice, a sentence.
    """

    recipe: Recipe
    time: TrainingTime
    change: str


def choose_by_measures(
    smallest: int, probe: float, minutes: float, estimate: Callable[[Recipe], TrainingTime]
) -> Choice:
    """Head alone, or everything after the head, by two thresholds and the time.

    The thresholds are those of ``--recipe auto`` (:func:`tl_keras.training.choosing.choose_recipe`
    says on what they were measured), so that the two do not contradict each other.

    Args:
        smallest: Images of the smallest class that are trained on.
        probe: Leave-one-out accuracy of a linear probe on the base's features, 0..1.
        minutes: That training may take.
        estimate: From a recipe to its time; asked only about recipes in question.

    Example:
        >>> quick = TrainingTime(1.0, 1.0, 0.0, 10.0, "timed")
        >>> choose_by_measures(200, 0.97, 30, lambda recipe: quick).recipe.name
        'feature_extraction'
        >>> choose_by_measures(200, 0.80, 30, lambda recipe: quick).recipe.name
        'fine_tune'
    """
    head, whole = RECIPES["feature_extraction"], RECIPES["fine_tune"]
    said = f"the probe names {100 * probe:.0f} % rightly"
    bound = f"{100 * PROBE_IS_ENOUGH:.0f} %"

    def chosen(recipe: Recipe, reason: str, change: str) -> Choice:
        return Choice(replace(recipe, reason=reason), estimate(recipe), change)

    if smallest < FEW:
        return chosen(
            head,
            f"the smallest class has {smallest} to train on, and under {FEW} a base learns them "
            "by heart",
            f"with {FEW} images or more of each class to train on, training the base may pay",
        )
    if probe >= PROBE_IS_ENOUGH:
        return chosen(
            head,
            f"{said}, {bound} or more: training the base would mend little",
            f"if a probe named less than {bound} rightly, the base would be trained, too",
        )
    time = estimate(whole)
    if time.seconds > 60 * minutes:
        return chosen(
            head,
            f"{said}, so training the base would pay, but takes {time.seconds / 60:.0f} min "
            f"here, more than {minutes:g}",
            f"with --minutes {time.seconds / 60 + 1:.0f} the base would be trained, too",
        )
    return Choice(
        replace(
            whole,
            reason=f"{said}, less than {bound}: there is something to mend, and "
            f"{smallest} images or more of each class to mend it with",
        ),
        time,
        f"if a probe named {bound} rightly, or --minutes were under "
        f"{time.seconds / 60:.1f}, the head alone would be trained",
    )
