"""What can run a frozen backbone: Keras itself, OpenVINO, LiteRT.

Each function takes the model from images to features, of one input (None, S, S, 3) and one output
(None, D), and returns a function from images (B, S, S, 3), any dtype, 0..255, to float32 (B, D).
"""

import contextlib
import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tl_keras.data.scanning import workers

Run = Callable[[Any], np.ndarray]

# Images in an invocation of LiteRT; eight was the quickest on two cores, OpenVINO likes one.
_LITERT_BATCH = 8


def installed(runtime: str) -> str | None:
    """The version of a runtime that can be used here, or None.

    OpenVINO and LiteRT convert a TensorFlow graph, so they need the TensorFlow backend.

    Args:
        runtime: ``"keras"``, ``"openvino"`` or ``"litert"``.

    Example:
        >>> installed("keras") == keras.__version__
        True
    """
    if runtime == "keras":
        return keras.__version__
    if keras.backend.backend() != "tensorflow":
        return None
    if runtime == "openvino":
        if importlib.util.find_spec("openvino") is None:
            return None
        import openvino

        return openvino.__version__
    import tensorflow as tf

    return getattr(_litert(), "__version__", tf.__version__)


def keras_run(features: keras.Model, batch_size: int = 1) -> Run:
    """``predict_on_batch``, with a smaller batch filled up to the largest so far.

    A new batch size would be traced (on JAX: compiled) once more, which takes seconds.

    Args:
        features: The model from images to features.
        batch_size: Smaller batches are filled up to this in any case.
    """
    largest = batch_size

    def run(images: Any) -> np.ndarray:
        nonlocal largest
        count = len(images)
        largest = max(largest, count)
        if count < largest:
            images = np.asarray(images)
            images = np.concatenate([images, np.repeat(images[-1:], largest - count, axis=0)])
        outputs = features.predict_on_batch(images)
        return keras.tree.map_structure(lambda rows: np.asarray(rows)[:count], outputs)

    return run


def openvino_run(features: keras.Model, precision: str = "float32") -> Run:
    """OpenVINO on the CPU: one image a request, as many requests at a time as it thinks best.

    Measured on two cores with MobileNets at 224 px: single images in parallel requests are about
    four times as quick as batches of eight or 32.

    Args:
        features: The model from images to features.
        precision: ``"float32"`` or ``"bfloat16"``.  OpenVINO's own choice would be bfloat16 where
            the CPU is quick at it, without a word.
    """
    import openvino

    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    compiled = openvino.Core().compile_model(
        openvino.convert_model(_inference_graph(features, 1)),
        "CPU",
        {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": hint},
    )
    queue = openvino.AsyncInferQueue(compiled)
    width = features.output_shape[-1]

    def run(images: Any) -> np.ndarray:
        images = np.asarray(images)
        rows = np.empty((len(images), width), np.float32)

        def take(request: Any, number: int) -> None:
            rows[number] = request.get_output_tensor(0).data[0]

        queue.set_callback(take)
        for number in range(len(images)):
            queue.start_async({0: images[number : number + 1].astype(np.float32)}, number)
        queue.wait_all()
        return rows

    return run


def litert_run(features: keras.Model) -> Run:
    """LiteRT (TensorFlow Lite) with its XNNPACK kernels, float32, on all cores.

    Args:
        features: The model from images to features.
    """
    import tensorflow as tf

    graph = _inference_graph(features, _LITERT_BATCH)
    # Given the model as trackable_obj, TensorFlow 2.21 leaves the weights out, without an error.
    flat = tf.lite.TFLiteConverter.from_concrete_functions([graph]).convert()
    with warnings.catch_warnings():
        # tf.lite.Interpreter announces that it will move to ai-edge-litert, which is asked first.
        warnings.simplefilter("ignore")
        interpreter = _litert().Interpreter(model_content=flat, num_threads=workers())
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]

    def run(images: Any) -> np.ndarray:
        images = np.asarray(images)
        rows = []
        for start in range(0, len(images), _LITERT_BATCH):
            block = images[start : start + _LITERT_BATCH].astype(np.float32)
            count = len(block)
            if count < _LITERT_BATCH:
                block = np.concatenate([block, np.repeat(block[-1:], _LITERT_BATCH - count, 0)])
            interpreter.set_tensor(entry, block)
            interpreter.invoke()
            rows.append(interpreter.get_tensor(result)[:count])
        return np.concatenate(rows)

    return run


def _inference_graph(features: keras.Model, batch: int) -> Any:
    """The model as a TensorFlow function of a fixed batch, in inference mode by name."""
    import tensorflow as tf

    spec = tf.TensorSpec((batch, *features.input_shape[1:]), tf.float32)
    call = tf.function(lambda images: features(images, training=False))
    return call.get_concrete_function(spec)


def _litert() -> Any:
    with contextlib.suppress(ImportError):
        from ai_edge_litert import interpreter

        return interpreter
    import tensorflow as tf

    return tf.lite
