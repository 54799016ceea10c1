"""Out of the house: a trained model as files that other programs run.

``export_model`` writes SavedModel, LiteRT and ONNX and checks each against the model.
"""

import importlib
from typing import Any

_PUBLIC = {"export_model": "export", "FORMATS": "formats"}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
