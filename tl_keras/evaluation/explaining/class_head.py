"""A model cut where its class scores are made, and what moves these: their slopes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from tl_keras.backbones.alignment import first_centres
from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import stage_map
from tl_keras.builders.classifier import without_augmentation
from tl_keras.errors import InputError

_HEADS = ("classes", "predictions")  # of build_localizer; of build_classifier and build_tagger


class ClassHead(NamedTuple):
    """What makes class scores of images, or of the base's last map.

    A score is what comes before softmax or sigmoid, whose slope vanishes where the model is sure;
    and without the bias, which says nothing of the image.

    Attributes:
        body: From images, or maps, to one vector an image, without augmentation.
        dense: The layer from that vector to the classes.
    """

    body: keras.Model
    dense: keras.layers.Dense

    def scores(self, inputs: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """The score of one class of each input, float32 (N,).

        Args:
            inputs: Of the body, few enough for one pass.
            classes: int (N,).
        """
        vectors = np.asarray(self.body.predict_on_batch(inputs), "float32")
        kernel = keras.ops.convert_to_numpy(self.dense.kernel)
        return np.einsum("nd,dn->n", vectors, kernel[:, classes])

    def slopes(self) -> Callable[[Any, np.ndarray], np.ndarray]:
        """A compiled function: how the score of each input's class grows with each of its values.

        Returns:
            From inputs of the body and classes, int (N,), to slopes, float32, of the inputs' shape.

        Raises:
            InputError: The backend is neither TensorFlow nor JAX.
        """
        backend = keras.backend.backend()
        if backend not in ("tensorflow", "jax"):
            raise InputError(
                f"this needs gradients, which it has not on {backend}; set KERAS_BACKEND to "
                "tensorflow or jax, or explain by occlusion"
            )
        slopes = _tensorflow(self) if backend == "tensorflow" else _jax(self)
        one_hot = np.eye(self.dense.units, dtype="float32")

        def found(inputs: Any, classes: np.ndarray) -> np.ndarray:
            some = slopes(inputs, one_hot[classes])
            return keras.ops.convert_to_numpy(some).astype("float32")

        return found

    def sum_of(self, vectors: Any, chosen: Any) -> Any:
        """The chosen scores of vectors, summed, so that the slope of each is its own."""
        ops = keras.ops
        kernel = ops.cast(self.dense.kernel, "float32")
        return ops.sum(ops.matmul(ops.cast(vectors, "float32"), kernel) * chosen)


class MapCut(NamedTuple):
    """A model cut at its base's last map.

    Attributes:
        front: Images to map.
        head: Map to scores.
        centre: Of the map's first cell, px.
        stride: From cell to cell, px.
    """

    front: keras.Model
    head: ClassHead
    centre: float
    stride: int


def class_head(model: keras.Model) -> ClassHead:
    """The model as a class head on images.

    Args:
        model: Of ``build_classifier``, ``build_tagger`` or ``build_localizer``, built here or
            reloaded.

    Raises:
        InputError: Its classes are not read off one vector an image by one layer.
    """
    whole = without_augmentation(model)
    dense = next((layer for layer in whole.layers if layer.name in _HEADS), None)
    if not isinstance(dense, keras.layers.Dense):
        raise InputError(
            f"model {model.name!r} has no class head on one vector an image; give one of "
            "tl_keras.build_classifier, build_tagger or build_localizer; of an ensemble, a member"
        )
    (before,) = _call(whole, dense).input_tensors
    return ClassHead(keras.Model(whole.input, before), dense)


def cut_at_map(model: keras.Model) -> MapCut:
    """The model cut at the last stage of its base's stage map.

    Raises:
        InputError: As :func:`class_head`, or the model holds no base.
    """
    whole = class_head(model)
    base = find_backbone(whole.body)
    last = stage_map(base)[-1]
    # Last of all where the stage lies inside a nested model: a base ends in a map.
    ends = [tensor is last.output for tensor in base.outputs]
    place = ends.index(True) if any(ends) else -1
    cut = _call(whole.body, base).outputs[place]
    return MapCut(
        keras.Model(whole.body.input, cut),
        ClassHead(keras.Model(cut, whole.body.output), whole.dense),
        first_centres(base)[id(base.outputs[place])],
        last.stride,
    )


def _call(model: keras.Model, layer: keras.Layer) -> Any:
    """The node of a model's own graph that calls a layer, which other models may share."""
    pending = list(model.outputs)
    while True:
        operation, index, _ = pending.pop()._keras_history
        node = operation._inbound_nodes[index]
        if operation is layer:
            return node
        pending.extend(node.input_tensors)


def _tensorflow(head: ClassHead) -> Callable[[Any, Any], Any]:
    import tensorflow as tf

    source = head.body.inputs[0]
    given = tf.TensorSpec((None, *source.shape[1:]), source.dtype)
    wanted = tf.TensorSpec((None, head.dense.units), "float32")

    @tf.function(input_signature=[given, wanted])
    def slopes(inputs: Any, chosen: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = head.sum_of(head.body(inputs, training=False), chosen)
        return tape.gradient(total, inputs)

    return slopes


def _jax(head: ClassHead) -> Callable[[Any, Any], Any]:
    import jax

    body = head.body
    # As arguments: what a compiled function closes over is compiled into it.
    weights = [[v.value for v in some] for some in (body.trainable_variables,
                                                    body.non_trainable_variables)]  # fmt: skip

    def total(inputs: Any, chosen: Any, weights: Any) -> Any:
        vectors, _ = body.stateless_call(*weights, inputs, training=False)
        return head.sum_of(vectors, chosen)

    slopes = jax.jit(jax.grad(total))
    return lambda inputs, chosen: slopes(jax.numpy.asarray(inputs), chosen, weights)
