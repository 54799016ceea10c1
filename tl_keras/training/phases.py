"""The two kinds of ``model.fit`` that a recipe is run by: a head on features, and the model."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from tl_keras.builders.classifier import augments_itself, head_model
from tl_keras.callbacks.averaged_evaluation import AveragedEvaluation
from tl_keras.callbacks.exact_resume import FitKeeper
from tl_keras.callbacks.input_profile import InputProfile
from tl_keras.callbacks.staged_unfreezing import apply_unfreeze, every_trainable_variable
from tl_keras.data.augment.presets import preset
from tl_keras.data.balancing import balance_classes
from tl_keras.data.pipeline import reading_errors, set_epoch
from tl_keras.tasks.task import Task
from tl_keras.training.closed_form import closed_form_head
from tl_keras.training.epoch_figure import EpochFigure
from tl_keras.training.feature_batches import EVALUATED_ROWS
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.inputs import batches_of
from tl_keras.training.journal import Journal
from tl_keras.training.optimizing import optimizer_for, rates_for
from tl_keras.training.out_of_memory import accumulate_gradients, fit_within_memory
from tl_keras.training.placement import Placement
from tl_keras.training.placing import placed
from tl_keras.training.recipes import Recipe, Stage
from tl_keras.training.replica_batches import replica_batches, steps_in
from tl_keras.training.resuming import RunCheckpoint
from tl_keras.training.stage_callbacks import RecipeUnfreezing, StageClock
from tl_keras.training.whitening import learned_whitening, share_within

# Head batches are rows of features; this many keep a step useful on few images.
_HEAD_BATCH = 32


@dataclass(frozen=True)
class Setup:
    """What all phases of one run share.

    Attributes:
        model: From ``build_classifier`` or its kin; its weights are the result.
        task: What it learns.
        train: Examples or arrays.
        val: The same, or None.
        recipe: Names objective and optimizer; its stages are given phase by phase.
        counts: Of each name in the training data.
        pixels: ``image_size``, ``resize`` and ``seed`` of the batches.
        batch_size: Images of a step on one device.
        placement: Where the backbone trains.
        extraction: What computes features of a frozen backbone.
        journal: Of the run.
        callbacks: The user's own, for phases that train the backbone, and for a head on cached
            features those with a true attribute ``on_features``.
        checkpoint: Of the run, or None.
        cache: Where decoded images are kept: ``"memory"``, a folder, or None.
        verbose: Whether lines go to standard error.
    """

    model: keras.Model
    task: Task
    train: Any
    val: Any
    recipe: Recipe
    counts: np.ndarray
    pixels: dict[str, Any]
    batch_size: int
    placement: Placement
    extraction: FeatureExtraction
    journal: Journal
    callbacks: Sequence[keras.callbacks.Callback]
    checkpoint: RunCheckpoint | None
    cache: str | os.PathLike | None
    verbose: bool

    def objective(self, model: keras.Model, mixed: bool = False) -> keras.losses.Loss:
        """The recipe's loss for these data."""
        names = self.task.names(self.train) if hasattr(self.train, "dataset") else ()
        return self.task.loss(model, self.recipe, self.counts, names, mixed)

    def balanced(self, batches: Any) -> Any:
        """These training batches, drawn as the recipe says.

        Raises:
            InputError: The recipe balances classes, and what is learned has none.
        """
        if self.task.target != "labels":
            return batches
        labels = self.train.labels if hasattr(self.train, "labels") else self.train[1]
        batches = self.task.batched(batches, np.asarray(labels))
        if self.recipe.balance is None:
            return batches
        return balance_classes(batches, np.asarray(labels), self.recipe.balance)


def phases(model: keras.Model, stages: Sequence[Stage], task: Task) -> list[list[Stage]]:
    """Stages by the ``fit()`` that trains them: one on features alone, others with their like."""
    found: list[list[Stage]] = []
    for stage in stages:
        if not found or any(on_features(model, one, task) for one in (stage, found[-1][0])):
            found.append([])
        found[-1].append(stage)
    return found


