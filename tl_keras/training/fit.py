"""``fit``: a model, examples and a recipe in; a run out."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from tl_keras.backbones.registry import find_backbone
from tl_keras.builders.head_dropout import set_dropout
from tl_keras.data.splitting import check_seed
from tl_keras.errors import InputError
from tl_keras.tasks.registry import get_task, task_of
from tl_keras.tasks.task import Task
from tl_keras.training.checks import check_inputs, check_recipe
from tl_keras.training.dense_recipes import dense_recipe
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_extraction import FeatureExtraction
from tl_keras.training.journal import Journal
from tl_keras.training.phases import Setup, fit_head, fit_stages, on_features, phases
from tl_keras.training.placement import choose_placement
from tl_keras.training.recipe_names import known_recipe
from tl_keras.training.recipes import Recipe, Stage, augmented, with_loss
from tl_keras.training.resolving import recipe_for, remembered
from tl_keras.training.resuming import RunCheckpoint, run_identity
from tl_keras.training.run import Run
from tl_keras.training.tracking.settings import figures_told, settings_told
from tl_keras.training.tracking.tracker import Guarded, Tracker


def fit(
    model: keras.Model,
    train: Any,
    val: Any = None,
    *,
    task: str | Task | None = None,
    recipe: str | Path | Recipe | Sequence[Stage] = "auto",
    batch_size: int | None = None,
    resize: str | None = None,
    augment: str | None = None,
    loss: str | None = None,
    seed: int = 0,
    pretrained: bool = True,
    strategy: Any = "auto",
    precision: str = "auto",
    cache: str | Path | None = None,
    features: FeatureCache | None = None,
    resume: str | Path | None = None,
    verbose: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    track: Tracker | None = None,
) -> Run:
    """Train a model of our builders by a recipe and evaluate it.

    Stages that leave the backbone frozen run it once per image (and augmented view) and train the
    head on the cached features, where the head reads one vector an image.  The other stages run
    inside one ``model.fit``: the optimizer (AdamW, weight decay 0.01 but none on biases and norms:
    Loshchilov & Hutter 2019) keeps its state from stage to stage, and lower layers move at lower
    rates.  BatchNorm layers of heads that read maps are held from the second stage on, as the
    base's always are.  Early stopping counts within each stage; at the end the model has the
    weights of the best epoch of the whole run by the validation data, or of the last epoch where
    there are none.  Ctrl-C ends the training and keeps the best weights so far
    (``run.interrupted``).

    Args:
        model: From ``build_classifier``, ``build_detector`` and their kin.  Trained in place.
        train: ``Examples``, or arrays: images (N, S, S, 3) RGB 0..255 and integer labels (N,), or
            tags (N, T) of 1, 0 and -1 for not known, or what ``Examples.dataset`` gives for a box,
            boxes, pixels or instances.
        val: The same, for early stopping and the run's metrics; None for neither.
        task: ``"classify"``, ``"tag"``, ``"localize"``, ``"detect"``, ``"segment"``,
            ``"instances"``, ``"embed"`` or a record; by default that of the model's builder.
        recipe: ``"auto"``, ``"feature_extraction"``, ``"fine_tune"``, ``"progressive"``,
            ``"bit_hyperrule"``, the path of a TOML file, a ``Recipe``, or a list of ``Stage``;
            ``"ridge"`` and ``"prototypes"`` compute the head in closed form, from any number of
            images of each class, and ``"whitening"`` an embedder's projection.
        batch_size: Images in a step, on each device; None: the task's own (32 for one answer an
            image, 8 for boxes and masks).
        resize: How images are brought to the model's size: ``"crop"``, ``"pad"``, ``"stretch"``;
            None: the task's own (crop for one answer an image; stretch, which loses nothing, for
            boxes and masks).
        augment: Preset of ``tl_keras.data.augment`` for the stages of the recipe that augment,
            such as ``"none"``, ``"strong"``, ``"texture"``; None: the recipe's own.
        loss: In place of the recipe's, such as ``"focal"``, or for an embedder ``"arcface"``,
            ``"cosface"``, ``"proxy_anchor"``, ``"triplet"``, ``"supervised_contrastive"``.
        seed: Of the order of images, augmentation and dropout.
        pretrained: Whether the backbone holds learned weights; ``"auto"`` asks.
        strategy: Where the backbone is trained: ``"auto"`` takes a TPU, several GPUs, one GPU or
            the CPU, or the workers of ``TF_CONFIG``; see
            ``tl_keras.training.placement.choose_placement``.  Rates grow with the number of
            devices as is said there.
        precision: ``"auto"``, ``"float32"``, ``"mixed_bfloat16"`` or ``"mixed_float16"``.
        cache: Where decoded images are kept between epochs: ``"memory"``, a folder (for later runs
            as well), or None to decode anew; see ``Examples.dataset``.
        features: Where features of the frozen backbone are kept, such as
            ``FeatureCache("features/")`` to find them again in a later run; by default in memory.
        resume: A folder for checkpoints of this run alone.  A run that was killed goes on from
            there, by the same call, and ends with the weights of one that was not, bit for bit (on
            the same machine's CPU); a run that ended is returned as it was.  ``callbacks`` take
            part as in ``tl_keras.callbacks.ExactResume``.  Several workers need one that all of
            them see; the chief writes.
        verbose: Whether progress goes to standard error.
        callbacks: More Keras callbacks for the stages that train the backbone; those with a true
            attribute ``on_features`` also see the epochs of a head on cached features, whose model
            is named ``"head"``.
        track: Is told of settings, every epoch of all stages and the final figures, and by
            ``run.save`` of the artefact: ``TensorBoard(folder)``, ``MLflow()``, ``WandB()`` of
            ``tl_keras.training.tracking``, or an object of your own.

    Returns:
        The run: model, history, metrics, and ``run.save(path)``.

    Raises:
        InputError: Data and model do not fit, the recipe is unknown, the hardware asked for is
            not there, or ``resume`` holds another run.

    Example:
        >>> run = tl.fit(model, train, val, recipe="progressive")  # doctest: +SKIP
        >>> run.metrics["accuracy"]["value"]  # doctest: +SKIP
        0.93
    """
    began = time.perf_counter()
    check_seed(seed)
    if not isinstance(task, Task):
        task = task_of(model) if task is None else get_task(task)
    train = task.prepared(train)
    if val is not None:
        val = task.prepared(val)
    image_size, counts = check_inputs(model, train, val, task)
    batch_size = task.batch_size if batch_size is None else batch_size
    resize = task.resize if resize is None else resize
    placement = choose_placement(strategy, precision)
    known = known_recipe(recipe, dense=not task.pooled)
    if known is not None:
        known = with_loss(augmented(known, augment), loss)
        check_recipe(model, known, task, arrays=not hasattr(train, "dataset"))
    pixels = {"image_size": image_size, "resize": resize, "seed": seed}
    extraction = None
    if task.pooled:
        extraction = FeatureExtraction(
            model, **pixels, batch_size=batch_size, target=task.target, cache=features,
            verbose=verbose,
        )  # fmt: skip
    folder = None if resume is None else Path(resume)
    if known is None:

        def choose() -> Recipe:
            if extraction is None:
                images = len(train if hasattr(train, "dataset") else train[1])
                chosen = dense_recipe(recipe, images, batch_size, pretrained, placement, task.pace)
            else:
                chosen = recipe_for(
                    recipe, model, counts, batch_size, pretrained, placement,
                    features=lambda: extraction.run(train, what="training images"),
                )  # fmt: skip
            return with_loss(augmented(chosen, augment), loss)

        known = choose() if folder is None else remembered(folder, choose, placement.chief)
        check_recipe(model, known, task, arrays=not hasattr(train, "dataset"))
    recipe = known
    if verbose:
        stages = " -> ".join(stage.name for stage in recipe.stages)
        print(f"Recipe: {recipe.name} ({stages}): {recipe.reason}.", file=sys.stderr)
        if placement.kind != "cpu":
            print(f"Trains on {placement}.", file=sys.stderr)
    if recipe.dropout is not None:
        set_dropout(model, recipe.dropout)
    keras.utils.set_random_seed(seed)  # of weights that are made for the loss
    learner = task.learner(model, recipe, counts)
    tracker = Guarded(track)
    journal = Journal(learner, verbose, task.watch, tracker)
    checkpoint = None
    if folder is not None:
        settings = {**pixels, "batch_size": batch_size, "devices": placement.replicas}
        identity = run_identity(learner, recipe, train, val, settings)
        checkpoint = RunCheckpoint(folder, identity, journal, placement.chief)
        began = min(began, journal.began)
    setup = Setup(
        model=learner, task=task, train=train, val=val, recipe=recipe, counts=counts, pixels=pixels,
        batch_size=batch_size, placement=placement, extraction=extraction, journal=journal,
        callbacks=callbacks, checkpoint=checkpoint, cache=cache, verbose=verbose,
    )  # fmt: skip
    settings = {
        **pixels, "task": task.name, "backbone": find_backbone(model).name,
        "batch_size": batch_size, "parameters": model.count_params(), "device": str(placement),
    }  # fmt: skip
    tracker.start(settings_told(recipe, **settings), journal.rows, folder)
    interrupted = False
    try:
        for stages in phases(model, recipe.stages, task)[checkpoint.phase if checkpoint else 0 :]:
            # What a phase draws must not depend on whether those before it ran in this process.
            keras.utils.set_random_seed(seed)
            if on_features(model, stages[0], task):
                fit_head(setup, stages[0])
            else:
                fit_stages(setup, stages)
            journal.restore_best()
            if checkpoint:
                checkpoint.phase_done()
    except KeyboardInterrupt:
        interrupted = True
        journal.restore_best()
        if verbose:
            kept = f"epoch {journal.best['epoch']}" if journal.best else "the untrained head"
            print(f"\ninterrupted: the best weights so far ({kept}) are kept", file=sys.stderr)
    run = Run(
        model=model,
        task=task,
        recipe=recipe,
        counts=counts,
        history=journal.rows,
        best=journal.best,
        image_size=image_size,
        resize=resize,
        seed=seed,
        batch_size=batch_size,
        train=train,
        val=val,
        interrupted=interrupted,
        seconds=time.perf_counter() - began,
        tracker=tracker,
    )
    if val is not None:
        try:
            frozen = all(on_features(model, stage, task) for stage in recipe.stages)
            known = {}
            if frozen:
                known["features"] = extraction.run(val, what="validation images")
            if frozen and any(one.solver or one.augment == "none" for one in recipe.stages):
                known["trained"] = lambda: extraction.run(train, what="training images")
            run.validate(val, **known)
        except KeyboardInterrupt:
            run.interrupted = True
        except InputError as problem:  # the trained model must not be lost over its figures
            print(f"tl-keras: not measured on the validation data: {problem}", file=sys.stderr)
    tracker.end(figures_told(task, run.metrics), run.interrupted)
    return replace(run, seconds=time.perf_counter() - began)
