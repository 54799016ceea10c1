"""Where a model is trained, and in which precision: chosen once per process, with the reason.

Batch and rate.  ``batch_size`` is what one device takes, for that is what its memory bounds; a
step of ``replicas`` devices takes ``replicas`` times as many images.  The rate grows with the
batch: linearly for SGD (Goyal et al. 2017, arXiv:1706.02677, with their warm-up, which every
recipe has), by the square root for rules that divide by the gradient's size, such as AdamW
(Malladi et al. 2022, arXiv:2205.10287).
"""

from dataclasses import dataclass
from typing import Any

import keras

from tl_keras.errors import InputError
from tl_keras.training import tf_devices
from tl_keras.training.precision import check_precision, choose_precision

KINDS = ("auto", "cpu", "gpu", "mirrored", "multi_worker", "tpu")


@dataclass(frozen=True)
class Placement:
    """Where a model is trained.

    Attributes:
        kind: ``"cpu"``, ``"gpu"``, ``"mirrored"``, ``"multi_worker"`` or ``"tpu"``; of several
            devices under the JAX backend ``"data_parallel"``.
        precision: One of ``tl_keras.training.precision.PRECISIONS``.
        reason: Both choices in one line.
        strategy: ``tf.distribute.Strategy`` or ``keras.distribution.DataParallel`` where several
            devices work together, else None.
        replicas: Devices that share a batch, on all machines.
        workers: Machines (processes) that work together.
        worker: Which of them this one is, from 0 on.

    Example:
        >>> print(choose_placement())  # doctest: +SKIP
        cpu: no GPU or TPU at hand; float32: a CPU is slower in bfloat16
    """

    kind: str
    precision: str
    reason: str
    strategy: Any = None
    replicas: int = 1
    workers: int = 1
    worker: int = 0

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"

    @property
    def chief(self) -> bool:
        """Whether this process writes artefacts and checkpoints."""
        return self.worker == 0

    def global_batch(self, batch_size: int) -> int:
        """Images in a step of all devices together, where one device takes ``batch_size``."""
        return batch_size * self.replicas

    def learning_rate(self, rate: float, adaptive: bool = True) -> float:
        """The rate for the global batch, where ``rate`` suits the batch of one device.

        Args:
            rate: Peak rate at the batch of one device.
            adaptive: Whether the optimizer divides by the gradient's size (AdamW and its kin).

        Example:
            >>> Placement("mirrored", "float32", "", replicas=4).learning_rate(1e-3)
            0.002
        """
        return rate * (self.replicas**0.5 if adaptive else self.replicas)


# TensorFlow takes one strategy per process: collectives of a first one abort under a second.
_CHOSEN: dict[str, Any] = {}


def choose_placement(
    strategy: Any = "auto", precision: str = "auto", devices: int | None = None
) -> Placement:
    """Pick the hardware to train on: TPU, several GPUs, one GPU, CPU, in this order.

    Where ``TF_CONFIG`` names several workers, they train together.  Call this at the beginning of
    the program then: TensorFlow wants to know before its first operation.

    Args:
        strategy: ``"auto"``; or ``"cpu"``, ``"gpu"`` (one), ``"mirrored"`` (all devices of this
            machine), ``"multi_worker"`` (``TF_CONFIG``), ``"tpu"``; or a
            ``tf.distribute.Strategy`` or ``keras.distribution.DataParallel`` of your own.
        precision: ``"auto"``, ``"float32"``, ``"mixed_bfloat16"`` or ``"mixed_float16"``.
        devices: With ``"mirrored"``, so many GPUs; on a machine without one, so many logical
            devices on the CPU, which is for trying things out, not for speed.

    Returns:
        The placement; the same strategy object each time.

    Raises:
        InputError: There is no such hardware, or it comes too late.

    Example:
        >>> choose_placement("cpu").kind
        'cpu'
    """
    if precision != "auto":
        check_precision(precision)
    if isinstance(strategy, Placement):
        return strategy
    if not isinstance(strategy, str):
        return _own(strategy, precision)
    if strategy not in KINDS:
        raise InputError(f"strategy={strategy!r} is unknown; give one of {', '.join(KINDS)}")
    if keras.backend.backend() == "tensorflow":
        return _tensorflow(strategy, precision, devices)
    if strategy == "multi_worker":
        raise InputError(
            "strategy='multi_worker' reads TF_CONFIG and needs the TensorFlow backend; with JAX "
            "call keras.distribution.initialize in every process and give a DataParallel"
        )
    return _others(strategy, precision, devices)


def _tensorflow(strategy: str, precision: str, devices: int | None) -> Placement:
    levels = tf_devices.gpu_capabilities()
    gpus = len(levels)
    workers, worker = tf_devices.cluster_task()
    if strategy == "multi_worker" or (strategy == "auto" and workers > 1):
        return _multi_worker(precision, workers, worker, levels)
    # To look for a TPU costs half a second, and no machine has both.
    if strategy == "tpu" or (strategy == "auto" and not gpus):
        tpu = _once("tpu", tf_devices.tpu_strategy)
        if tpu is not None:
            return _shared("tpu", tpu, "TPU cores share each batch", precision, "tpu")
        if strategy == "tpu":
            raise InputError(
                "TensorFlow finds no TPU here; use strategy='auto', or on a TPU machine the JAX "
                "backend (KERAS_BACKEND=jax)"
            )
    chip = "gpu" if gpus else "cpu"
    if strategy == "mirrored" or (strategy == "auto" and gpus > 1):
        mirrored = _once("mirrored", lambda: tf_devices.mirrored_strategy(devices))
        what = "GPUs" if gpus else "logical devices of the CPU"
        return _shared("mirrored", mirrored, f"{what} share each batch", precision, chip, levels)
    if strategy == "gpu" and not gpus:
        raise InputError("TensorFlow finds no GPU here; use strategy='auto' or 'cpu'")
    if gpus and strategy == "cpu":
        raise InputError("a GPU is at hand; to train on the CPU set CUDA_VISIBLE_DEVICES=-1")
    if gpus:
        return _placement("gpu", "one GPU is at hand", precision, "gpu", levels)
    why = "asked for" if strategy == "cpu" else "no GPU or TPU at hand"
    return _placement("cpu", why, precision, "cpu")


