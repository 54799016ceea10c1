"""LiteRT, formerly TensorFlow Lite: one small file for phones, boards and browsers."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.deployment.signature import INPUT, Signature


def write(signature: Signature, path: Path) -> None:
    """Write a file of float32 numbers, of operations that every LiteRT runtime has."""
    path.write_bytes(_converter(signature).convert())


def write_float16(signature: Signature, path: Path) -> None:
    """The same with weights of half the size; a runtime computes with them in float32.

    https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_float16_quant
    """
    import tensorflow as tf

    converter = _converter(signature)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    path.write_bytes(converter.convert())


def runner(path: Path) -> Callable[[np.ndarray], dict[str, Any]]:
    """From images, float32 (batch, S, S, 3), to outputs by name, run by LiteRT."""
    import tensorflow as tf

    with warnings.catch_warnings():
        # Points to a package of its own (ai-edge-litert) that TensorFlow 2.21 does not need yet.
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(path))
    serve = interpreter.get_signature_runner()
    return lambda images: serve(**{INPUT: images})


def _converter(signature: Signature) -> Any:
    import tensorflow as tf

    concrete = signature.function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], signature.module)
    # Without TensorFlow's own kernels, which few runtimes bring along.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter
