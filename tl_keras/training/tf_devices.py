"""Strategies of ``tf.distribute`` for the hardware of this process."""

import json
import os
from typing import Any

from tl_keras.errors import InputError


def tpu_strategy() -> Any:
    """``TPUStrategy`` on this machine's TPU, or None where TensorFlow finds none.

    The calls are those of https://www.tensorflow.org/guide/tpu; we had no TPU to try them on.
    """
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.NotFoundError):
        return None
    return tf.distribute.TPUStrategy(resolver)


def mirrored_strategy(devices: int | None = None) -> Any:
    """``MirroredStrategy`` over this machine's GPUs, or over logical devices of its CPU.

    Args:
        devices: So many; all where None.

    Raises:
        InputError: There are not so many, or logical devices are asked for too late.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        count = devices or len(gpus)
        if count > len(gpus):
            raise InputError(f"{count} GPUs asked for; TensorFlow finds {len(gpus)}")
        return tf.distribute.MirroredStrategy([f"GPU:{i}" for i in range(count)])
    if devices:
        cpu = tf.config.list_physical_devices("CPU")[0]
        made = [tf.config.LogicalDeviceConfiguration() for _ in range(devices)]
        try:
            tf.config.set_logical_device_configuration(cpu, made)
        except RuntimeError:
            # Too late to make them; there may be as many all the same.
            if len(tf.config.list_logical_devices("CPU")) < devices:
                raise InputError(
                    f"{devices} logical CPU devices must be asked for before the first model is "
                    "built; call choose_placement at the beginning"
                ) from None
    count = devices or len(tf.config.list_logical_devices("CPU"))
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])


def gpu_capabilities() -> list[tuple[int, int] | None]:
    """Compute capability of each of this machine's GPUs, None where unknown."""
    import tensorflow as tf

    return [
        tf.config.experimental.get_device_details(gpu).get("compute_capability")
        for gpu in tf.config.list_physical_devices("GPU")
    ]


def cluster_task() -> tuple[int, int]:
    """How many workers ``TF_CONFIG`` names, the chief among them, and which one this is.

    Returns:
        (workers, number of this one from 0 on); (1, 0) without ``TF_CONFIG``.

    Raises:
        InputError: ``TF_CONFIG`` is set to something else.

    Example:
        >>> cluster_task()
        (1, 0)
    """
    try:
        config = json.loads(os.environ.get("TF_CONFIG") or "{}")
        cluster, task = config.get("cluster", {}), config.get("task", {})
        chiefs, workers = len(cluster.get("chief", ())), len(cluster.get("worker", ()))
        index = int(task.get("index", 0))
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            "TF_CONFIG is not the JSON of a cluster; see tensorflow.org/guide/distributed_training"
        ) from None
    if task.get("type") == "worker":
        index += chiefs
    return max(chiefs + workers, 1), index
