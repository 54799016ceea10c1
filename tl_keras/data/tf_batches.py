"""The pipeline on TensorFlow: batches of positions in, decoded in parallel, in order."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tl_keras.data.loading import BatchLoader
from tl_keras.data.ordering import EpochOrder
from tl_keras.data.profile import WaitClock
from tl_keras.data.scanning import workers


def tf_dataset(loader: BatchLoader, order: EpochOrder) -> tf.data.Dataset:
    """Builds the dataset.

    Only positions travel through the graph, so its memory does not grow with the number of
    images; what waits is at most one batch per thread and two ahead.

    Args:
        loader: makes pixels of positions.
        order: which positions, when.

    Returns:
        ``tf.data.Dataset`` of ``(uint8 (B, S, S, 3), targets)`` with a known cardinality; its
        attribute ``epoch_order`` is ``order``, and ``wait_clock`` knows how long it was waited for.

    Raises:
        tf.errors.InvalidArgumentError: while iterating, a file cannot be read; see
            :func:`tl_keras.data.reading_errors`.

    Example:
        >>> images, labels = next(iter(tf_dataset(loader, order)))  # doctest: +SKIP
    """

    order.number_visits()

    def positions() -> Iterator[tuple[int, np.ndarray]]:
        epoch = order.start()
        for number in range(len(order)):
            yield epoch, order.batch(epoch, number)

    def pixels(epoch: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, targets = tf.numpy_function(
            lambda e, i: loader(i, int(e)), (epoch, indices), (tf.uint8, loader.targets.dtype)
        )
        rows = order.batch_size if order.drop_remainder else None
        images.set_shape((rows, loader.image_size, loader.image_size, 3))
        targets.set_shape((rows, *loader.targets.shape[1:]))
        return images, targets

    scalar, vector = tf.TensorSpec((), tf.int64), tf.TensorSpec((None,), tf.int64)
    dataset = tf.data.Dataset.from_generator(positions, output_signature=(scalar, vector))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(order)))
    # A fixed number: autotuning would raise it, and the memory with it, while training runs.
    dataset = dataset.map(pixels, num_parallel_calls=workers(), deterministic=True)
    if loader.per_batch is not None:
        dataset = dataset.map(lambda images, targets: (loader.per_batch(images), targets))
    clock = WaitClock(loader.cache)
    dataset = _timed(dataset.prefetch(2), clock, len(order))
    dataset.epoch_order, dataset.wait_clock = order, clock
    return dataset


def _timed(dataset: tf.data.Dataset, clock: WaitClock, count: int) -> tf.data.Dataset:
    # A zip takes from its parts one after the other, in the thread that asks: the time comes first.
    asked = tf.data.Dataset.range(count).map(lambda number: (number, tf.timestamp()))

    def note(asked: tuple[tf.Tensor, tf.Tensor], batch: tuple) -> tuple:
        noted = tf.numpy_function(clock.record, (*asked, tf.timestamp()), ())
        with tf.control_dependencies([noted]):
            return tf.nest.map_structure(tf.identity, batch)

    timed = tf.data.Dataset.zip(asked, dataset).map(note)
    timed = timed.apply(tf.data.experimental.assert_cardinality(count))
    options = tf.data.Options()
    # A prefetch put behind by itself would ask for batches before the training loop does.
    options.experimental_optimization.inject_prefetch = False
    return timed.with_options(options)
