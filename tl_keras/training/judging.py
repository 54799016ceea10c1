"""Run a task's final model over a data set: the truth and the prediction of every image."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tl_keras.tasks.task import Task
from tl_keras.training.extractor_runtimes import keras_run
from tl_keras.training.features import run_batches


def judge(
    task: Task, model: keras.Model, batches: Any, what: str, verbose: bool = False
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Truths and predictions, decoded batch by batch, so that raw outputs need no room.

    Args:
        task: What the model learned.
        model: Of ``task.final``, or on cached features the head.
        batches: Iterable of (inputs, targets) with a length, unshuffled.
        what: Named in the progress bar.
        verbose: Whether a progress bar is shown on standard error.

    Returns:
        One entry an image each, in the order of the batches.

    Raises:
        InputError: A file cannot be read any more.
    """
    truths, predictions = [], []
    for outputs, targets in run_batches(keras_run(model), batches, what, verbose):
        truths.append(task.truths(targets))
        predictions.append(task.predictions(model, outputs))
    return joined(truths), joined(predictions)


def joined(parts: Sequence[Any]) -> Sequence[Any]:
    """The entries of several batches, one after the other: an array of arrays, else a list.

    Example:
        >>> joined([["a"], ["b", "c"]])
        ['a', 'b', 'c']
    """
    if parts and isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    return [entry for part in parts for entry in part]
