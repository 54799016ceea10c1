"""The pipeline without TensorFlow: a Keras ``PyDataset`` that reads one batch ahead."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from tl_keras.data.loading import BatchLoader
from tl_keras.data.ordering import EpochOrder
from tl_keras.data.scanning import workers


class ImageBatches(keras.utils.PyDataset):
    """Batches of images and labels.

    Keras' own worker queue is not used: it starts before callbacks can set the epoch and carries
    batches of one epoch over into the next.  Here every batch is asked for by (epoch, number).

    Args:
        loader: makes pixels of positions.
        order: which positions, when.

    Example:
        >>> images, labels = ImageBatches(loader, order)[0]  # doctest: +SKIP
    """

    def __init__(self, loader: BatchLoader, order: EpochOrder) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.loader, self.epoch_order = loader, order
        self._pool = ThreadPoolExecutor(workers())
        self._ahead: tuple[tuple[int, int], list[Future]] | None = None
        self._finished = False

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        return len(self.epoch_order)

    def _submit(self, epoch: int, number: int) -> list[Future]:
        indices = self.epoch_order.batch(epoch, number)
        return [self._pool.submit(self.loader.load, int(i), epoch) for i in indices]

    def __getitem__(self, number: int) -> tuple[Any, np.ndarray]:
        """One batch of the epoch that comes next or is under way.

        Args:
            number: which batch, from 0 on.

        Returns:
            ``(uint8 (B, S, S, 3), int32 (B,))`` numpy arrays; a callable given as ``augment``
            decides about the images' own type.

        Raises:
            UnreadableImageError: a file has vanished or changed since it was scanned.
        """
        self._finished = number == len(self) - 1
        epoch = self.epoch_order.epoch
        ahead, self._ahead = self._ahead, None
        futures = ahead[1] if ahead and ahead[0] == (epoch, number) else None
        if futures is None:
            futures = self._submit(epoch, number)
        if number + 1 < len(self):
            self._ahead = ((epoch, number + 1), self._submit(epoch, number + 1))
        images = np.stack([future.result() for future in futures])
        labels = self.loader.examples.labels[self.epoch_order.batch(epoch, number)]
        if self.loader.per_batch is not None:
            images = self.loader.per_batch(images)
        return images, labels

    def __iter__(self) -> Iterator[tuple[Any, np.ndarray]]:
        """A whole epoch; the next one follows."""
        for number in range(len(self)):
            yield self[number]
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Counts the epoch.

        Keras calls this also after a glance at the first batches, and on some backends twice, so
        an epoch counts once its last batch has been handed out.
        """
        if self._finished:
            self.epoch_order.start()
        self._finished = False
