"""What a recipe's training minimises."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tl_keras.losses import (
    SparseCrossentropy,
    SparseFocalCrossentropy,
    SparseLogitAdjustedCrossentropy,
    class_weights,
)


def loss_for(
    model: keras.Model,
    recipe: Any,
    counts: Sequence[int] | np.ndarray,
    class_names: Sequence[str] = (),
    mixed: bool = False,
) -> keras.losses.Loss:
    """The loss of a recipe on integer labels, or on shares of classes.

    Args:
        model: Of ``build_classifier``; its last layer says whether predictions are logits.
        recipe: A ``tl_keras.Recipe``: names loss, label smoothing and class weights.
        counts: Training images of each class, for class weights and priors; a class without any
            has the prior of one image.
        class_names: Names of the classes, for class weights by name.
        mixed: Whether targets are rows of shares, of images that were mixed.

    Returns:
        Keras' own ``SparseCategoricalCrossentropy`` where the recipe asks for nothing more.

    Raises:
        InputError: Class weights name a class that there is not.

    Example:
        >>> loss_for(model, RECIPES["fine_tune"], counts)  # doctest: +SKIP
        <SparseCategoricalCrossentropy>
    """
    activation = getattr(model.get_layer("predictions").activation, "__name__", "")
    logits = activation == "linear"
    weights = None
    if recipe.class_weights is not None:
        weights = class_weights(recipe.class_weights, counts, class_names)
    plain = recipe.loss == "crossentropy" and weights is None and not recipe.label_smoothing
    if plain and not mixed:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    common = {
        "label_smoothing": recipe.label_smoothing, "class_weights": weights, "from_logits": logits
    }  # fmt: skip
    if recipe.loss == "logit_adjusted":
        return SparseLogitAdjustedCrossentropy(np.maximum(counts, 1), **common)
    kind = SparseFocalCrossentropy if recipe.loss == "focal" else SparseCrossentropy
    return kind(**common)
