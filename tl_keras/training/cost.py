"""What a run cost, and what its model costs to use: time, memory, size, latency."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.training.peak_memory import peak_memory

_PASSES, _SECONDS = 15, 0.3  # of the timing at each batch size, whichever ends first
_LARGEST_BATCH_SECONDS = 0.5  # a batch that takes longer is not worth a run's waiting


def measured_cost(
    model: keras.Model, history: Sequence[Mapping[str, Any]], seconds: float, batch_size: int,
    file: Path,
) -> dict[str, Any]:  # fmt: skip
    """Takes a second or two; a figure that cannot be had here is None.

    Args:
        model: The final one, as it was saved.
        history: Rows of the run, with ``stage`` and ``seconds``.
        seconds: Wall time of the whole run.
        batch_size: To measure throughput with.
        file: The saved model.

    Returns:
        JSON values: ``seconds``; ``stages`` (of each ``stage``, ``epochs``, ``seconds``);
        ``peak_memory_bytes`` of this process so far, libraries included; ``model_bytes``;
        ``latency_ms``, the median forward pass of one image; ``images_per_second`` in batches of
        ``batch``; ``device``.
    """
    return {
        "seconds": round(seconds, 1),
        "stages": stage_seconds(history),
        "peak_memory_bytes": peak_memory(),
        "model_bytes": file.stat().st_size,
        **forward_times(model, batch_size),
        "device": device_name(),
    }


def stage_seconds(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Epochs and their wall time, stage by stage, in the order they ran.

    Example:
        >>> rows = [{"stage": "head", "seconds": 1.0}, {"stage": "all", "seconds": 2.5}]
        >>> stage_seconds(rows)[1]
        {'stage': 'all', 'epochs': 1, 'seconds': 2.5}
    """
    found: list[dict[str, Any]] = []
    for row in history:
        stage = str(row.get("stage", ""))
        if not found or found[-1]["stage"] != stage:
            found.append({"stage": stage, "epochs": 0, "seconds": 0.0})
        found[-1]["epochs"] += 1
        spent = found[-1]["seconds"] + float(row.get("seconds") or 0.0)
        found[-1]["seconds"] = round(spent, 3)
    return found


def forward_times(model: keras.Model, batch_size: int) -> dict[str, Any]:
    """Latency of one image, and images a second in batches; reading files is not counted.

    Args:
        model: From images (N, S, S, 3).
        batch_size: Of the throughput; less where a batch would take over half a second, and 1
            where the backend compiles each size anew.

    Returns:
        ``latency_ms``, ``images_per_second`` and ``batch``.
    """
    forward = _forward(model)
    alone = _median_seconds(model, forward, 1)
    batch = max(1, min(batch_size, int(_LARGEST_BATCH_SECONDS / alone)))
    if keras.backend.backend() != "tensorflow":
        batch = 1  # another size would be compiled anew, which takes seconds
    together = alone if batch == 1 else _median_seconds(model, forward, batch)
    return {
        "latency_ms": round(1000 * alone, 2),
        "images_per_second": round(batch / together, 1),
        "batch": batch,
    }


def _forward(model: keras.Model) -> Callable[[np.ndarray], Any]:
    """The forward pass, compiled; by TensorFlow once for all batch sizes."""
    if keras.backend.backend() != "tensorflow":
        return model.predict_on_batch
    import tensorflow as tf

    images = tf.TensorSpec((None, *model.input_shape[1:]), model.input.dtype)
    return tf.function(lambda batch: model(batch, training=False), input_signature=[images])


def _median_seconds(model: keras.Model, forward: Callable[[np.ndarray], Any], batch: int) -> float:
    images = np.zeros((batch, *model.input_shape[1:]), model.input.dtype)
    times: list[float] = []
    keras.tree.map_structure(np.asarray, forward(images))  # compiles
    while len(times) < _PASSES and sum(times) < _SECONDS:
        began = time.perf_counter()
        keras.tree.map_structure(np.asarray, forward(images))  # waits for an accelerator
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def device_name() -> str:
    """What the model ran on, such as ``"TensorFlow on CPU (2 cores)"``."""
    backend = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
    name = keras.backend.backend()
    kinds = [one.split(":")[0] for one in keras.distribution.list_devices()]
    kind = next((one for one in kinds if one != "cpu"), "cpu").upper()
    cores = f" ({os.cpu_count()} cores)" if kind == "CPU" else ""
    return f"{backend.get(name, name)} on {kind}{cores}"
