"""``fit``: a model, examples and a recipe in; a run out."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras

from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import stage_map
from tl_keras.builders.classifier import head_model
from tl_keras.callbacks.staged_unfreezing import apply_unfreeze, every_trainable_variable
from tl_keras.data.pipeline import reading_errors, set_epoch
from tl_keras.data.splitting import check_seed
from tl_keras.optimizers.layer_rates import layer_wise
from tl_keras.training.checks import check_inputs, check_recipe
from tl_keras.training.features import extract_features
from tl_keras.training.inputs import ArrayBatches, batches_of
from tl_keras.training.journal import Journal
from tl_keras.training.recipes import Recipe, Stage, choose_recipe, get_recipe
from tl_keras.training.run import Run
from tl_keras.training.stage_callbacks import RecipeUnfreezing, StageClock

# Head batches are rows of features; this many keep a step useful on few images.
_HEAD_BATCH = 32


def fit(
    model: keras.Model,
    train: Any,
    val: Any = None,
    *,
    recipe: str | Recipe | Sequence[Stage] = "auto",
    batch_size: int = 32,
    resize: str = "crop",
    seed: int = 0,
    pretrained: bool = True,
    verbose: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Train a classifier by a recipe and evaluate it.

    Stages that leave the backbone frozen run it once per image and train the head on the cached
    features.  The other stages run inside one ``model.fit``: the optimizer (AdamW, weight decay
    0.01 but none on biases and norms: Loshchilov & Hutter 2019) keeps its state from stage to
    stage, and lower layers move at lower rates.  Early stopping counts within each stage; at the
    end the model has the weights of the best epoch of the whole run.  Ctrl-C ends the training
    and keeps the best weights so far (``run.interrupted``).

    Args:
        model: From ``build_classifier``.  Trained in place.
        train: ``Examples``, or arrays: images (N, S, S, 3) RGB 0..255 and integer labels (N,).
        val: The same, for early stopping and the run's metrics; None for neither.
        recipe: ``"auto"``, ``"feature_extraction"``, ``"fine_tune"``, ``"progressive"``, a
            ``Recipe``, or a list of ``Stage``.
        batch_size: Images in a step.
        resize: How images are brought to the model's size: ``"crop"``, ``"pad"``, ``"stretch"``.
        seed: Of the order of images, augmentation and dropout.
        pretrained: Whether the backbone holds learned weights; ``"auto"`` asks.
        verbose: Whether progress goes to standard error.
        callbacks: More Keras callbacks for the stages that train the backbone.

    Returns:
        The run: model, history, metrics, and ``run.save(path)``.

    Raises:
        InputError: Data and model do not fit, or the recipe is unknown.

    Example:
        >>> run = tl.fit(model, train, val, recipe="progressive")  # doctest: +SKIP
        >>> run.metrics["accuracy"]["value"]  # doctest: +SKIP
        0.93
    """
    began = time.perf_counter()
    check_seed(seed)
    image_size, counts = check_inputs(model, train, val)
    if recipe == "auto":
        recipe = choose_recipe(counts[counts > 0].tolist(), pretrained, accelerated())
    recipe = get_recipe(recipe)
    check_recipe(model, recipe, arrays=not hasattr(train, "dataset"))
    keras.utils.set_random_seed(seed)
    shape = {"batch_size": batch_size, "image_size": image_size, "resize": resize, "seed": seed}
    journal = Journal(model, verbose)
    interrupted = False
    try:
        stages = list(recipe.stages)
        while stages:
            # Frozen stages and unfrozen ones are run in groups, in the order of the recipe.
            cached = _on_features(model, stages[0])
            group = [stages.pop(0)]
            while stages and not cached and not _on_features(model, stages[0]):
                group.append(stages.pop(0))
            if cached:
                _fit_head(model, train, val, group[0], journal, shape, verbose)
            else:
                _fit_stages(model, train, val, recipe, group, journal, shape, callbacks)
            journal.restore_best()
    except KeyboardInterrupt:
        interrupted = True
        journal.restore_best()
        if verbose:
            kept = f"epoch {journal.best['epoch']}" if journal.best else "the untrained head"
            print(f"\ninterrupted: the best weights so far ({kept}) are kept", file=sys.stderr)
    run = Run(
        model=model,
        recipe=recipe,
        history=journal.rows,
        best=journal.best,
        image_size=image_size,
        resize=resize,
        seed=seed,
        batch_size=batch_size,
        train=train,
        interrupted=interrupted,
        seconds=time.perf_counter() - began,
    )
    if val is not None:
        try:
            run.metrics = run.evaluate(val)
        except KeyboardInterrupt:
            run.interrupted = True
    return replace(run, seconds=time.perf_counter() - began)


