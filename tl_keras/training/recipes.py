"""Training is a list of stages: a recipe is data, and the three known ones are three lists."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tl_keras.data.balancing import BALANCES
from tl_keras.errors import InputError
from tl_keras.training.closed_form import SOLVERS, check_solver
from tl_keras.training.schedule import SCHEDULES

LOSSES = (
    "crossentropy",
    "focal",
    "logit_adjusted",
    "arcface",
    "cosface",
    "proxy_anchor",
    "triplet",
    "supervised_contrastive",
)
CLASS_WEIGHTS = ("balanced", "effective")
# These follow from the data, so they are made when the data are there.
BY_DATA = ("auto", "bit_hyperrule")


@dataclass(frozen=True)
class Stage:
    """One part of a run: what trains, how long and how fast.

    Attributes:
        name: Shown in the log, the history and the curves.
        epochs: At most so many epochs.
        unfreeze: What of the backbone trains: 0 nothing, an int the last so many stages of the
            stage map, a float the last fraction of them, ``"all"``.
        learning_rate: Peak rate of the head.
        warmup: Fraction of the stage's steps over which the rate rises; None: 0.1, and 0.25 of a
            one-cycle stage.
        patience: Epochs without improvement before the stage ends; counted anew in each stage.
        augment: Augmentation preset of the training images, of ``tl_keras.data.augment``.
        views: Augmented views of each image, over which epochs of a frozen backbone go in turn;
            they are computed once.
        solver: Compute the head instead of training it, in one epoch: on plain images ``"ridge"``
            or ``"prototypes"`` (:func:`tl_keras.training.closed_form.closed_form_head`), of
            embedders ``"whitening"`` (:func:`tl_keras.training.whitening.learned_whitening`), on
            the fixed views of the preset, such as mirrored; None: train.
        schedule: How the rate goes on from its peak: ``"cosine"`` falls to 1 % of it over the
            stage's epochs; ``"one_cycle"`` rises from a 25th of it and falls to nothing;
            ``"constant"`` stays; ``"plateau"`` stays and is divided by 10 whenever half the
            patience has passed without improvement.

    A stage that trains nothing of the backbone runs on cached features.

    Example:
        >>> Stage("head", epochs=5).unfreeze
        0
    """

    name: str
    epochs: int
    unfreeze: int | float | str = 0
    learning_rate: float = 1e-3
    warmup: float | None = None
    patience: int = 5
    augment: str = "none"
    schedule: str = "cosine"
    views: int = 4
    solver: str | None = None

    def __post_init__(self) -> None:
        if self.solver is not None:
            check_solver(self.solver, (*SOLVERS, "whitening"))
            plain = self.augment == "none" or self.solver == "whitening"
            if self.epochs != 1 or not self.frozen or not plain or self.mixes:
                raise InputError(
                    f"stage {self.name!r}: solver={self.solver!r} computes the head of a frozen "
                    "backbone from plain images at once; give epochs=1, unfreeze=0, augment='none'"
                )
        if min(self.epochs, self.patience, self.views) < 1:
            raise InputError(f"stage {self.name!r}: epochs, patience and views are 1 or more")
        if not self.learning_rate > 0:
            raise InputError(f"stage {self.name!r}: learning_rate is above 0")
        if self.warmup is not None and not 0 <= self.warmup < 1:
            raise InputError(f"stage {self.name!r}: warmup is a fraction in [0, 1)")
        if self.schedule not in SCHEDULES:
            raise InputError(
                f"stage {self.name!r}: schedule={self.schedule!r} is unknown; give one of "
                + ", ".join(SCHEDULES)
            )

    @property
    def mixes(self) -> bool:
        """Whether its augmentation mixes images, and targets with them."""
        from tl_keras.data.augment.presets import preset

        return preset(self.augment).mixing is not None

    @property
    def frozen(self) -> bool:
        """Whether the whole backbone stands still in this stage."""
        return self.unfreeze in (0, 0.0)


@dataclass(frozen=True)
class Recipe:
    """A named list of stages, with the reason it was chosen.

    Attributes:
        name: As on the command line; ``"custom"`` for a list of one's own.
        stages: In order.
        reason: Why this recipe, in one sentence.
        bottom_rate: Rate of the lowest backbone stage as a fraction of the head's; the stages
            between are spaced geometrically (Howard & Ruder 2018, arXiv:1801.06146).
        weight_decay: Decoupled decay of AdamW per step and unit of learning rate; none on biases
            and norms.
        clip_norm: Highest global norm of a step's gradients; None: not clipped.
        ema: Momentum, in [0, 1), of a moving average of the weights that evaluation and the best
            epoch use, such as 0.99; None: no average.
        loss: ``"crossentropy"``, ``"focal"`` (Lin et al. 2017, arXiv:1708.02002), or
            ``"logit_adjusted"`` by the training images of each class (Menon et al. 2021,
            arXiv:2007.07314); of embedders those of ``tl_keras.tasks.embedding_objective``.  Where
            a task has no ``"crossentropy"``, that stands for its first loss.
        label_smoothing: Share of each target spread over all classes, in [0, 1).
        dropout: Share of the head's features dropped in training, in [0, 1); None: what the model
            was built with.
        class_weights: ``"balanced"`` (inverse frequency), ``"effective"`` (effective number of
            samples, arXiv:1901.05555), or a mapping from class name or number to weight; None:
            every image counts the same.
        balance: ``"balanced"``: epochs draw each class equally often; ``"sqrt"``: by the square
            root of its count (Kang et al. 2020, arXiv:1910.09217); None: each image once.

    ``class_weights``, ``balance`` and ``"logit_adjusted"`` each correct for rare classes alone; two
    of them together correct twice.

    Raises:
        InputError: A value is outside its range, or unknown.

    Example:
        >>> get_recipe("fine_tune").name
        'fine_tune'
    """

    name: str
    stages: tuple[Stage, ...]
    reason: str = "asked for"
    bottom_rate: float = 0.1
    weight_decay: float = 0.01
    clip_norm: float | None = None
    ema: float | None = None
    loss: str = "crossentropy"
    label_smoothing: float = 0.0
    dropout: float | None = None
    class_weights: str | Mapping[str | int, float] | None = None
    balance: str | None = None

    def __post_init__(self) -> None:
        wrong = {
            "bottom_rate is in (0, 1]": not 0 < self.bottom_rate <= 1,
            "weight_decay is 0 or more": not self.weight_decay >= 0,
            "clip_norm is above 0, or None": self.clip_norm is not None and not self.clip_norm > 0,
            "ema is a momentum in [0, 1), or None": self.ema is not None and not 0 <= self.ema < 1,
            f"loss is one of {', '.join(LOSSES)}": self.loss not in LOSSES,
            "label_smoothing is in [0, 1)": not 0 <= self.label_smoothing < 1,
            "dropout is in [0, 1), or None": self.dropout is not None and not 0 <= self.dropout < 1,
            f"class_weights is one of {', '.join(CLASS_WEIGHTS)}, a mapping, or None": not (
                self.class_weights is None
                or isinstance(self.class_weights, Mapping)
                or self.class_weights in CLASS_WEIGHTS
            ),
            f"balance is one of {', '.join(BALANCES)}, or None": not (
                self.balance is None or self.balance in BALANCES
            ),
        }
        for rule, broken in wrong.items():
            if broken:
                given = getattr(self, rule.split()[0])
                raise InputError(f"recipe {self.name!r}: {rule}; got {given!r}")


# The head's own stage: epochs on cached features cost a tenth of a second, so it may have many.
_HEAD = Stage("head", epochs=60, learning_rate=2e-3, patience=10)

RECIPES = {
    "prototypes": Recipe("prototypes", (Stage("prototypes", epochs=1, solver="prototypes"),)),
    "ridge": Recipe("ridge", (Stage("ridge", epochs=1, solver="ridge"),)),
    "whitening": Recipe(
        "whitening", (Stage("whitening", epochs=1, solver="whitening", augment="light"),)
    ),
    "feature_extraction": Recipe("feature_extraction", (_HEAD,)),
    # Keras' transfer-learning guide: head first, then everything at a rate far below.
    "fine_tune": Recipe(
        "fine_tune",
        (
            _HEAD,
            Stage("all", epochs=12, unfreeze="all", learning_rate=2e-4, augment="light"),
        ),
    ),
    # Gradual unfreezing from the top (Howard & Ruder 2018).
    "progressive": Recipe(
        "progressive",
        (
            _HEAD,
            Stage("top", epochs=6, unfreeze=0.5, learning_rate=2e-4, augment="light"),
            Stage("all", epochs=8, unfreeze="all", learning_rate=2e-4, augment="light"),
        ),
    ),
}


def get_recipe(recipe: "str | Recipe | Sequence[Stage]") -> Recipe:
    """Return a recipe from its name, itself, or a list of stages of your own.

    Raises:
        InputError: No recipe has this name, or the list is empty.

    Example:
        >>> [stage.name for stage in get_recipe("progressive").stages]
        ['head', 'top', 'all']
    """
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, str):
        if recipe in RECIPES:
            return RECIPES[recipe]
        names = [*BY_DATA, *RECIPES]
        near = difflib.get_close_matches(recipe, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"no recipe {recipe!r}; {hint}there are {', '.join(names)}, and files that end in .toml"
        )
    stages = tuple(recipe)
    if not stages or not all(isinstance(stage, Stage) for stage in stages):
        raise InputError("a recipe of your own is a list of tl_keras.Stage, one or more")
    return Recipe("custom", stages)


def with_loss(recipe: Recipe, loss: str | None) -> Recipe:
    """A recipe that minimises another loss.

    Args:
        recipe: Any.
        loss: As of :class:`Recipe`; None: as it is.

    Raises:
        InputError: There is no such loss.

    Example:
        >>> with_loss(RECIPES["progressive"], "focal").loss
        'focal'
    """
    return recipe if loss is None else replace(recipe, loss=loss)


def augmented(recipe: Recipe, augment: str | None) -> Recipe:
    """A recipe with another preset in the stages that augment.

    A stage on cached features that sees plain images goes on to.

    Args:
        recipe: Any.
        augment: A preset of ``tl_keras.data.augment``, ``"none"`` among them; None: as it is.

    Raises:
        InputError: There is no such preset.

    Example:
        >>> [s.augment for s in augmented(RECIPES["progressive"], "texture").stages]
        ['none', 'texture', 'texture']
    """
    if augment is None:
        return recipe
    from tl_keras.data.augment.presets import preset

    preset(augment)
    stages = (
        stage if stage.frozen and stage.augment == "none" else replace(stage, augment=augment)
        for stage in recipe.stages
    )
    return replace(recipe, stages=tuple(stages))
