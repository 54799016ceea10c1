"""Transfer learning for computer vision on Keras 3: folder of images in, trained artefact out.

The public names are imported on first use, so ``import tl_keras`` costs no more than Python.

Example:
    >>> import tl_keras as tl
    >>> examples = tl.data.from_folder("photos/")  # doctest: +SKIP
    >>> train, val = examples.split(0.2, seed=0)  # doctest: +SKIP
    >>> model = tl.build_classifier("mobilenet_v2", len(train.class_names))  # doctest: +SKIP
    >>> run = tl.fit(model, train, val, recipe="progressive")  # doctest: +SKIP
    >>> run.save("saved_models/photos")  # doctest: +SKIP
"""

import importlib
from typing import Any

__version__ = "0.1.0"

# name -> module that defines it; None: the name is a sub-package itself.
_PUBLIC = {
    "InputError": "tl_keras.errors",
    "Backbone": "tl_keras.backbones.registry",
    "list_backbones": "tl_keras.backbones.registry",
    "register_backbone": "tl_keras.backbones.registry",
    "build_backbone": "tl_keras.backbones.base",
    "stage_map": "tl_keras.backbones.stages",
    "freeze": "tl_keras.backbones.freezing",
    "unfreeze": "tl_keras.backbones.freezing",
    "build_classifier": "tl_keras.builders.classifier",
    "build_tagger": "tl_keras.builders.classifier",
    "build_localizer": "tl_keras.builders.localizer",
    "build_detector": "tl_keras.builders.detector",
    "detection_model": "tl_keras.builders.suppression",
    "build_segmenter": "tl_keras.builders.segmenter",
    "build_instance_segmenter": "tl_keras.builders.instance_segmenter",
    "instances_model": "tl_keras.builders.instance_decoding",
    "build_embedder": "tl_keras.builders.embedder",
    "build_zero_shot": "tl_keras.builders.zero_shot",
    "export_model": "tl_keras.deployment.export",
    "Recipe": "tl_keras.training.recipes",
    "Stage": "tl_keras.training.recipes",
    "fit": "tl_keras.training.fit",
    "lr_find": "tl_keras.training.lr_find",
    "embed": "tl_keras.training.embedding",
    "advise": "tl_keras.selection.advising",
    "rank": "tl_keras.selection.rank_bases",
    "compare": "tl_keras.selection.comparing",
    "tune": "tl_keras.selection.tuning",
    "add_classes": "tl_keras.artefact.adding",
    "drift": "tl_keras.artefact.drift",
    "robustness": "tl_keras.artefact.robustness",
    "load": "tl_keras.artefact.predictor",
    "zero_shot": "tl_keras.artefact.zero_shot",
    "artefact": None,
    "backbones": None,
    "builders": None,
    "callbacks": None,
    "convert": None,
    "data": None,
    "deployment": None,
    "evaluation": None,
    "losses": None,
    "optimizers": None,
    "retrieval": None,
    "selection": None,
    "training": None,
}

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras' has no attribute {name!r}")
    home = _PUBLIC[name]
    if home is None:
        return importlib.import_module(f"tl_keras.{name}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
