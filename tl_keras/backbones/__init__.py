"""Pretrained bases: one registry, one stage map, freezing and weights.

The names below are imported on first use; listing backbones never imports Keras.

Example:
    >>> from tl_keras import backbones
    >>> backbones.list_backbones(family="MobileNet", max_parameters=1_000_000)
    ['mobilenet_025', 'mobilenet_050']
"""

import importlib
from typing import Any

_PUBLIC = {
    "Backbone": "record",
    "get_backbone": "registry",
    "list_backbones": "registry",
    "register_backbone": "registry",
    "find_backbone": "registry",
    "backbone_table": "table",
    "build_backbone": "base",
    "apply_preprocessing": "preprocessing",
    "load_weights": "weights",
    "Block": "stages",
    "Stage": "stages",
    "StageMap": "stages",
    "stage_map": "stages",
    "pyramid_features": "pyramid",
    "pyramid_taps": "pyramid",
    "freeze": "freezing",
    "unfreeze": "freezing",
    "trainable_stages": "freezing",
    "open_towers": "towers",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
