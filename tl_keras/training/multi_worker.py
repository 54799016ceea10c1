"""Several machines train one model: ``MultiWorkerMirroredStrategy`` under Keras 3.

Every process runs the same program with its own ``TF_CONFIG``
(https://www.tensorflow.org/guide/distributed_training#TF_CONFIG).  Validation is shared too, so
that all of them take the same decisions at the end of an epoch; files are the chief's.

Up to 3.15 Keras' trainer fails with more than one worker
(https://github.com/keras-team/keras/issues/20585): it averages the first *batch* across workers to
learn its shape, which collectives refuse for integers, and it averages scalar logs along an axis
that they do not have.  ``mend_keras`` puts both right in versions known to have the faults.
"""

import functools
from typing import Any

import keras

from tl_keras.errors import InputError

_LAST_FAULTY = (3, 15)


def connect_workers() -> Any:
    """The strategy of the cluster in ``TF_CONFIG``; waits until all workers are there.

    Returns:
        ``tf.distribute.MultiWorkerMirroredStrategy``.

    Raises:
        InputError: TensorFlow has run operations already, or the cluster cannot be used.
    """
    import tensorflow as tf

    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise InputError(
            "workers must be connected before TensorFlow's first operation "
            f"({str(error).splitlines()[0]}); call choose_placement before building the model"
        ) from None
    except ValueError as error:
        raise InputError(f"the cluster in TF_CONFIG cannot be used: {error}") from None
    mend_keras()
    return strategy


def mend_keras() -> bool:
    """Put right what stops Keras' trainer with several workers; harmless to all other training.

    Returns:
        Whether this Keras has the faults.

    Example:
        >>> mend_keras()  # doctest: +SKIP
        True
    """
    if tuple(int(part) for part in keras.__version__.split(".")[:2]) > _LAST_FAULTY:
        return False
    from keras.src.backend.tensorflow import trainer

    if not hasattr(trainer.reduce_per_replica, "__wrapped__"):
        trainer.reduce_per_replica = _reducing(trainer.reduce_per_replica)
        cls = trainer.TensorFlowTrainer
        cls._maybe_symbolic_build = _building(cls._maybe_symbolic_build)
    return True


def _several_workers(strategy: Any) -> bool:
    import tensorflow as tf

    kind = tf.distribute.MultiWorkerMirroredStrategy
    return isinstance(strategy, kind) and strategy.extended._in_multi_worker_mode()


def _reducing(original: Any) -> Any:
    @functools.wraps(original)
    def reduce_per_replica(values: Any, strategy: Any, reduction: str) -> Any:
        if _several_workers(strategy) and reduction in ("auto", "mean"):
            return keras.tree.map_structure(
                lambda value: strategy.reduce("MEAN", value, axis=None), values
            )
        return original(values, strategy, reduction)

    return reduce_per_replica


def _building(original: Any) -> Any:
    @functools.wraps(original)
    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        strategy = self._distribute_strategy
        if iterator is None or not _several_workers(strategy):
            return original(self, iterator, data_batch)
        for _, _, batches in iterator:
            # Only shapes and types are wanted: those of this worker's own share.
            data_batch = keras.tree.map_structure(
                lambda value: strategy.experimental_local_results(value)[0], next(batches)
            )
            break
        with strategy.scope():
            self._symbolic_build(data_batch=data_batch)

    return _maybe_symbolic_build


def take_from_chief(variables: list[Any], strategy: Any) -> None:
    """Give every worker the chief's values, bit for bit; all workers call it at the same time.

    Args:
        variables: Keras variables made under the strategy, the same list on every worker; those
            of whole numbers (counters, seeds) are left alone.
        strategy: Of ``connect_workers``.
    """
    import tensorflow as tf

    shared = [v for v in variables if keras.backend.is_float_dtype(v.dtype)]

    @tf.function
    def sums() -> Any:
        def spoken() -> list[Any]:
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group == 0
            parts = [tf.where(first, tf.identity(v.value), tf.zeros_like(v.value)) for v in shared]
            return context.all_reduce(tf.distribute.ReduceOp.SUM, parts)

        return strategy.run(spoken)

    for variable, value in zip(shared, sums(), strict=True):
        variable.assign(strategy.experimental_local_results(value)[0])
