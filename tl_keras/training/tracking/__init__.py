"""Where a run is written down beside its artefact: TensorBoard, MLflow, Weights & Biases.

The names below are imported on first use, and the services' packages when a run begins.

Example:
    >>> from tl_keras.training.tracking import TensorBoard
    >>> tl.fit(model, train, val, track=TensorBoard("logs/first"))  # doctest: +SKIP
"""

import importlib
from typing import Any

_PUBLIC = {
    "MLflow": "mlflow_run",
    "TensorBoard": "event_files",
    "Tracker": "tracker",
    "WandB": "wandb_run",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras.training.tracking' has no attribute {name!r}")
    module = importlib.import_module(f"tl_keras.training.tracking.{_PUBLIC[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
