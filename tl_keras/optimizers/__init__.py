"""Optimizer pieces that work in anyone's ``model.compile``: layer-wise rates, late starts."""

import importlib
from typing import Any

_PUBLIC = {
    "layer_wise": "tl_keras.optimizers.layer_rates",
    "LateStart": "tl_keras.optimizers.late_start",
}
__all__ = [*_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
