"""Optimizer pieces that work in anyone's ``model.compile``: rates, decay, late starts, averages."""

import importlib
from typing import Any

_PUBLIC = {
    "layer_wise": "tl_keras.optimizers.layer_rates",
    "stage_rates": "tl_keras.optimizers.rates_by_stage",
    "OneCycle": "tl_keras.optimizers.schedules",
    "spare_from_decay": "tl_keras.optimizers.weight_decay",
    "undecayed_variables": "tl_keras.optimizers.weight_decay",
    "averaged_weights": "tl_keras.optimizers.averaging",
    "LateStart": "tl_keras.optimizers.late_start",
}
__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
