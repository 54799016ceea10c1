"""Where a run of several phases stands, so that the same call goes on after kill -9."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.callbacks.checkpoint_file import Checkpoint
from tl_keras.training.journal import Journal
from tl_keras.training.recipes import Recipe


class RunCheckpoint:
    """Checkpoints of a whole ``tl_keras.fit``: phases done, the journal, the ``fit()`` under way.

    A phase is what one ``fit()`` of Keras trains.  Between phases the model has the weights of the
    best epoch, which the journal holds; within one, a ``FitKeeper`` saves through ``load``,
    ``due`` and ``save``.

    Args:
        directory: For this run alone.
        identity: What must be the same to go on (:func:`run_identity`).
        journal: Of the run; what was saved is put into it and into its model.
        writes: Whether this process saves; of several workers one does, and all read.

    Attributes:
        phase: How many phases are done.
        parts: In how many parts a batch of the ``fit()`` under way is taken, for want of memory.

    Raises:
        InputError: The folder cannot be written to, or holds another run.
    """

    def __init__(
        self, directory: str | Path, identity: dict[str, Any], journal: Journal, writes: bool = True
    ):
        self._file, self._journal = Checkpoint(directory, identity), journal
        self._writes = writes
        state = self._file.load() or {"phase": 0, "fit": None}
        self.phase: int = state["phase"]
        self.parts: int = state.get("parts", 1)
        self._under_way = state["fit"]
        if "journal" in state:
            journal.load_resume_state(state["journal"])
            journal.restore_best()

    def load(self, identity: dict[str, Any]) -> dict[str, Any] | None:
        """The state of the ``fit()`` that was under way; the run's identity says all of its own."""
        # Once: a fit() that begins again for want of memory knows better where it was.
        state, self._under_way = self._under_way, None
        return state

    def due(self) -> bool:
        """As ``Checkpoint.due``."""
        return self._writes and self._file.due()

    def save(self, fit: dict[str, Any] | None) -> None:
        """Save within a phase, or with ``None`` between two."""
        if not self._writes:
            return
        journal = self._journal.resume_state()
        self._file.save({"phase": self.phase, "parts": self.parts, "fit": fit, "journal": journal})

    def phase_done(self) -> None:
        """Save that the phase is over and its best weights are in the model."""
        self.phase, self.parts = self.phase + 1, 1
        self.save(None)


def run_identity(
    model: keras.Model, recipe: Recipe, train: Any, val: Any, shape: dict[str, Any]
) -> dict[str, Any]:
    """What the result of a run depends on, as JSON values.

    Args:
        model: As it was built.
        recipe: What is run.
        train: Training data as given to ``fit``.
        val: Validation data, or None.
        shape: Batch size, image size, resizing and seed.
    """
    return {
        "backend": keras.backend.backend(),
        "model": [f"{tuple(v.shape)} {v.dtype}" for v in model.variables],
        "recipe": {**dataclasses.asdict(recipe), "reason": None},
        "setting": dict(shape),
        "training data": _fingerprint(train),
        "validation data": None if val is None else _fingerprint(val),
    }


def _fingerprint(data: Any) -> str:
    """SHA-256 of the examples in their order (which the batches follow), or of arrays."""
    total = hashlib.sha256()
    if hasattr(data, "digests"):
        total.update("\0".join([*data.class_names, *data.digests]).encode(errors="surrogateescape"))
        parts = [data.labels, *([] if data.tags is None else [data.tags])]
    else:
        parts = data
    for part in parts:
        array = np.ascontiguousarray(part)
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(array.reshape(-1).view(np.uint8))
    return total.hexdigest()
