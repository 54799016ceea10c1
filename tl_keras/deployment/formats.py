"""The formats that a model can be written in; nothing here imports Keras."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.deployment import litert, onnx, savedmodel
from tl_keras.deployment.signature import Signature


@dataclass(frozen=True)
class Format:
    """A way to write a model down.

    Attributes:
        line: One line of help.
        path: Name of the file or folder.
        write: From a signature to the file.
        runner: From the file to a function of images.
        tolerance: Share of what a figure varies by that its runtime may be off.
        require: Raises an ``InputError`` where packages are missing.
    """

    line: str
    path: str
    write: Callable[[Signature, Path], None]
    runner: Callable[[Path], Callable[[np.ndarray], dict[str, Any]]]
    tolerance: float = 0.005
    require: Callable[[], None] = lambda: None


#: Every format by the name that ``--format`` takes.
FORMATS: dict[str, Format] = {
    "savedmodel": Format(
        "a folder for TensorFlow and TensorFlow Serving",
        "savedmodel", savedmodel.write, savedmodel.runner,
    ),
    "litert": Format(
        "a file for LiteRT (TensorFlow Lite): phones, boards, browsers",
        "model.tflite", litert.write, litert.runner,
    ),
    "litert-float16": Format(
        "the same with weights of half the size, a little less exact",
        "model_float16.tflite", litert.write_float16, litert.runner, tolerance=0.05,
    ),
    "onnx": Format(
        "a file for ONNX Runtime and others; needs pip install 'tl-keras[onnx]'",
        "model.onnx", onnx.write, onnx.runner, require=onnx.require,
    ),
}  # fmt: skip
