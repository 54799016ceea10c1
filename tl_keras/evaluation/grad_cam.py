"""Where in an image a class was seen: Grad-CAM, on TensorFlow and JAX."""

from typing import Any, NamedTuple

import cv2
import keras
import numpy as np

from tl_keras.backbones.alignment import first_centres
from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import stage_map
from tl_keras.builders.classifier import without_augmentation
from tl_keras.errors import InputError

_AT_ONCE = 16  # images: what bounds the memory
_HEADS = ("classes", "predictions")  # of build_localizer; of build_classifier and build_tagger


def grad_cam(model: keras.Model, images: Any, classes: Any) -> np.ndarray:
    """Which parts of images speak for a class, by the last feature map of the base.

    The channels of the map are weighed by how much the class's score (before softmax or sigmoid)
    grows with them on average over the cells, and what is left of their sum above zero is shown
    (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391).  The map is that of the last stage of
    the base's stage map; its cells are laid where their receptive fields are centred, and
    interpolated in between, so a cell of 32 px is as exact as it gets.

    Args:
        model: Of ``build_classifier``, ``build_tagger`` or ``build_localizer``, on any base, built
            here or reloaded.
        images: (N, S, S, 3) RGB, 0..255, of the model's size.
        classes: int (N,), the class, or tag, to look for in each.

    Returns:
        float32 (N, S, S), 0..1, the highest value of each image being 1; all 0 where nothing speaks
        for the class.

    Raises:
        InputError: The model's class head does not read one vector an image, the arguments do not
            fit it, or the backend is neither TensorFlow nor JAX.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=64, weights=None)
        >>> grad_cam(model, np.zeros((2, 64, 64, 3)), [0, 2]).shape
        (2, 64, 64)
    """
    parts = _parts(model)
    images, classes = _checked(model, parts.dense.units, images, classes)
    size = images.shape[1]
    found = np.zeros(images.shape[:3], "float32")
    for start in range(0, len(images), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        maps = _maps(parts.front, images[some])
        slopes = keras.ops.convert_to_numpy(_slopes(parts, maps, classes[some]))
        values = keras.ops.convert_to_numpy(maps).astype("float32")
        weights = slopes.astype("float32").mean(axis=(1, 2), keepdims=True)
        for row, cells in enumerate((weights * values).sum(axis=-1), start=start):
            heat = _on_image(np.maximum(cells, 0.0), size, parts.centre, parts.stride)
            found[row] = heat / (heat.max() or 1.0)
    return found


class _Parts(NamedTuple):
    """A model cut at the base's last map: images to map, map to vector, vector to scores."""

    front: keras.Model
    vector: keras.Model
    dense: keras.layers.Dense
    centre: float  # px, of the map's first cell
    stride: int  # px from cell to cell


def _parts(model: keras.Model) -> _Parts:
    whole = without_augmentation(model)
    dense = next((layer for layer in whole.layers if layer.name in _HEADS), None)
    if not isinstance(dense, keras.layers.Dense):
        raise InputError(
            f"model {model.name!r} has no class head on one vector an image; give one of "
            "tl_keras.build_classifier, build_tagger or build_localizer"
        )
    base = find_backbone(whole)
    last = stage_map(base)[-1]
    # Last of all where the stage lies inside a nested model: a base ends in a map.
    ends = [tensor is last.output for tensor in base.outputs]
    place = ends.index(True) if any(ends) else -1
    cut = _call(whole, base).outputs[place]
    (before,) = _call(whole, dense).input_tensors
    return _Parts(
        keras.Model(whole.input, cut),
        keras.Model(cut, before),
        dense,
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


def _maps(front: keras.Model, images: np.ndarray) -> Any:
    if keras.backend.backend() == "jax":  # which compiles each operation of a mere call alone
        return keras.ops.convert_to_tensor(front.predict_on_batch(images))
    return front(images, training=False)  # quicker here than tracing a function for a few images


def _slopes(parts: _Parts, maps: Any, classes: np.ndarray) -> Any:
    """How each image's score of its class grows with each value of its map."""
    ops = keras.ops
    chosen = np.eye(parts.dense.units, dtype="float32")[classes]

    def score(maps: Any) -> Any:
        vectors = ops.cast(parts.vector(maps, training=False), "float32")
        # Without the bias, which has no slope; without the activation, whose slope vanishes
        # where the model is sure.
        return ops.sum(ops.matmul(vectors, ops.cast(parts.dense.kernel, "float32")) * chosen)

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(maps)
            total = score(maps)
        return tape.gradient(total, maps)
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(score)(maps)
    raise InputError(
        f"Grad-CAM needs gradients, which this has not on {keras.backend.backend()}; set "
        "KERAS_BACKEND to tensorflow or jax"
    )


def _on_image(cells: np.ndarray, size: int, centre: float, stride: int) -> np.ndarray:
    """A map (h, w) at the size of the image, interpolated between the centres of its cells."""
    place = ((np.arange(size) + 0.5 - centre) / stride).astype("float32")
    across, down = np.meshgrid(place, place)
    return cv2.remap(cells, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _checked(
    model: keras.Model, units: int, images: Any, classes: Any
) -> tuple[np.ndarray, np.ndarray]:
    images, classes = np.asarray(images), np.asarray(classes)
    shape = tuple(model.input_shape[1:])
    if images.shape[1:] != shape or images.dtype.kind not in "uif":
        raise InputError(
            f"images are {images.dtype} of shape {images.shape}; the model needs numbers 0..255 "
            f"of shape (N, {', '.join(map(str, shape))})"
        )
    if classes.shape != images.shape[:1] or classes.dtype.kind not in "ui":
        raise InputError(
            f"classes are {classes.dtype} of shape {classes.shape}; give a whole number for each "
            f"of the {len(images)} images"
        )
    if classes.size and not 0 <= classes.min() <= classes.max() < units:
        raise InputError(
            f"classes run from {classes.min()} to {classes.max()}; the model knows 0 to {units - 1}"
        )
    return images, classes
