"""Everything that can be known to be wrong before the first step is found before it."""

from typing import Any

import keras
import numpy as np

from tl_keras.backbones.registry import find_backbone
from tl_keras.callbacks.staged_unfreezing import check_unfreeze
from tl_keras.data.augmentation import preset
from tl_keras.errors import InputError
from tl_keras.training.recipes import Recipe


def check_inputs(model: keras.Model, train: Any, val: Any) -> tuple[int, np.ndarray]:
    """The model's image size, px, and the training images of each class.

    Raises:
        InputError: Model and data do not fit each other.
    """
    find_backbone(model)
    names = {layer.name for layer in model.layers}
    if not {"pooling", "predictions"} <= names or len(model.input_shape) != 4:
        raise InputError(
            "tl_keras.fit trains models of build_classifier; give one, or use model.fit with "
            "tl_keras.callbacks.StagedUnfreezing"
        )
    classes = model.output_shape[-1]
    counts = np.bincount(_labels(train, classes, "training"), minlength=classes)
    if val is not None:
        _labels(val, classes, "validation")
        order = [getattr(data, "class_names", None) for data in (train, val)]
        if None not in order and order[0] != order[1]:
            raise InputError(
                f"training and validation data name different classes ({', '.join(order[0])}; "
                f"{', '.join(order[1])}); read both from folders of the same classes"
            )
    return model.input_shape[1], counts


def _labels(data: Any, classes: int, part: str) -> np.ndarray:
    if hasattr(data, "class_names"):
        if len(data.class_names) != classes:
            raise InputError(
                f"the {part} data has {len(data.class_names)} classes, the model {classes}; build "
                f"it with num_classes={len(data.class_names)}"
            )
        labels = np.asarray(data.labels)
    elif isinstance(data, tuple | list) and len(data) == 2:
        labels = np.asarray(data[1])
    else:
        raise InputError(
            f"the {part} data is {type(data).__name__}; give examples (tl_keras.data.from_folder) "
            "or a pair (images, labels)"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(
            f"{part} labels are {labels.dtype} of shape {labels.shape}; give whole numbers of "
            "shape (N,), such as labels.ravel() or one_hot.argmax(-1)"
        )
    if not labels.size:
        raise InputError(f"there are no {part} images; give at least one of each class")
    if labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"{part} labels run from {labels.min()} to {labels.max()}; a model of {classes} "
            f"classes needs 0 to {classes - 1}"
        )
    return labels


def check_recipe(model: keras.Model, recipe: Recipe, arrays: bool) -> None:
    """Find out whether every stage can be run.

    Raises:
        InputError: A stage unfreezes what the backbone does not have, or its augmentation is
            unknown, or differs between stages of one ``fit()``.
    """
    for stage in recipe.stages:
        check_unfreeze(model, stage.unfreeze)
        preset(stage.augment)
    trained = [stage.augment for stage in recipe.stages if not stage.frozen]
    if len(set(trained)) > 1:
        raise InputError(
            "stages that train the backbone share one augmentation preset; this recipe names "
            + ", ".join(sorted(set(trained)))
        )
    # The recipes with a name augment where they can; a list of one's own asks for it.
    asked = recipe.name == "custom" and any(stage.augment != "none" for stage in recipe.stages)
    if arrays and asked:
        raise InputError(
            "arrays are not augmented by a stage; give examples from files, or "
            "build_classifier(augmentation=...)"
        )
