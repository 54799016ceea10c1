"""``lr_find``: which learning rates a model can be trained with, in some seconds."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from tl_keras.builders.classifier import head_model
from tl_keras.callbacks.staged_unfreezing import apply_unfreeze
from tl_keras.data.pipeline import reading_errors
from tl_keras.data.splitting import check_seed
from tl_keras.errors import InputError
from tl_keras.tasks.registry import task_of
from tl_keras.tasks.task import Task
from tl_keras.training.checks import check_inputs
from tl_keras.training.features import extract_features
from tl_keras.training.inputs import ArrayBatches, batches_of
from tl_keras.training.lr_result import LRFind, smooth
from tl_keras.training.model_copy import copy_model, seed_copy
from tl_keras.training.optimizing import optimizer_for, rates_for
from tl_keras.training.recipe_names import known_recipe
from tl_keras.training.recipes import Recipe, Stage

# A loss this many times the lowest, and above where it began, does not come back (fastai's bound).
_BLOWN_UP = 4.0
# Images that a test on cached features looks at: more cost time and hardly change the curve.
_ENOUGH_IMAGES = 1_000


def lr_find(
    model: keras.Model,
    train: Any,
    *,
    unfreeze: int | float | str = 0,
    recipe: str | Recipe | Sequence[Stage] = "fine_tune",
    min_rate: float = 1e-6,
    max_rate: float = 1.0,
    steps: int = 100,
    batch_size: int = 32,
    resize: str = "crop",
    seed: int = 0,
    verbose: bool = True,
) -> LRFind:
    """Raise the learning rate step by step, on a copy of the model, and watch the loss.

    The range test of Smith (2017, arXiv:1506.01186) with fastai's two readings of the curve: the
    rate rises exponentially from ``min_rate`` to ``max_rate``, one batch a step, until the loss
    blows up.  The given model is only read: weights, trainable flags, optimizer, random states
    and compile state stay as they are, bit for bit.

    A model of ``build_classifier`` is tested with the optimizer, layer-wise rates and loss that
    ``tl_keras.fit`` gives it; ``rates`` are those of the head, as in ``Stage.learning_rate``.
    While its backbone is frozen, the test runs on cached features of at most 1,000 images.  Any
    other model has to be compiled, and is tested with its own optimizer and loss as they stand.

    Args:
        model: Of ``build_classifier``, or any compiled ``keras.Model``.
        train: ``Examples``, or arrays ``(inputs, labels)``; for a model of your own also anything
            that yields batches ``(inputs, targets)`` or ``(inputs, targets, weights)``.
        unfreeze: What of the backbone trains, as in ``Stage``; for a model of your own leave it
            out: what is trainable, trains.
        recipe: Whose optimizer, layer-wise rates and loss are used, as in ``fit``; its stages are
            not.  A model of your own has its own.
        min_rate: First learning rate, above 0.
        max_rate: Last learning rate.
        steps: Batches at most, 20 or more.
        batch_size: Rows of a batch, where ``train`` is not made of batches.
        resize: How examples are brought to the model's size: ``"crop"``, ``"pad"``, ``"stretch"``.
        seed: Of the order of images and of dropout.
        verbose: Whether a progress bar goes to standard error.

    Returns:
        Rates, losses, ``suggestion.valley`` and ``suggestion.steepest``, and ``plot(path)``.

    Raises:
        InputError: An argument cannot be used, or model and data do not fit each other.

    Example:
        >>> found = tl.lr_find(model, train)  # doctest: +SKIP
        >>> found.suggestion.valley  # doctest: +SKIP
        0.0025
        >>> found.plot("rates.png")  # doctest: +SKIP
    """
    _check(min_rate, max_rate, steps, batch_size)
    check_seed(seed)
    recipe = known_recipe(recipe)
    if recipe is None:
        raise InputError(
            "a range test takes a recipe's optimizer, and this one is made when training begins; "
            "give fine_tune, another recipe with a name, or a TOML file"
        )
    shape = {"batch_size": batch_size, "resize": resize, "seed": seed}
    if not {"pooling", "predictions"} <= {layer.name for layer in model.layers}:
        copy, batches = _own(model, train, unfreeze, shape)
    elif unfreeze in (0, 0.0):
        copy, batches = _head(model, train, recipe, shape, steps * batch_size, verbose)
    else:
        copy, batches = _unfrozen(model, train, recipe, unfreeze, shape)
    seed_copy(copy, seed)
    return _test(copy, batches, np.geomspace(min_rate, max_rate, steps), verbose)


def _check(min_rate: float, max_rate: float, steps: int, batch_size: int) -> None:
    if not 0 < min_rate < max_rate < float("inf"):
        raise InputError(
            f"the rate rises from min_rate to max_rate, 0 < min < max; got {min_rate}, {max_rate}"
        )
    if steps < 20:
        raise InputError(f"a range test of {steps} steps shows nothing; give steps=20 or more")
    if batch_size < 1:
        raise InputError(f"batch_size is 1 or more; got {batch_size}")


def _head(
    model: keras.Model, train: Any, recipe: Recipe, shape: dict, most: int, verbose: bool
) -> tuple[keras.Model, Any]:
    """A copy of the head, and batches of the frozen backbone's features."""
    task = task_of(model)
    train = task.prepared(train)
    size, counts = check_inputs(model, train, None, task)
    some = _some(train, min(most, _ENOUGH_IMAGES), shape["seed"])
    features = extract_features(
        model,
        batches_of(some, image_size=size, target=task.target, **shape),
        "training images",
        verbose,
    )
    copy = copy_model(head_model(model))
    copy.compile(optimizer_for(recipe, copy), _loss(copy, recipe, counts, train, task))
    return copy, ArrayBatches(*features, shape["batch_size"], shuffle=True, seed=shape["seed"])


