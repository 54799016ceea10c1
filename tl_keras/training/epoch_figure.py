"""A figure of each epoch that only all validation images together give."""

from typing import Any

import keras

from tl_keras.optimizers.averaging import averaged_weights
from tl_keras.tasks.task import Task
from tl_keras.training.judging import judge


class EpochFigure(keras.callbacks.Callback):
    """Adds ``val_`` and ``task.watch`` to an epoch's logs, for the callbacks behind it.

    Metrics of Keras add up batches; who finds whom is seen among all images at once.

    Args:
        task: With a :meth:`~tl_keras.tasks.task.Task.figure`.
        model: From what the batches hold to what ``task.final`` gives, over the layers that train.
        batches: Of validation data, unshuffled.
    """

    def __init__(self, task: Task, model: keras.Model, batches: Any):
        super().__init__()
        self._task, self._judged, self._batches = task, model, batches

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Look at all validation images, with averaged weights where there are any."""
        with averaged_weights(self.model):
            pairs = judge(self._task, self._judged, self._batches, "validating")
        logs[f"val_{self._task.watch}"] = self._task.figure(*pairs)
