"""ONNX: one file for ONNX Runtime and everything that reads it, without TensorFlow."""

import importlib
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.deployment.signature import INPUT, Signature
from tl_keras.errors import InputError

_OPSET = 18  # the newest that tf2onnx 1.17 writes; ONNX Runtime 1.14 (2023) and later run it


def require() -> None:
    """Check the packages of the extra ``onnx``.

    Raises:
        InputError: One is missing.
    """
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        _need(package)


def write(signature: Signature, path: Path) -> None:
    """Write a file whose batch size is free.

    Raises:
        InputError: A package of the extra ``onnx`` is missing, or tf2onnx cannot say an operation.
    """
    onnx = _need("onnx")
    model = _converted(signature)
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    unknown = {node.op_type for node in model.graph.node if not _known(onnx, node)}
    if unknown:
        # tf2onnx writes them down as they are and says so in its log only.
        raise InputError(
            f"tf2onnx knows no ONNX for {', '.join(sorted(unknown))}; leave this format out"
        )
    onnx.save(model, path)


def runner(path: Path) -> Callable[[np.ndarray], dict[str, Any]]:
    """From images, float32 (batch, S, S, 3), to outputs by name, run by ONNX Runtime on the CPU.

    Raises:
        InputError: A package of the extra ``onnx`` is missing.
    """
    session = _need("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(None, {INPUT: images}), strict=True))


def _converted(signature: Signature) -> Any:
    import tensorflow as tf

    tf2onnx = _need("tf2onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from keras.src.export.tf2onnx_lib import patch_tf2onnx

        patch_tf2onnx()  # tf2onnx 1.17 does not know numpy 2
    spec = signature.function.input_signature
    function = tf.function(signature.function.python_function, spec, autograph=False)
    log = logging.getLogger("tf2onnx")
    level, eagerly = log.level, tf.config.functions_run_eagerly()
    try:
        log.setLevel(logging.CRITICAL)
        # Keras hides a grouped convolution in a function of its own, for XLA, which tf2onnx does
        # not look into; run so, it stands in the graph.
        tf.config.run_functions_eagerly(True)
        model, _ = tf2onnx.convert.from_function(
            function, spec, opset=_OPSET, custom_op_handlers={"Erfc": (_erfc, [])}
        )
    finally:
        tf.config.run_functions_eagerly(eagerly)
        log.setLevel(level)
    return model


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """1 - erf(x), which Keras' exact GELU is made of and tf2onnx 1.17 does not know."""
    (given,), (result,) = node.input, node.output
    shapes, dtypes = node.output_shapes, node.output_dtypes
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}_one", np.array(1, "float32")).output[0]
    erf = graph.make_node("Erf", [given]).output[0]
    graph.make_node("Sub", [one, erf], name=name, outputs=[result], shapes=shapes, dtypes=dtypes)


def _known(onnx: Any, node: Any) -> bool:
    return node.domain != "" or onnx.defs.has(node.op_type)


def _need(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as problem:
        raise InputError(
            f"ONNX needs {package}, which is not installed; pip install 'tl-keras[onnx]', or leave "
            "this format out"
        ) from problem