def on_features(model: keras.Model, stage: Stage, task: Task) -> bool:
    """Whether a stage trains the head on cached features.

    Heads that read maps instead of a vector do not: their features would be as large as images.

    A head that is computed is computed on features of plain images, whatever the model changes.
    A model's own augmentation layer gives new features every epoch; the pipeline's presets give
    the same ``stage.views`` again and again.  Mixed images have features of their own, too.
    """
    if stage.solver is not None:
        return True
    return task.pooled and stage.frozen and not augments_itself(model) and not stage.mixes


def fit_head(setup: Setup, stage: Stage) -> None:
    """Train the head on features that are computed once per image and augmented view."""
    apply_unfreeze(setup.model, 0)
    if stage.solver == "whitening":
        solve_projection(setup, stage)
        return
    if stage.solver is not None:
        solve_head(setup, stage)
        return
    features = setup.extraction.run(
        setup.train, augment=stage.augment, views=stage.views, what="training images"
    )
    held_out = None
    if setup.val is not None:
        held_out = setup.extraction.run(setup.val, what="validation images").batches(EVALUATED_ROWS)
    head = head_model(setup.model)
    own = [AveragedEvaluation()]
    watching = [one for one in setup.callbacks if getattr(one, "on_features", False)]
    if held_out is not None and setup.task.open_set:
        own.append(EpochFigure(setup.task, head_model(setup.task.final(setup.model)), held_out))
        held_out = None
    optimizer = optimizer_for(setup.recipe, head)
    head.compile(optimizer, setup.objective(setup.model), metrics=setup.task.metrics(setup.model))
    batches = features.batches(_HEAD_BATCH, shuffle=True, seed=setup.pixels["seed"])
    batches = setup.balanced(batches)
    clock = StageClock([stage], len(batches), setup.journal)
    head.fit(
        batches,
        validation_data=held_out,
        epochs=stage.epochs,
        callbacks=_kept([*own, clock, *watching], lambda: batches, setup.checkpoint),
        shuffle=False,
        verbose=0,
    )


def solve_head(setup: Setup, stage: Stage) -> None:
    """Compute the head from features; validation data are looked at, and choose nothing."""
    setup.journal.start_epoch()
    layer = setup.model.get_layer("predictions")
    parts = {"": setup.extraction.run(setup.train, what="training images")}
    if setup.val is not None:
        parts["val_"] = setup.extraction.run(setup.val, what="validation images")
    known = parts[""]
    head = closed_form_head(known.views[0], known.labels, layer.units, stage.solver)
    layer.kernel.assign(head.kernel)
    layer.bias.assign(head.bias)
    logs = {}
    for prefix, found in parts.items():
        said = head.probabilities(found.views[0])
        of_truth = said[np.arange(len(said)), found.labels]
        logs[f"{prefix}loss"] = float(-np.log(np.maximum(of_truth, 1e-12)).mean())
        logs[f"{prefix}accuracy"] = float((said.argmax(axis=1) == found.labels).mean())
    if head.left_out is not None:
        logs["left_out_accuracy"] = head.left_out
    setup.journal.add(stage.name, logs, 0.0, layer.trainable_variables)


def solve_projection(setup: Setup, stage: Stage) -> None:
    """Compute an embedder's projection from the training images, in the fixed views of a preset."""
    setup.journal.start_epoch()
    layer = setup.model.get_layer("projection")
    ways = preset(stage.augment).views
    known = setup.extraction.run_seen(setup.train, ways, what="training images")
    rows, labels = np.concatenate(known.views), np.tile(known.labels, len(known.views))
    kernel, bias = learned_whitening(rows, labels, layer.units)
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    head = head_model(setup.task.final(setup.model))

    def vectors(features: np.ndarray) -> np.ndarray:
        return setup.task.predictions(head, head.predict(features, verbose=0))

    logs = {"loss": share_within(vectors(known.views[0]), known.labels)}
    if setup.val is not None:
        held_out = setup.extraction.run(setup.val, what="validation images")
        found = setup.task.figure(held_out.labels, vectors(held_out.views[0]))
        logs[f"val_{setup.task.watch}"] = found
    setup.journal.add(stage.name, logs, 0.0, layer.trainable_variables)


