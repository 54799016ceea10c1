"""Half precision where the hardware is faster by it; what is saved stays float32."""

import contextlib
from collections.abc import Iterator

import keras

from tl_keras.errors import InputError

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

# Cheap, and three digits of a pixel would be lost in them.
_KEPT = (keras.layers.Rescaling, keras.layers.Normalization)


def choose_precision(kind: str, capability: float | None = None) -> tuple[str, str]:
    """The precision that this hardware computes fastest in without losing accuracy.

    NVIDIA's tensor cores know bfloat16 from compute capability 8.0 on and float16 from 7.0 on
    (CUDA C++ Programming Guide, "Compute Capabilities").  bfloat16 has the range of float32 and
    needs no loss scaling; float16 does (Micikevicius et al. 2018, arXiv:1710.03740), and Keras
    adds it at ``compile``.

    Args:
        kind: ``"cpu"``, ``"gpu"`` or ``"tpu"``.
        capability: Compute capability of the oldest GPU in use, such as 8.6; None where unknown.

    Returns:
        One of ``PRECISIONS``, and why.

    Example:
        >>> choose_precision("gpu", 7.5)
        ('mixed_float16', 'float16 with loss scaling: compute capability 7.5')
    """
    if kind == "tpu":
        return "mixed_bfloat16", "bfloat16: a TPU's own"
    if kind == "gpu" and capability is not None and capability >= 7:
        if capability >= 8:
            return "mixed_bfloat16", f"bfloat16: compute capability {capability}"
        return "mixed_float16", f"float16 with loss scaling: compute capability {capability}"
    if kind == "gpu":
        known = f"compute capability {capability}" if capability else "an unknown kind of GPU"
        return "float32", f"float32: {known}"
    return "float32", "float32: a CPU is slower in bfloat16"


def check_precision(precision: str) -> str:
    """Return the precision if Keras knows it as a policy for training.

    Raises:
        InputError: It does not.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision={precision!r} is unknown; give auto, {', '.join(PRECISIONS)}")
    return precision


@contextlib.contextmanager
def computing_in(model: keras.Model, precision: str) -> Iterator[None]:
    """Let a model compute in this precision; afterwards its layers are what they were.

    Only the type that layers compute in changes: the variables stay the same float32 objects, so
    optimizers, callbacks and files never see half precision.  Layers that produce the model's
    outputs, scale pixels, or were given a type of their own are left alone.  Compile the model
    inside, for Keras adds loss scaling for float16 then.

    Args:
        model: Any model; nested ones are included.
        precision: One of ``PRECISIONS``.

    Yields:
        Nothing.

    Raises:
        InputError: The precision is unknown.

    Example:
        >>> with computing_in(model, "mixed_bfloat16"):  # doctest: +SKIP
        ...     model.compile("adamw", "sparse_categorical_crossentropy")
        ...     model.fit(images, labels)
    """
    check_precision(precision)
    before = []
    if precision != "float32":
        heads = {tensor._keras_history.operation for tensor in model.outputs}
        for layer in model._flatten_layers():
            plain = layer.dtype_policy.name == "float32"
            if plain and layer not in heads and not isinstance(layer, _KEPT):
                before.append((layer, layer.dtype_policy))
    try:
        for layer, _ in before:
            layer.dtype_policy = precision
        _trace_anew(model)
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy
        _trace_anew(model)


def _trace_anew(model: keras.Model) -> None:
    # Steps compiled before hold on to the types that they were traced with.
    model.train_function = model.test_function = model.predict_function = None
