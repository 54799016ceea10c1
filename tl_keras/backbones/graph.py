"""The graph of a functional model as steps with strides."""

from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Step:
    """One operation of a model.

    Attributes:
        output: Its (first) output tensor.
        inputs: The tensors that it reads.
        stride: Image pixels per pixel of its output.
        pooled: Whether its output has lost the two spatial axes to a global pooling.
        pads: Whether it only pads or crops.
        leaves: (layer, stride) per leaf layer: itself, those of a nested model, or none for a bare
            operation such as ``x + 3``.
    """

    output: keras.KerasTensor
    inputs: tuple[keras.KerasTensor, ...]
    stride: int
    pooled: bool
    pads: bool
    leaves: tuple[tuple[keras.Layer, int], ...]


def trace(model: keras.Model, stride: int = 1, pooled: bool = False) -> list[Step]:
    """Follow a functional model from its inputs to its outputs.

    Args:
        model: A functional model, or a built ``keras.Sequential``.
        stride: Stride of the model's inputs.
        pooled: Whether the inputs come from a global pooling.

    Returns:
        Steps in the model's topological order, input layers left out.  A layer used twice stands
        at its first use.

    Example:
        >>> image = keras.Input((32, 32, 3))
        >>> x = keras.layers.Conv2D(4, 3, strides=2)(image)
        >>> [step.stride for step in trace(keras.Model(image, keras.layers.ReLU()(x)))]
        [2, 2]
    """
    model = getattr(model, "_functional", None) or model
    nodes = _nodes(model)
    state: dict[int, tuple[int, bool]] = {}  # id of a tensor -> its stride, whether it is pooled
    steps = []
    for operation in model.operations:
        for index, node in enumerate(nodes.get(id(operation), ())):
            if isinstance(operation, keras.layers.InputLayer):
                state.update((id(tensor), (stride, pooled)) for tensor in node.outputs)
                continue
            step = _step(operation, node, [state[id(tensor)] for tensor in node.input_tensors])
            state.update((id(tensor), (step.stride, step.pooled)) for tensor in node.outputs)
            if index == 0:
                steps.append(step)
    return steps


def _nodes(model: keras.Model) -> dict[int, list[Any]]:
    """The calls of each operation that the model's outputs depend on, in the order of calling.

    Layers are shared between models, so an operation's own list of calls may hold others'.
    """
    found: dict[int, dict[int, Any]] = {}
    pending = list(model.outputs)
    while pending:
        operation, index, _ = pending.pop()._keras_history
        calls = found.setdefault(id(operation), {})
        if index not in calls:
            calls[index] = operation._inbound_nodes[index]
            pending.extend(calls[index].input_tensors)
    return {key: [calls[index] for index in sorted(calls)] for key, calls in found.items()}


def _step(operation: Any, node: Any, before: list[tuple[int, bool]]) -> Step:
    # A pooled tensor that meets an unpooled one (a squeeze-excite gate) takes on its resolution.
    stride = max(s for s, _ in before)
    pooled = all(p for _, p in before)
    kind = type(operation).__name__
    pads = kind.startswith(("ZeroPadding", "Cropping"))
    leaves: tuple[tuple[keras.Layer, int], ...] = ()
    if isinstance(operation, keras.Model):
        inner = trace(operation, stride, pooled)
        leaves = tuple(leaf for step in inner for leaf in step.leaves)
        stride, pooled = inner[-1].stride, inner[-1].pooled
    else:
        factor = 1 if pads or pooled else _factor(operation, kind, node)
        pooled = pooled or factor == 0
        stride *= factor or 1
        if isinstance(operation, keras.Layer):
            leaves = ((operation, stride),)
    return Step(node.outputs[0], tuple(node.input_tensors), stride, pooled, pads, leaves)


def _factor(operation: Any, kind: str, node: Any) -> int:
    """How much coarser an operation's output is than its input; 0 for a global pooling."""
    if kind.startswith("Global"):
        return 0
    strides = getattr(operation, "strides", None)
    if strides is not None and "Transpose" not in kind:
        return max(strides) if isinstance(strides, (tuple, list)) else int(strides)
    # Layers without strides (a user's own, a mean over axes) show theirs in the shapes.
    shape, source = node.outputs[0].shape, node.input_tensors[0].shape
    if len(source) != 4:
        return 1
    if len(shape) != 4 or (shape[1] == 1 and (source[1] or 0) > 2):
        return 0
    if not shape[1] or not source[1]:
        return 1
    return max(1, round(source[1] / shape[1]))
