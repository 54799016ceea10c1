"""Augmentation: presets as data, drawn for each image by (seed, epoch, index).

They run in the pipeline and not in the model: Keras' ``Random*`` layers inside a model switch the
layers behind them to training mode when it is called or exported (3.15.1).  And they are numpy and
OpenCV on single images and not Keras' layers: at 224 px one CPU core does ``standard`` on 15 to 17
times as many images (``benchmarks/augmentation.py``), and what an image becomes does not depend on
its batch.  Those who want a preset on an accelerator have ``augmentation_layers``.

All movements of an image are multiplied into one matrix, so image, boxes and mask move together and
are resampled once.  The names below are imported on first use.

Example:
    >>> from tl_keras.data.augment import PRESETS
    >>> list(PRESETS)[:4]
    ['none', 'light', 'standard', 'strong']
"""

import importlib
from typing import Any

_PUBLIC = {
    "PRESETS": "presets",
    "Preset": "presets",
    "preset": "presets",
    "Sample": "sample",
    "View": "views",
    "augmentation_layers": "keras_layers",
    "contact_sheet": "sheet",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras.data.augment' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tl_keras.data.augment.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