def _unfrozen(
    model: keras.Model, train: Any, recipe: Recipe, unfreeze: Any, shape: dict
) -> tuple[keras.Model, Any]:
    """A copy of the whole model, some of its backbone trainable, and batches of images."""
    task = task_of(model)
    train = task.prepared(train)
    size, counts = check_inputs(model, train, None, task)
    copy = copy_model(model)
    apply_unfreeze(copy, unfreeze)
    rates = rates_for(recipe, copy)
    copy.compile(optimizer_for(recipe, copy, rates), _loss(copy, recipe, counts, train, task))
    return copy, batches_of(train, image_size=size, shuffle=True, target=task.target, **shape)


def _loss(
    copy: keras.Model, recipe: Recipe, counts: np.ndarray, train: Any, task: Task
) -> keras.losses.Loss:
    names = task.names(train) if hasattr(train, "dataset") else ()
    return task.loss(copy, recipe, counts, names)


def _own(model: keras.Model, train: Any, unfreeze: Any, shape: dict) -> tuple[keras.Model, Any]:
    """A copy of somebody's own compiled model, and batches of what it takes."""
    if not model.compiled or model.optimizer is None:
        raise InputError(
            f"model {model.name!r} is neither of tl_keras.build_classifier nor compiled; compile "
            "it with the loss and the optimizer that it will be trained with"
        )
    if unfreeze not in (0, 0.0):
        raise InputError(
            "unfreeze is for models of tl_keras.build_classifier; set the trainable flags of your "
            "own model, and leave unfreeze out"
        )
    copy = copy_model(model)
    compiled = {
        **model._compile_config.config,
        "optimizer": _fresh_optimizer(model, copy),
        "metrics": None,
        "weighted_metrics": None,
        "steps_per_execution": 1,
    }
    copy.compile(**compiled)
    if hasattr(train, "dataset"):
        return copy, batches_of(train, image_size=model.input_shape[1], shuffle=True, **shape)
    if isinstance(train, tuple | list) and len(train) == 2:
        inputs, targets = (np.asarray(part) for part in train)
        if len(inputs) != len(targets) or not len(inputs):
            raise InputError(f"{len(inputs)} inputs and {len(targets)} targets make no batches")
        return copy, ArrayBatches(inputs, targets, shape["batch_size"], True, shape["seed"])
    if not hasattr(train, "__iter__") or hasattr(train, "__next__"):
        raise InputError(
            f"the training data is {type(train).__name__}; give examples, a pair of arrays, or "
            "what can be gone through again and again: a tf.data.Dataset, a PyDataset"
        )
    return copy, train


def _fresh_optimizer(model: keras.Model, copy: keras.Model) -> keras.optimizers.Optimizer:
    """The model's optimizer before its first step, with a rate that can be set."""
    # Under mixed precision compile() wraps it again.
    old = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    new = type(old).from_config({**old.get_config(), "learning_rate": 1e-3})
    rates = getattr(old, "rates_by_id", None)
    if rates:
        # Layer-wise rates are kept by the variable, and the copy's are others.
        pairs = zip(model.variables, copy.variables, strict=True)
        new.rates_by_id = {id(b): rates[id(a)] for a, b in pairs if id(a) in rates}
    return new


def _some(train: Any, most: int, seed: int) -> Any:
    """At most so many of the training examples, drawn by the seed."""
    count = len(train) if hasattr(train, "dataset") else len(train[1])
    if count <= most:
        return train
    rows = np.sort(np.random.default_rng(seed).permutation(count)[:most])
    if hasattr(train, "dataset"):
        return train.subset(rows)
    return np.asarray(train[0])[rows], np.asarray(train[1])[rows]


def _again_and_again(batches: Any) -> Iterator[tuple]:
    """Batches of numpy arrays without end; a last, smaller one is noisier and is left out."""
    largest = 0
    while True:
        found = False
        for batch in batches:
            found = True
            batch = keras.tree.map_structure(np.asarray, tuple(batch))
            rows = len(keras.tree.flatten(batch[0])[0])
            largest = max(largest, rows)
            if rows == largest:
                yield batch
        if not found:
            raise InputError("the training data yields no batch; give one image or more")
        if isinstance(batches, keras.utils.PyDataset):
            batches.on_epoch_end()


def _test(copy: keras.Model, batches: Any, rates: np.ndarray, verbose: bool) -> LRFind:
    losses, diverged = [], False
    bar = tqdm(
        rates, desc="  learning rates", unit="step", disable=not verbose, file=sys.stderr,
        leave=False,
    )  # fmt: skip
    with reading_errors():
        for rate, batch in zip(bar, _again_and_again(batches), strict=False):
            copy.optimizer.learning_rate = float(rate)
            loss = float(copy.train_on_batch(*batch, return_dict=True)["loss"])
            if not np.isfinite(loss):
                diverged = True
                break
            losses.append(loss)
            smoothed = smooth(np.array(losses))
            bar.set_postfix(rate=f"{rate:.1e}", loss=f"{smoothed[-1]:.4f}", refresh=False)
            if smoothed[-1] > max(_BLOWN_UP * smoothed.min(), smoothed[0]):
                diverged = True
                break
    if not losses:
        raise InputError(
            "the loss of the first step is not a finite number; look at the data and the loss"
        )
    losses = np.array(losses)
    return LRFind(rates[: len(losses)], losses, smooth(losses), diverged)
