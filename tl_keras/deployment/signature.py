"""A model as one function with stable names: what every format is written from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.errors import InputError

if TYPE_CHECKING:
    import keras

    from tl_keras.tasks.task import Task

#: Name of the input, float32 (batch, S, S, 3) RGB, 0..255, in every exported file.
INPUT = "image"

# Of the tasks whose model returns one tensor; the last axis of "logits" awaits a softmax or, of
# tags, a sigmoid.
_OUTPUTS = {
    "classify": ("probabilities", "of each class"),
    "tag": ("probabilities", "of each tag"),
    "segment": ("probabilities", "of each class by pixel"),
    "embed": ("vector", "of length 1; the cosine of two images is their dot product"),
    "localize": ("box_and_probabilities", "x1, y1, x2, y2 in px, then of each class"),
    "detect": ("detections", "rows x1, y1, x2, y2 in px, class (-1 none), score; best first"),
}
_THINGS = {
    "ids": "by pixel, 0 for none, k + 1 for the k-th row of things",
    "things": "rows x1, y1, x2, y2 in px, class (-1 none), score; best first",
}


@dataclass(frozen=True)
class Signature:
    """What an exported file takes and gives.

    Attributes:
        function: The model as a ``tf.function`` of float32 (batch, S, S, 3) to a dict of tensors.
        module: A ``tf.Module`` that holds the function and its variables.
        image_size: S, px.
        outputs: Of each output by name: ``shape`` (None for the batch), ``dtype``, ``meaning``.
    """

    function: Any
    module: Any
    image_size: int
    outputs: Mapping[str, Mapping[str, Any]]


def named(task: "Task", model: "keras.Model", outputs: Any) -> dict[str, Any]:
    """A final model's outputs by their names in exported files.

    Args:
        task: Of the model.
        model: As ``task.final`` returns it.
        outputs: What it returned, or its symbolic outputs.

    Example:
        >>> from tl_keras.tasks.registry import get_task
        >>> list(named(get_task("detect"), None, np.zeros((1, 3, 6))))
        ['detections']
    """
    if isinstance(outputs, Mapping):
        return {name: outputs[name] for name in sorted(outputs)}
    name, _ = _OUTPUTS[task.name]
    if name == "probabilities" and gives_logits(model):
        name = "logits"
    return {name: outputs}


def gives_logits(model: "keras.Model") -> bool:
    """Whether a classifier, tagger or segmenter returns logits instead of probabilities."""
    activation = model.get_layer("predictions").activation
    return getattr(activation, "__name__", "") not in ("softmax", "sigmoid")


def signature_of(model: "keras.Model", task: "Task") -> Signature:
    """Trace a final model, in inference mode.

    Raises:
        InputError: Keras does not run on TensorFlow, whose graphs the formats are made of.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"Keras runs on {keras.backend.backend()}, and files to export are made of TensorFlow "
            "graphs; set KERAS_BACKEND=tensorflow, the trained model is the same"
        )
    import tensorflow as tf

    size = model.input_shape[1]
    spec = tf.TensorSpec((None, size, size, 3), tf.float32, name=INPUT)

    def serve(image: Any) -> dict[str, Any]:
        return named(task, model, model(image, training=False))

    function = tf.function(serve, input_signature=[spec], autograph=False)
    module = tf.Module()
    module.serve = function
    # A tf.Module does not look for variables inside a Keras model, and LiteRT would lose them.
    module.held = [variable.value for variable in model.variables]
    outputs = {
        name: {
            "shape": list(tensor.shape),
            "dtype": str(np.dtype(tensor.dtype)),
            "meaning": {**_THINGS, **dict([_OUTPUTS.get(task.name, ("", ""))])}.get(
                name, "of each name, before softmax or sigmoid"
            ),
        }
        for name, tensor in named(task, model, model.output).items()
    }
    return Signature(function, module, size, outputs)
