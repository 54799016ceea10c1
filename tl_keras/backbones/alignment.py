"""Where the cells of a feature map lie in the image."""

from typing import Any

import keras

from tl_keras.backbones.graph import Step, trace


def first_centres(base: keras.Model) -> dict[int, float]:
    """The centre of the first cell of every tensor of a base, by receptive-field arithmetic.

    Cell ``i`` of a map of stride ``s`` is centred at ``centre + i * s`` px, where pixel ``j``
    covers ``[j, j + 1)`` (Araujo, Norris and Sim 2019,
    https://doi.org/10.23915/distill.00021, equation 3).  A map that divides the image into equal
    cells has the centre ``s / 2``; "same" padding at even sizes is half a cell later, at odd sizes
    half a cell earlier, "valid" padding whole cells later.  Where branches join, theirs are
    averaged.  Layers other than convolution, pooling, padding and cropping count as equal cells.

    Args:
        base: A functional model whose maps are square.

    Returns:
        ``id(tensor) -> centre``, px, for the tensors of the base's own graph.

    Example:
        >>> image = keras.Input((32, 32, 3))
        >>> x = keras.layers.Conv2D(4, 3, strides=2, padding="valid")(image)
        >>> first_centres(keras.Model(image, x))[id(x)]
        1.5
    """
    return _walk(base, 0.5, 1)[0]


def _walk(model: keras.Model, centre: float, stride: int) -> tuple[dict[int, float], float]:
    """Centres of a model's tensors, and that of its output, given those of its input."""
    centres: dict[int, float] = {}
    strides: dict[int, int] = {}
    pooled: set[int] = set()
    for step in trace(model, stride):
        before = max(strides.get(id(tensor), stride) for tensor in step.inputs)
        # The gate of a squeeze-and-excite block weighs cells and has no place of its own.
        placed = [tensor for tensor in step.inputs if id(tensor) not in pooled] or step.inputs
        here = [centres.get(id(tensor), centre) for tensor in placed]
        centres[id(step.output)] = _moved(step, sum(here) / len(here), before)
        strides[id(step.output)] = step.stride
        if step.pooled:
            pooled.add(id(step.output))
    model = getattr(model, "_functional", None) or model
    return centres, centres.get(id(model.outputs[-1]), centre)


def _moved(step: Step, centre: float, stride: int) -> float:
    """The centre behind one operation, given that before it and the stride before it."""
    operation = step.output._keras_history[0]
    if isinstance(operation, keras.Model):
        return _walk(operation, centre, stride)[1]
    kind = type(operation).__name__
    if kind.startswith("ZeroPadding"):
        return centre - stride * operation.padding[0][0]
    if kind.startswith("Cropping"):
        return centre + stride * operation.cropping[0][0]
    window = _first(getattr(operation, "kernel_size", None) or getattr(operation, "pool_size", 0))
    if step.pooled or not window or "Transpose" in kind:
        return centre + (step.stride - stride) / 2
    window = (window - 1) * _first(getattr(operation, "dilation_rate", 1)) + 1
    factor, size = _first(operation.strides), step.inputs[0].shape[1]
    padded = 0
    if operation.padding == "same":
        padded = max((-(-size // factor) - 1) * factor + window - size, 0) // 2
    return centre + stride * ((window - 1) / 2 - padded)


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, (tuple, list)) else value)
