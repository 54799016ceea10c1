"""Ray supervises workers that train one model: it starts them, and starts them again.

TensorFlow's workers cannot go on without one that died; all of them have to begin again from a
common checkpoint.  Ray's trainer does that over any number of machines
(https://docs.ray.io/en/latest/train/distributed-tensorflow-keras.html); it is the extra ``ray``.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tl_keras.callbacks.checkpoint_file import Checkpoint
from tl_keras.callbacks.exact_resume import FitKeeper
from tl_keras.errors import InputError
from tl_keras.training.placement import Placement


def train_with_ray(
    train: Callable[[dict[str, Any]], None],
    config: Mapping[str, Any],
    workers: int,
    folder: str | Path,
    *,
    restarts: int = 3,
    gpu: bool = False,
) -> None:
    """Run a function in so many processes that train together; restart them when one dies.

    Where this process is not connected to a Ray cluster yet, Ray starts on this machine.

    Args:
        train: Runs in every worker, ``TF_CONFIG`` being set.  It begins with
            ``choose_placement("multi_worker")``, gives ``resume_together`` to ``fit``, and lets
            the chief write what shall remain.
        config: Handed to it; values that can be pickled.
        workers: 2 or more.
        folder: For Ray's own records; on a cluster, a folder that all machines see.
        restarts: So many deaths are made good, whichever worker dies.
        gpu: Whether every worker has a GPU to itself.

    Raises:
        InputError: Ray is not installed, or ``workers`` is below 2.
        ray.train.TrainingFailedError: More workers died than may, or ``train`` raised.

    Example:
        >>> train_with_ray(train, {"epochs": 9}, workers=4, folder="/shared/runs")  # doctest: +SKIP
    """
    if workers < 2:
        raise InputError(f"{workers} workers make no cluster; give 2 or more, or train without Ray")
    try:
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.tensorflow import TensorflowTrainer
    except ImportError:
        raise InputError(
            "the engine ray is not installed; run: pip install 'tl-keras[ray]'"
        ) from None
    if not ray.is_initialized():
        ray.init()
    TensorflowTrainer(
        _without_legacy_keras(train),
        train_loop_config=dict(config),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
        run_config=RunConfig(
            storage_path=str(Path(folder).resolve()),
            failure_config=FailureConfig(max_failures=restarts),
        ),
    ).fit()


def _without_legacy_keras(train: Callable[[dict[str, Any]], None]) -> Callable[[dict], None]:
    def train_loop(config: dict[str, Any]) -> None:
        import os

        # Ray asks TensorFlow for Keras 2.
        os.environ.pop("TF_USE_LEGACY_KERAS", None)
        train(config)

    return train_loop


def resume_together(
    directory: str | Path,
    placement: Placement,
    callbacks: Sequence[keras.callbacks.Callback],
    datasets: Sequence[Any] = (),
) -> FitKeeper:
    """The callback by which workers that were started again go on from one common epoch.

    The chief alone writes; all read what it wrote, so that no two begin at different epochs.
    Otherwise as ``tl_keras.callbacks.ExactResume``: what comes out is bit for bit what a run
    without deaths gives.

    Args:
        directory: Of this run alone, seen by all workers.
        placement: Of ``choose_placement``.
        callbacks: The others of this ``fit``; this one is to stand after them.
        datasets: What ``replica_batches`` gave to train on.

    Returns:
        A callback.

    Example:
        >>> keeper = resume_together(folder, placement, callbacks, [batches])  # doctest: +SKIP
        >>> model.fit(batches, callbacks=[*callbacks, keeper])  # doctest: +SKIP
    """
    return FitKeeper(_ChiefWrites(Checkpoint(directory), placement.chief), callbacks, datasets)


class _ChiefWrites:
    """A checkpoint that is written by one process and read by all."""

    def __init__(self, checkpoint: Checkpoint, chief: bool):
        self._checkpoint, self._chief = checkpoint, chief

    def load(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        return self._checkpoint.load(identity)

    def due(self) -> bool:
        return self._chief and self._checkpoint.due()

    def save(self, state: dict[str, Any]) -> None:
        if self._chief:
            self._checkpoint.save(state)
