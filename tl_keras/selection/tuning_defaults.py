"""What a search is compared with: the recipe that training takes where nobody says."""

import numpy as np

from tl_keras.callbacks.staged_unfreezing import check_unfreeze
from tl_keras.selection.search_space import SearchSpace, depths_of
from tl_keras.selection.tuning_trial import Trainer
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.placement import choose_placement
from tl_keras.training.recipes import Recipe
from tl_keras.training.resolving import recipe_for


def default_recipe(trainer: Trainer, space: SearchSpace, seed: int, verbose: bool) -> Recipe:
    """What ``recipe="auto"`` takes; every depth of the search is tried on the model besides."""
    model = trainer.model(space.defaults)
    for depth in depths_of(space):
        check_unfreeze(model, depth)
    train = trainer.data.train
    extraction = FeatureExtraction(
        model, image_size=model.input_shape[1], batch_size=trainer.batch_size,
        resize=trainer.resize, seed=seed, cache=trainer.features, verbose=verbose,
    )  # fmt: skip
    return recipe_for(
        "auto", model, np.bincount(train.labels, minlength=len(train.class_names)),
        trainer.batch_size, trainer.bases[space.defaults["base"]].weights is not None,
        choose_placement("auto", "auto"),
        features=lambda: extraction.run(train, what="training images"),
    )  # fmt: skip
