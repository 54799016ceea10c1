"""Heads on bases: every builder returns a plain ``keras.Model``."""

import importlib
from typing import Any

_PUBLIC = {
    "build_classifier": "classifier",
    "build_tagger": "classifier",
    "build_localizer": "localizer",
    "build_detector": "detector",
    "build_segmenter": "segmenter",
    "build_instance_segmenter": "instance_segmenter",
    "detector_strides": "detector",
    "detection_model": "suppression",
    "instances_model": "instance_decoding",
    "decoded_instances": "instance_decoding",
    "build_embedder": "embedder",
    "embedder_of": "embedder",
    "build_zero_shot": "zero_shot",
    "margin_head": "class_cosines",
    "with_whitening": "whitening",
    "without_augmentation": "classifier",
    "features_model": "classifier",
    "head_model": "classifier",
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
