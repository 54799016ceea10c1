"""The optimizer of a recipe."""

from collections.abc import Sequence

import keras

from tl_keras.optimizers.layer_rates import layer_wise
from tl_keras.optimizers.rates_by_stage import stage_rates
from tl_keras.optimizers.weight_decay import spare_from_decay
from tl_keras.training.recipes import Recipe


def optimizer_for(
    recipe: Recipe,
    model: keras.Model,
    rates: Sequence[tuple[Sequence[keras.Variable], float]] = (),
) -> keras.optimizers.Optimizer:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) as the recipe asks for it.

    Args:
        recipe: Names weight decay, clipping and the average of weights.
        model: The model that it will train; its biases and norms are spared weight decay.
        rates: As in ``layer_wise``, such as ``stage_rates`` returns.

    Returns:
        An unbuilt optimizer; its ``learning_rate`` is settable at every step.

    Example:
        >>> model.compile(optimizer_for(recipe, model, rates), loss)  # doctest: +SKIP
    """
    averaged = {} if recipe.ema is None else {"use_ema": True, "ema_momentum": recipe.ema}
    base = keras.optimizers.AdamW(
        1e-3,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm,
        **averaged,
    )
    return spare_from_decay(layer_wise(base, rates), model)


def rates_for(recipe: Recipe, model: keras.Model) -> list[tuple[list[keras.Variable], float]]:
    """Factors of the rate from ``recipe.bottom_rate`` at the lowest stage towards 1 at the head.

    Args:
        recipe: Names the factor of the lowest stage; those between are spaced geometrically.
        model: Holds the backbone.

    Returns:
        As ``stage_rates`` does.

    Example:
        >>> optimizer = optimizer_for(recipe, model, rates_for(recipe, model))  # doctest: +SKIP
    """
    return stage_rates(model, recipe.bottom_rate ** (1 / len(stage_rates(model))))