def _multi_worker(precision: str, workers: int, worker: int, levels: list) -> Placement:
    from tl_keras.training.multi_worker import connect_workers

    if workers < 2:
        raise InputError(
            "strategy='multi_worker' needs TF_CONFIG with two workers or more; set it in every "
            "process, or use `tl-keras train --workers N --engine ray`"
        )
    strategy = _once("multi_worker", connect_workers)
    what = f"devices of {workers} workers share each batch (TF_CONFIG); this is worker {worker}"
    chip = "gpu" if levels else "cpu"
    return _shared(
        "multi_worker", strategy, what, precision, chip, levels, workers=workers, worker=worker
    )


def _others(strategy: str, precision: str, devices: int | None) -> Placement:
    chip, found, levels = _backend_devices()
    if strategy in ("gpu", "tpu") and chip != strategy:
        raise InputError(
            f"{keras.backend.backend()} finds no {strategy.upper()} here but a {chip.upper()}; "
            "use strategy='auto'"
        )
    several = keras.backend.backend() == "jax" and found > 1
    if strategy == "mirrored" and not several:
        raise InputError("strategy='mirrored' needs several devices; use strategy='auto'")
    # Devices that XLA_FLAGS splits a CPU into are for trying things out: only where asked for.
    if several and (strategy == "mirrored" or (strategy in ("auto", "tpu") and chip != "cpu")):
        names = keras.distribution.list_devices()[:devices]
        shared = _once("data_parallel", lambda: keras.distribution.DataParallel(devices=names))
        what = f"JAX devices ({chip}) share each batch"
        return _shared("data_parallel", shared, what, precision, chip, levels)
    if strategy == "cpu" and chip != "cpu":
        raise InputError("a GPU or TPU is at hand; to train on the CPU set JAX_PLATFORMS=cpu")
    return _placement(chip, f"{keras.backend.backend()}'s own device", precision, chip, levels)


def _backend_devices() -> tuple[str, int, list]:
    """Kind of the backend's devices, how many, and their compute capabilities."""
    if keras.backend.backend() == "jax":
        import jax

        found = jax.devices()
        levels = [getattr(one, "compute_capability", None) for one in found]
        return jax.default_backend(), len(found), levels
    import torch

    count = torch.cuda.device_count()
    levels = [torch.cuda.get_device_capability(i) for i in range(count)]
    return "gpu" if count else "cpu", count or 1, levels


def _own(strategy: Any, precision: str) -> Placement:
    what = f"devices of the {type(strategy).__name__} given"
    if isinstance(strategy, keras.distribution.DataParallel):
        chip, _, levels = _backend_devices()
        return _shared(
            "data_parallel", strategy, what, precision, chip, levels,
            workers=strategy.num_processes, worker=strategy.data_shard_id,
        )  # fmt: skip
    if not hasattr(strategy, "num_replicas_in_sync"):
        raise InputError(
            f"strategy is {type(strategy).__name__}; give one of {', '.join(KINDS)}, a "
            "tf.distribute.Strategy or a keras.distribution.DataParallel"
        )
    levels = tf_devices.gpu_capabilities()
    workers, worker = tf_devices.cluster_task()
    if "MultiWorker" in type(strategy).__name__:
        from tl_keras.training.multi_worker import mend_keras

        mend_keras()
        more = {"workers": workers, "worker": worker}
        chip = "gpu" if levels else "cpu"
        return _shared("multi_worker", strategy, what, precision, chip, levels, **more)
    if "TPU" in type(strategy).__name__:
        return _shared("tpu", strategy, what, precision, "tpu")
    return _shared("mirrored", strategy, what, precision, "gpu" if levels else "cpu", levels)


def _shared(
    kind: str, strategy: Any, what: str, precision: str, chip: str, levels: Any = (), **more: Any
) -> Placement:
    mesh = getattr(strategy, "device_mesh", None)
    count = strategy.num_replicas_in_sync if mesh is None else int(mesh.devices.size)
    more |= {"strategy": strategy, "replicas": count}
    return _placement(kind, f"{count} {what}", precision, chip, levels, **more)


def _placement(
    kind: str, why: str, precision: str, chip: str, levels: Any = (), **more: Any
) -> Placement:
    if precision == "auto":
        precision, because = choose_precision(chip, _lowest(levels))
    else:
        because = f"{precision}: asked for"
    return Placement(kind, precision, f"{why}; {because}", **more)


def _lowest(levels: Any) -> float | None:
    """Compute capabilities, as (8, 6) or "8.6"; the lowest, None where one is unknown."""
    if not levels or None in levels:
        return None
    return min(
        float(".".join(map(str, level)) if isinstance(level, tuple) else level) for level in levels
    )


def _once(kind: str, make: Any) -> Any:
    if kind not in _CHOSEN:
        _CHOSEN[kind] = make()
    return _CHOSEN[kind]
