"""What a recipe's training minimises."""

from collections.abc import Sequence

import keras
import numpy as np

from tl_keras.losses import (
    SparseCrossentropy,
    SparseFocalCrossentropy,
    SparseLogitAdjustedCrossentropy,
    class_weights,
)
from tl_keras.training.recipes import Recipe


def loss_for(
    model: keras.Model,
    recipe: Recipe,
    counts: Sequence[int] | np.ndarray,
    class_names: Sequence[str] = (),
) -> keras.losses.Loss:
    """The loss of a recipe on integer labels.

    Args:
        model: Of ``build_classifier``; its last layer says whether predictions are logits.
        recipe: Names loss, label smoothing and class weights.
        counts: Training images of each class, for class weights and priors; a class without any
            has the prior of one image.
        class_names: Names of the classes, for class weights by name.

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
    if recipe.loss == "crossentropy" and weights is None and not recipe.label_smoothing:
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    common = {
        "label_smoothing": recipe.label_smoothing, "class_weights": weights, "from_logits": logits
    }  # fmt: skip
    if recipe.loss == "logit_adjusted":
        return SparseLogitAdjustedCrossentropy(np.maximum(counts, 1), **common)
    kind = SparseFocalCrossentropy if recipe.loss == "focal" else SparseCrossentropy
    return kind(**common)
