"""A run of MLflow."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tl_keras.training.tracking.remembered import Remembered
from tl_keras.training.tracking.tracker import needs

_LONGEST = 6000  # characters of a parameter that MLflow takes
# MLflow's own would hold a training up for minutes where its server is away.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


class MLflow:
    """Logs parameters, every epoch's figures, the final ones, and the artefact's folder.

    Where to is MLflow's own setting: ``MLFLOW_TRACKING_URI`` (else ``mlflow.db`` in the working
    folder) and ``MLFLOW_EXPERIMENT_NAME``.  A run that goes on after a kill goes on there, too.

    Args:
        name: Of the run; None lets MLflow make one up.

    Raises:
        InputError: MLflow is not installed.

    Example:
        >>> tl.fit(model, train, val, track=MLflow("first"))  # doctest: +SKIP
    """

    def __init__(self, name: str | None = None):
        needs("mlflow", "tl-keras[mlflow]")
        self._name = name
        self._kept = Remembered(None, "mlflow")

    def start(
        self, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], folder: Path | None
    ) -> None:
        """As of ``Tracker``."""
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        import mlflow

        self._kept = kept = Remembered(folder, "mlflow")
        # Nested: a script may have a run of its own open around this one.
        run = mlflow.start_run(run_id=kept.run, run_name=self._name, nested=True)
        self._client, self._run = mlflow.MlflowClient(), run.info.run_id
        if kept.run is None:
            said = {name: str(value)[:_LONGEST] for name, value in settings.items()}
            mlflow.log_params(said)
            kept.keep(self._run, 0)
        for row in rows:
            self.epoch(row)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """As of ``Tracker``."""
        import mlflow

        if row["epoch"] <= self._kept.epochs:
            return
        figures = {name: value for name, value in row.items() if name not in ("epoch", "stage")}
        mlflow.log_metrics(figures, step=row["epoch"], run_id=self._run)
        self._kept.keep(self._run, row["epoch"])

    def end(self, figures: Mapping[str, float], interrupted: bool) -> None:
        """As of ``Tracker``."""
        import mlflow

        said = {f"final.{name}": value for name, value in figures.items()}
        mlflow.log_metrics(said, run_id=self._run)
        mlflow.end_run("KILLED" if interrupted else "FINISHED")

    def saved(self, artefact: Path) -> None:
        """As of ``Tracker``."""
        self._client.log_artifacts(self._run, str(artefact), artifact_path="artefact")
