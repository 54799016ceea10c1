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


ENOUGH = 500
"""Training images up to which training a base with ImageNet weights gains little, or loses.

Measured (``benchmarks/advise.py``, three seeds, of which the first was known when this was set),
accuracy of a trained head less that of `fine_tune`, MobileNetV2 1.0, points: hymenoptera (196
images to train on) 1.7, pets (240) -0.3, brain-mri (183) 4.1, fashion (499) -0.9; mean over six
bases 0.5, -0.2, -0.5, -0.9.  The base that ships with the package, pretrained on less, gained 1.4
to 2.4 by being trained.  Larger sets were not measured.
"""


def choose_by_measures(
    smallest: int,
    images: int,
    probe: float,
    weights: str,
    minutes: float,
    estimate: Callable[[Recipe], TrainingTime],
) -> Choice:
    """A head in closed form, a trained head, or everything after the head.

    From few images a head is computed: epochs chosen on a handful of validation images are chosen
    by chance (magnetic-tile, 132 images to train on, MobileNetV2 1.0, seed 0: 0.76 against 0.63
    of a trained head and 0.70 of `fine_tune`).  The bounds of few images and of a probe that
    leaves nothing to mend are those of ``--recipe auto``, measured before on three of these sets
    with another base.  All were set knowing these results: on further data they are a guess.

    Args:
        smallest: Images of the smallest class that are trained on.
        images: Those of all classes.
        probe: Leave-one-out accuracy of a linear probe on the base's features, 0..1.
        weights: Of the base: ``"imagenet"`` or ``"bundled"``.
        minutes: That training may take.
        estimate: From a recipe to its time; asked only about recipes in question.

    Example:
        >>> quick = TrainingTime(1.0, 1.0, 0.0, 10.0, "timed")
        >>> choose_by_measures(200, 900, 0.97, "imagenet", 30, lambda recipe: quick).recipe.name
        'feature_extraction'
        >>> choose_by_measures(200, 900, 0.80, "imagenet", 30, lambda recipe: quick).recipe.name
        'fine_tune'
    """
    head, whole = RECIPES["feature_extraction"], RECIPES["fine_tune"]
    said, bound = f"the probe names {100 * probe:.0f} % rightly", f"{100 * PROBE_IS_ENOUGH:.0f} %"

    def chosen(recipe: Recipe, reason: str, change: str) -> Choice:
        return Choice(replace(recipe, reason=reason), estimate(recipe), change)

    if smallest < FEW:
        return chosen(
            RECIPES["ridge"],
            f"the smallest class has {smallest} images to train on; under {FEW} a head is better "
            "computed than trained, for there is too little to choose epochs on",
            f"with {FEW} images or more of each class to train on, a head would be trained",
        )
    if probe >= PROBE_IS_ENOUGH:
        return chosen(
            head,
            f"{said}, {bound} or more: training the base would mend little",
            f"if a probe named less than {bound} rightly, more images or weaker weights would "
            "speak for training the base, too",
        )
    if images < ENOUGH and weights == "imagenet":
        return chosen(
            head,
            f"{images:,} images to train on; under {ENOUGH}, training a base with ImageNet weights "
            "gained nothing on five sets tried, at many times the cost",
            f"with {ENOUGH} images or more to train on, the base would be trained, too",
        )
    time = estimate(whole)
    if time.seconds > 60 * minutes:
        return chosen(
            head,
            f"{said}, so training the base would pay, but takes {time.seconds / 60:.0f} min "
            f"here, more than {minutes:g}",
            f"with --minutes {time.seconds / 60 + 1:.0f} the base would be trained, too",
        )
    why = f"{images:,} images to train on" if weights == "imagenet" else f"{weights} weights"
    return Choice(
        replace(whole, reason=f"{said}, less than {bound}, and {why}: training the base pays"),
        time,
        f"if a probe named {bound} rightly, or --minutes were under "
        f"{time.seconds / 60:.1f}, the head alone would be trained",
    )
