"""A run of Weights & Biases."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tl_keras.training.tracking.remembered import Remembered
from tl_keras.training.tracking.tracker import needs


class WandB:
    """Logs the settings, every epoch's figures, the final ones, and the artefact's folder.

    Where to is its own setting: ``WANDB_PROJECT``, ``WANDB_MODE`` (``offline`` writes a folder
    ``wandb/`` for ``wandb sync``).  A run that goes on after a kill bears the same id.

    Args:
        name: Of the run; None lets the service make one up.

    Raises:
        InputError: wandb is not installed.

    Example:
        >>> tl.fit(model, train, val, track=WandB("first"))  # doctest: +SKIP
    """

    def __init__(self, name: str | None = None):
        needs("wandb", "tl-keras[wandb]")
        self._name = name

    def start(
        self, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], folder: Path | None
    ) -> None:
        """As of ``Tracker``."""
        import wandb

        self._kept = kept = Remembered(folder, "wandb")
        self._run = wandb.init(
            id=kept.run,
            resume=None if kept.run is None else "allow",
            name=self._name,
            reinit="finish_previous",
            config=dict(settings),
            settings=wandb.Settings(init_timeout=30, silent=True),
        )
        kept.keep(self._run.id, kept.epochs)
        for row in rows:
            self.epoch(row)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """As of ``Tracker``."""
        if row["epoch"] <= self._kept.epochs:
            return
        self._run.log(dict(row), step=row["epoch"], commit=True)
        self._kept.keep(self._run.id, row["epoch"])

    def end(self, figures: Mapping[str, float], interrupted: bool) -> None:
        """As of ``Tracker``; it stays open for its artefact, at most until the process ends."""
        said = {f"final.{name}": value for name, value in figures.items()}
        self._run.summary.update({**said, "interrupted": interrupted})

    def saved(self, artefact: Path) -> None:
        """As of ``Tracker``."""
        import wandb

        whole = wandb.Artifact(f"model-{self._run.id}", type="model")
        whole.add_dir(str(artefact))
        self._run.log_artifact(whole)
        self._run.finish()
