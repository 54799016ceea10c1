"""The pipeline on TensorFlow: batches of positions in, decoded in parallel, in order."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tl_keras.data.loading import BatchLoader
from tl_keras.data.ordering import EpochOrder
from tl_keras.data.scanning import workers


def tf_dataset(loader: BatchLoader, order: EpochOrder) -> tf.data.Dataset:
    """Builds the dataset.

    Only positions travel through the graph, so its memory does not grow with the number of
    images; what waits is at most one batch per thread and two ahead.

    Args:
        loader: makes pixels of positions.
        order: which positions, when.

    Returns:
        ``tf.data.Dataset`` of ``(uint8 (B, S, S, 3), int32 (B,))`` with a known cardinality; its
        attribute ``epoch_order`` is ``order``.

    Raises:
        tf.errors.InvalidArgumentError: while iterating, a file cannot be read; see
            :func:`tl_keras.data.reading_errors`.

    Example:
        >>> images, labels = next(iter(tf_dataset(loader, order)))  # doctest: +SKIP
    """

    def positions() -> Iterator[tuple[int, np.ndarray]]:
        epoch = order.start()
        for number in range(len(order)):
            yield epoch, order.batch(epoch, number)

    def pixels(epoch: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(
            lambda e, i: loader(i, int(e)), (epoch, indices), (tf.uint8, tf.int32)
        )
        rows = order.batch_size if order.drop_remainder else None
        images.set_shape((rows, loader.image_size, loader.image_size, 3))
        labels.set_shape((rows,))
        return images, labels

    scalar, vector = tf.TensorSpec((), tf.int64), tf.TensorSpec((None,), tf.int64)
    dataset = tf.data.Dataset.from_generator(positions, output_signature=(scalar, vector))
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(order)))
    # A fixed number: autotuning would raise it, and the memory with it, while training runs.
    dataset = dataset.map(pixels, num_parallel_calls=workers(), deterministic=True)
    if loader.per_batch is not None:
        dataset = dataset.map(lambda images, labels: (loader.per_batch(images), labels))
    dataset = dataset.prefetch(2)
    dataset.epoch_order = order
    return dataset
