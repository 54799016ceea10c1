"""Recipes made for the data at hand: ``"auto"``, with its reasons, and BiT's rule."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tl_keras.errors import InputError
from tl_keras.training.probing import linear_probe
from tl_keras.training.recipes import RECIPES, Recipe

# Under so many images in its smallest class a backbone learns the images by heart.
FEW = 20
# Measured with MobileNetV2 0.35 at 224 px, three seeds each, head alone against progressive: probe
# 0.91, accuracy 0.902 against 0.926 (hymenoptera); 0.84, 0.499 against 0.520 (brain-mri); 0.94,
# 0.956 against 0.956 (pets).
PROBE_IS_ENOUGH = 0.93
_LONGEST_MINUTES = 30.0
# Without a timing: about what half an hour is for a compact backbone on two cores.
_MOST_WITHOUT_GPU = 2_000
_PLENTY = 20_000
# BiT: images below which the rule gives so many steps, and how many of those warm up.
_BIT_STEPS = ((20_000, 500, 100), (500_000, 10_000, 500), (math.inf, 20_000, 500))


def choose_recipe(
    counts: Sequence[int],
    pretrained: bool,
    accelerated: bool = False,
    *,
    features: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    seconds_per_image: float | None = None,
) -> Recipe:
    """Pick a recipe by the size of the data, how close it is to the pretraining, and the time.

    The backbone is trained where that can be expected to pay: there are enough images of each
    class, a linear probe on the frozen features leaves errors to mend, and it takes minutes, not
    hours.  The probe costs no pass over the images beyond the one that a head on cached features
    needs anyway; with no features, size and hardware decide.

    Args:
        counts: Training images of each class that has any.
        pretrained: Whether the backbone starts from learned weights.
        accelerated: Whether a GPU or TPU is at hand; matters where nothing was timed.
        features: (N, D) of the training images by the frozen backbone, as the head is trained on.
        labels: Integers (N,), with ``features``.
        seconds_per_image: Measured time of a forward pass of the backbone for one image, as by
            ``tl_keras.training.timing.forward_seconds``.

    Returns:
        The recipe; its ``reason`` names the figures, in one or two sentences without a last stop.

    Raises:
        InputError: There are no images, or features and labels do not fit.

    Example:
        >>> choose_recipe([12, 9], pretrained=True).name
        'feature_extraction'
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(80, 5)), np.repeat([0, 1], 40)
        >>> choose_recipe([40, 40], pretrained=True, features=x, labels=y).name
        'progressive'
        >>> x[:, 0] += 9 * y
        >>> choose_recipe([40, 40], pretrained=True, features=x, labels=y).name
        'feature_extraction'
    """
    if not len(counts) or min(counts) < 1:
        raise InputError("a recipe is chosen by the images of each class; give counts of 1 or more")
    total, smallest = sum(counts), min(counts)
    size = f"{total:,} training images, {smallest:,} or more of each class"
    if not pretrained:
        why = "the backbone starts from random weights, so all of it must train"
        return replace(RECIPES["fine_tune"], reason=why)
    if smallest < FEW:
        why = f"{size}: under {FEW} are too few to train a backbone on"
        return replace(RECIPES["feature_extraction"], reason=why)
    wanted = RECIPES["progressive" if total <= _PLENTY else "fine_tune"]
    time = None
    if seconds_per_image is not None:
        minutes = training_minutes(wanted, total, seconds_per_image)
        time = f"up to {math.ceil(minutes):,} min here"
    seen = ""
    if features is not None:
        probe = linear_probe(features, labels)
        seen = (
            f"a linear probe on the frozen features names {100 * probe.accuracy:.0f} % of the "
            f"images rightly when each is left out ({100 * probe.majority:.0f} % are of the "
            "commonest class)"
        )
        if probe.accuracy >= PROBE_IS_ENOUGH:
            cost = f", and take {time}" if time else ""
            why = f"{size}; {seen}. Training the backbone would mend little of that{cost}"
            return replace(RECIPES["feature_extraction"], reason=why)
    told = f"{size}; {seen}" if seen else size
    if time is None:
        too_long = not accelerated and total > _MOST_WITHOUT_GPU
        cost = "would take long without a GPU"
    else:
        too_long = minutes > _LONGEST_MINUTES
        cost = f"would take {time}"
    if too_long:
        why = f"{told}. Training the backbone {cost}; --recipe {wanted.name} does it all the same"
        return replace(RECIPES["feature_extraction"], reason=why)
    how = (
        "head first, then the backbone from the top at small rates"
        if wanted.name == "progressive"
        else "enough to train every layer at once, after the head"
    )
    ending = f", {time}" if time else ""
    return replace(wanted, reason=f"{told}. {how.capitalize()}{ending}")


def training_minutes(recipe: Recipe, images: int, seconds_per_image: float) -> float:
    """Longest time that the stages of a recipe which train the backbone can take.

    A training step costs the forward pass, and three times as much again for the part of the
    backbone that is unfrozen.  Measured on one busy CPU, everything unfrozen, in forward passes:
    2.8 (MobileNetV2 0.35), 3.6 (MobileNetV2 1.0), 4.1 (MobileNetV3 small), 6.4 (EfficientNetV2
    B0).  Early stopping, compilation and validation are not counted, nor epochs on cached
    features.

    Args:
        recipe: Its unfrozen stages count, with all their epochs.
        images: Training images.
        seconds_per_image: Of a forward pass of the backbone.

    Returns:
        Minutes.

    Example:
        >>> training_minutes(RECIPES["fine_tune"], images=500, seconds_per_image=0.01)
        4.0
    """
    passes = sum(
        stage.epochs * (1 + 3 * (stage.unfreeze if isinstance(stage.unfreeze, float) else 1.0))
        for stage in recipe.stages
        if not stage.frozen
    )
    return passes * images * seconds_per_image / 60


def bit_hyperrule(num_examples: int, *, batch_size: int = 32) -> Recipe:
    """BiT-HyperRule (Kolesnikov et al. 2020, arXiv:1912.11370), as far as it carries over.

    Taken over: everything trains at once, with no early stopping; 500 steps under 20,000 images,
    10,000 under 500,000 and 20,000 above; the share of them that warms the rate up (100, 500 and
    500 steps); no weight decay; flips and crops as the only augmentation under 20,000 images.

    Not taken over: SGD with momentum 0.9 at 0.003 and its staircase by 10, of which the place is
    taken by the AdamW, cosine and layer-wise rates of the other recipes, at their rate; batches of
    512 (give ``batch_size=512`` to see as many images as BiT did); the zero-initialised head, in
    whose place the head is first trained on cached features (Kumar et al. 2022,
    arXiv:2202.10054); 128 px for images under 96×96 px and 480 px for all others, since the
    model's size is fixed when it is built; MixUp of 0.1 from 20,000 images.

    Args:
        num_examples: Training images.
        batch_size: Images in a step, as given to ``fit``.

    Returns:
        A recipe of a head stage and one that trains everything.

    Raises:
        InputError: A number is below 1.

    Example:
        >>> bit_hyperrule(2_000).stages[-1].epochs
        8
    """
    if num_examples < 1 or batch_size < 1:
        raise InputError(
            f"BiT's rule goes by the number of images and the batch size, 1 or more; got "
            f"{num_examples} and {batch_size}"
        )
    steps, warmup = next(
        (steps, warmup) for bound, steps, warmup in _BIT_STEPS if num_examples < bound
    )
    epochs = math.ceil(steps / math.ceil(num_examples / batch_size))
    base = RECIPES["fine_tune"]
    head, everything = base.stages
    everything = replace(
        everything, epochs=epochs, patience=epochs, warmup=warmup / steps, schedule="cosine"
    )
    mixup = "" if num_examples < _PLENTY else "; BiT's MixUp is left out"
    return replace(
        base,
        name="bit_hyperrule",
        stages=(head, everything),
        weight_decay=0.0,
        reason=f"{num_examples:,} images: {steps:,} steps by BiT's rule, {epochs} epochs{mixup}",
    )
