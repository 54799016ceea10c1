"""A run that was killed goes on as if it had not been."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tl_keras.callbacks.checkpoint_file import Checkpoint
from tl_keras.callbacks.resume_state import fit_identity, fit_state, restore_fit_state
from tl_keras.data.pipeline import set_epoch
from tl_keras.errors import InputError

# What the order of an epoch follows from.
_ORDERED_BY = ("count", "batch_size", "shuffle", "seed", "drop_remainder")


class ExactResume(keras.callbacks.Callback):
    """Run the same script again after kill -9 and it ends with the same weights, bit for bit.

    A checkpoint is written at the end of an epoch: of every epoch, or of as many as cost no more
    than a twentieth of the time, and of the last.  It holds the weights, the seeds of dropout and
    augmentation layers, the optimizer with its slots, rate and averages, the history, what Keras'
    own callbacks count (``EarlyStopping``, ``ReduceLROnPlateau``, ``ModelCheckpoint``,
    ``SwapEMAWeights``), the stage of ``StagedUnfreezing``, and the random states of Python, numpy
    and Keras.  A callback of your own takes part by two methods: ``resume_state()`` returns a tree
    of dicts, lists, plain values and arrays, ``load_resume_state(state)`` takes it back.  It may
    stand anywhere in the list of callbacks.

    A run that ended (all epochs, or stopped early) does not train again: ``fit`` returns at once
    with its weights and history.  A larger ``epochs`` continues it; to begin anew, delete the
    folder.

    The order of the data must follow from the epoch: give datasets of this package here; with
    arrays call ``keras.utils.set_random_seed`` first.  ``CSVLogger`` needs ``append=True``.

    Args:
        directory: For the checkpoints of this run alone; the last two are kept.
        datasets: Training data of ``tl_keras.data``, whose order and augmentation follow from the
            epoch; others are left to themselves.
        identity: What else must be the same to go on, such as your settings (JSON values); the
            model's variables, the optimizer, the callbacks and the datasets are always compared.

    Raises:
        InputError: The folder cannot be written to; in ``fit``, a checkpoint there was made by
            another model, optimizer or data.

    Example:
        >>> resume = ExactResume("unfinished", datasets=[batches])  # doctest: +SKIP
        >>> model.fit(batches, epochs=9, callbacks=[resume])  # doctest: +SKIP
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        datasets: Sequence[Any] = (),
        identity: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self._datasets = tuple(datasets)
        for dataset in self._datasets:
            set_epoch(dataset, 0)
        data = [
            {name: getattr(dataset.epoch_order, name) for name in _ORDERED_BY}
            for dataset in self._datasets
        ]
        self._checkpoint = Checkpoint(
            directory, {"dataset": dict(enumerate(data)), **(identity or {})}
        )

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Take the last place among the callbacks, where all others have begun."""
        container = _container_of(self)
        others = [one for one in container.callbacks if one is not self]
        keeper = FitKeeper(self._checkpoint, others, self._datasets)
        keeper.set_params(self.params)
        keeper.set_model(self.model)
        # The container walks through this list just now, and comes to what is added to it.
        container.callbacks.append(keeper)


class FitKeeper(keras.callbacks.Callback):
    """Restores a ``fit()`` before its first epoch and saves it after each; to stand last.

    Args:
        store: Has ``load(identity) -> state or None``, ``due() -> bool`` and ``save(state)``, as
            :class:`Checkpoint`.
        callbacks: The others of this ``fit()``.
        datasets: As in :class:`ExactResume`.
    """

    def __init__(
        self,
        store: Any,
        callbacks: Sequence[keras.callbacks.Callback],
        datasets: Sequence[Any] = (),
    ):
        super().__init__()
        self._store, self._callbacks, self._datasets = store, tuple(callbacks), tuple(datasets)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Put back what was saved, if anything was."""
        if not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        state = self._store.load(fit_identity(self.model, self._callbacks))
        if state is None:
            return
        restore_fit_state(self.model, self._callbacks, state)
        epochs = self.params.get("epochs", 0)
        # fit() asks for this once every callback has begun, as for keras' BackupAndRestore.
        self.model._initial_epoch = max(state["epoch"], epochs if state["stopped"] else 0)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Give the data the order of this epoch."""
        self.model._initial_epoch = None
        for dataset in self._datasets:
            set_epoch(dataset, epoch)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Save, when all others are done with this epoch."""
        stopped = bool(self.model.stop_training)
        last = stopped or epoch + 1 == self.params.get("epochs")
        if last or self._store.due():
            state = fit_state(self.model, self._callbacks)
            self._store.save({"epoch": epoch + 1, "stopped": stopped, **state})

    def on_train_end(self, logs: dict | None = None) -> None:
        """Leave nothing behind for the next ``fit()``."""
        self.model._initial_epoch = None


def _container_of(callback: keras.callbacks.Callback) -> keras.callbacks.CallbackList:
    """The list that calls this callback; Keras tells a callback of its model, not of its list."""
    frame = sys._getframe(1)
    while frame is not None:
        holder = frame.f_locals.get("self")
        if isinstance(holder, keras.callbacks.CallbackList) and callback in holder.callbacks:
            return holder
        frame = frame.f_back
    raise InputError("ExactResume works inside fit(); give it in fit(callbacks=[...])")
