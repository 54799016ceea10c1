"""One training of a search: from settings to a run, cut short where others do better."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tl_keras.errors import InputError
from tl_keras.selection.search_parameters import Settings
from tl_keras.selection.tuned_recipe import recipe_of
from tl_keras.selection.tuning_bases import TuningBase
from tl_keras.selection.tuning_data import TuningData
from tl_keras.selection.tuning_study import FailedTrialError
from tl_keras.tasks.classification import Classification
from tl_keras.tasks.registry import get_task
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.fit import fit
from tl_keras.training.inputs import batches_of
from tl_keras.training.judging import judge
from tl_keras.training.recipes import Recipe

if TYPE_CHECKING:
    from tl_keras.training.run import Run


@dataclass(frozen=True)
class Trainer:
    """Trains by settings, on features that are computed once for all.

    Attributes:
        data: Parts.
        bases: By their names in settings.
        features: Shared by all trainings.
        batch_size: Images of a step.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
    """

    data: TuningData
    bases: dict[str, TuningBase]
    features: FeatureCache
    batch_size: int
    resize: str

    def model(self, settings: Settings) -> keras.Model:
        """The untrained model of some settings."""
        base = self.bases[settings["base"]]
        task = get_task(Classification.name)
        return task.build(
            base.backbone, self.data.train.class_names, image_size=base.image_size,
            weights=base.weights, head=settings["head"],
        )  # fmt: skip

    def train(
        self, settings: Settings, recipe: Recipe, seed: int, callbacks: tuple[Any, ...] = ()
    ) -> "Run":
        """Train by some settings and measure on the validation part.

        Raises:
            KeyboardInterrupt: The training was interrupted.
        """
        keras.utils.clear_session()
        gc.collect()
        keras.utils.set_random_seed(seed)
        run = fit(
            self.model(settings), self.data.train, self.data.val, recipe=recipe, seed=seed,
            pretrained=self.bases[settings["base"]].weights is not None,
            batch_size=self.batch_size, resize=self.resize, features=self.features,
            callbacks=callbacks, verbose=False,
        )  # fmt: skip
        if run.interrupted:
            raise KeyboardInterrupt
        return run

    def right(self, run: "Run") -> np.ndarray:
        """Which images of the part that chooses nothing a run names rightly, bool (N,)."""
        batches = batches_of(
            self.data.final, batch_size=self.batch_size, image_size=run.image_size,
            resize=self.resize, target=run.task.target,
        )  # fmt: skip
        truths, said = judge(run.task, run.final, batches, "comparing")
        return run.task.right(truths, said)


class EpochReports(keras.callbacks.Callback):
    """Tells a trial how far it is after every epoch, and ends it where others do better.

    Where the base may train, a step of the search is an epoch that trains it, for those cost: the
    head alone is the first step, whatever number of epochs on cached features it took.  Where no
    trial trains the base, each epoch of the head is a step.

    Args:
        trial: Optuna's.
        head_only: Whether no trial of the search trains the base.
        pruned: Made and raised to end it; None: it is never ended.
    """

    on_features = True

    def __init__(self, trial: Any, head_only: bool, pruned: Callable[[], Exception] | None):
        super().__init__()
        self._trial, self._head_only, self._pruned = trial, head_only, pruned
        self._best, self._step = 0.0, 0

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Report the best figure so far."""
        self._best = max(self._best, float((logs or {}).get("val_accuracy", 0.0)))
        if self._head_only or self.model.name != "head":
            self._report()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Report the head's best."""
        if not self._head_only and self.model.name == "head":
            self._report()

    def _report(self) -> None:
        self._step += 1
        self._trial.report(self._best, self._step)
        if self._pruned is not None and self._trial.should_prune():
            raise self._pruned()


def run_trial(
    trainer: Trainer, settings: Settings, trial: Any, seed: int, reports: EpochReports
) -> float:
    """Train by a trial's settings; what it reached is written to the trial.

    Returns:
        Accuracy of the best epoch on the validation part.

    Raises:
        FailedTrialError: These settings cannot be run.
    """
    trial.set_user_attr("settings", settings)
    try:
        run = trainer.train(settings, recipe_of(settings), seed, (reports,))
    except InputError as problem:
        raise FailedTrialError(str(problem)) from None
    if "accuracy" not in run.metrics:
        raise FailedTrialError("nothing was measured on the validation part")
    best = run.best or {}
    trial.set_user_attr("val_loss", float(best.get("val_loss", float("inf"))))
    trial.set_user_attr("epochs", len(run.history))
    trial.set_user_attr("seconds", round(run.seconds, 1))
    return float(run.metrics["accuracy"]["value"])
