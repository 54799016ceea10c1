"""Callbacks for anyone's ``model.fit``."""

import importlib
from typing import Any

_PUBLIC = {
    "StagedUnfreezing": "tl_keras.callbacks.staged_unfreezing",
    "StageEarlyStopping": "tl_keras.callbacks.stage_stopping",
    "StageReduceLROnPlateau": "tl_keras.callbacks.stage_rate_plateau",
    "AveragedEvaluation": "tl_keras.callbacks.averaged_evaluation",
    "ExactResume": "tl_keras.callbacks.exact_resume",
    "InputProfile": "tl_keras.callbacks.input_profile",
    "Checkpoint": "tl_keras.callbacks.checkpoint_file",
}
__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