def fit_stages(setup: Setup, stages: Sequence[Stage]) -> None:
    """Train the model itself through these stages, of one augmentation preset, in one ``fit()``."""
    placement = setup.placement
    stages = [
        replace(stage, learning_rate=placement.learning_rate(stage.learning_rate))
        for stage in stages
    ]
    mixed = stages[0].mixes and hasattr(setup.train, "dataset")
    target = setup.task.mixed_target if mixed else setup.task.target
    shape = {**setup.pixels, "batch_size": setup.batch_size, "target": target}
    held_out = None
    if setup.val is not None and not setup.task.open_set:
        held_out = replica_batches(setup.val, placement, **shape)
    parts = setup.checkpoint.parts if setup.checkpoint else 1

    def divided(count: int) -> Any:
        return setup.balanced(
            replica_batches(
                setup.train, placement, shuffle=True, augment=stages[0].augment, training=True,
                accumulate=count, cache=setup.cache, **shape,
            )
        )  # fmt: skip

    batches = divided(parts)
    clock = StageClock(stages, steps_in(batches), setup.journal)

    def batches_in(count: int) -> Any:
        nonlocal batches
        if count != parts:
            batches = divided(count)
            clock.steps = steps_in(batches)
        if setup.checkpoint:
            setup.checkpoint.parts = count
        return batches

    with placed(setup.model, placement) as working:
        own = [RecipeUnfreezing(clock, hold_norms=not setup.task.pooled), AveragedEvaluation()]
        if setup.val is not None and setup.task.open_set:
            shown = batches_of(setup.val, batch_size=setup.batch_size, **setup.pixels)
            own.append(EpochFigure(setup.task, setup.task.final(working), shown))
        own.append(clock)
        if setup.verbose and placement.strategy is None and hasattr(setup.train, "dataset"):
            own.append(InputProfile(batches))
        if working is not setup.model:
            setup.journal.follow(working, setup.model)
        # Rows that only fill a batch up have weight 0, and count in no figure.
        weighted = isinstance(placement.strategy, keras.distribution.DataParallel)
        working.compile(
            optimizer_for(setup.recipe, working, rates_for(setup.recipe, working)),
            setup.objective(setup.model, mixed),
            **{"weighted_metrics" if weighted else "metrics": setup.task.metrics(working)},
        )
        working.optimizer.build(every_trainable_variable(working))
        if parts > 1:
            accumulate_gradients(working.optimizer, parts)
        with reading_errors():
            fit_within_memory(
                working,
                batches_in,
                batch_size=setup.batch_size,
                log=lambda line: print(f"  {line}", file=sys.stderr),
                parts=parts,
                callbacks=_kept([*own, *setup.callbacks], lambda: batches, setup.checkpoint),
                validation_data=held_out,
                epochs=sum(stage.epochs for stage in stages),
                shuffle=False,
                verbose=0,
            )


def _kept(
    callbacks: Sequence[keras.callbacks.Callback],
    batches: Callable[[], Any],
    checkpoint: RunCheckpoint | None,
) -> list[keras.callbacks.Callback]:
    """These callbacks, the order of the data by epoch, and checkpoints where asked for."""
    # Whatever else looks at the data, order and augmentation stay functions of (seed, epoch).
    order = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, _: set_epoch(batches(), epoch)
    )
    return [*callbacks, order, *([FitKeeper(checkpoint, callbacks)] if checkpoint else [])]