def _on_features(model: keras.Model, stage: Stage) -> bool:
    # Augmentation, of the pipeline or of the model itself, gives new features every epoch.
    own = any(layer.name == "augmentation" for layer in model.layers)
    return stage.frozen and stage.augment == "none" and not own


def accelerated() -> bool:
    """Whether Keras' backend has a GPU or TPU at hand."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return bool(tf.config.list_physical_devices("GPU"))
    if backend == "jax":
        import jax

        return jax.default_backend() != "cpu"
    import torch

    return torch.cuda.is_available()


def _loss(model: keras.Model) -> keras.losses.Loss:
    layer = model.get_layer("predictions")
    logits = getattr(layer.activation, "__name__", "") == "linear"
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


def adamw(rates: Any = ()) -> keras.optimizers.Optimizer:
    """AdamW with weight decay 0.01, spared to biases and norms; ``rates`` as in ``layer_wise``."""
    optimizer = layer_wise(keras.optimizers.AdamW(1e-3, weight_decay=0.01), rates)
    # Substrings of variable names: biases, and the scale and shift of every norm layer.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _fit_head(
    model: keras.Model, train: Any, val: Any, stage: Stage, journal: Journal, shape: dict,
    verbose: bool,
) -> None:  # fmt: skip
    apply_unfreeze(model, 0)
    arrays = [
        None if data is None else extract_features(model, batches_of(data, **shape), name, verbose)
        for name, data in (("training images", train), ("validation images", val))
    ]
    head = head_model(model)
    head.compile(optimizer=adamw(), loss=_loss(model), metrics=["accuracy"])
    batches = ArrayBatches(*arrays[0], _HEAD_BATCH, shuffle=True, seed=shape["seed"])
    clock = StageClock([stage], len(batches), journal)
    head.fit(
        batches,
        validation_data=arrays[1],
        epochs=stage.epochs,
        callbacks=[clock],
        shuffle=False,
        verbose=0,
    )


def _fit_stages(
    model: keras.Model, train: Any, val: Any, recipe: Recipe, stages: Sequence[Stage],
    journal: Journal, shape: dict, callbacks: Sequence[keras.callbacks.Callback],
) -> None:  # fmt: skip
    batches = batches_of(train, shuffle=True, augment=stages[0].augment, **shape)
    held_out = None if val is None else batches_of(val, **shape)
    model.compile(
        optimizer=adamw(_backbone_rates(model, recipe.bottom_rate)),
        loss=_loss(model),
        metrics=["accuracy"],
    )
    model.optimizer.build(every_trainable_variable(model))
    clock = StageClock(stages, len(batches), journal)
    own = [RecipeUnfreezing(clock), clock]
    if hasattr(train, "dataset"):
        # Whatever else looks at the data, order and augmentation stay functions of (seed, epoch).
        own.append(
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, _: set_epoch(batches, epoch)
            )
        )
    with reading_errors():
        model.fit(
            batches,
            validation_data=held_out,
            epochs=sum(stage.epochs for stage in stages),
            callbacks=[*own, *callbacks],
            shuffle=False,
            verbose=0,
        )


def _backbone_rates(model: keras.Model, bottom: float) -> list[tuple[list[keras.Variable], float]]:
    """Geometric factors from ``bottom`` at the lowest stage towards 1 at the head."""
    stages = stage_map(find_backbone(model)).stages
    return [
        ([v for layer in stage.layers for v in layer.variables], bottom ** (1 - i / len(stages)))
        for i, stage in enumerate(stages)
    ]
