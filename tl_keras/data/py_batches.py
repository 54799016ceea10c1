"""The pipeline without TensorFlow: a Keras ``PyDataset`` that reads two batches ahead."""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from tl_keras.data.loading import BatchLoader
from tl_keras.data.ordering import EpochOrder
from tl_keras.data.profile import WaitClock
from tl_keras.data.scanning import workers

_AHEAD = 2


class ImageBatches(keras.utils.PyDataset):
    """Batches of images and targets.

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
        order.number_visits()
        self.wait_clock = WaitClock(loader.cache)
        self._pool = ThreadPoolExecutor(workers())
        self._coming: deque[tuple[tuple[int, int], np.ndarray, list[Future]]] = deque()
        self._finished = False

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        return len(self.epoch_order)

    def _submit(self, epoch: int, number: int) -> None:
        indices = self.epoch_order.batch(epoch, number)
        images = self.loader.empty(len(indices))
        futures = [
            self._pool.submit(self.loader.load, int(index), epoch, images[row])
            for row, index in enumerate(indices)
        ]
        self._coming.append(((epoch, number), images, futures))

    def __getitem__(self, number: int) -> tuple[Any, np.ndarray]:
        """One batch of the epoch that comes next or is under way.

        Args:
            number: which batch, from 0 on.

        Returns:
            ``(uint8 (B, S, S, 3), targets)`` numpy arrays; a callable given as ``augment``
            decides about the images' own type.

        Raises:
            UnreadableImageError: a file has vanished or changed since it was scanned.
        """
        asked = time.time()
        self._finished = number == len(self) - 1
        epoch = self.epoch_order.epoch
        if not self._coming or self._coming[0][0] != (epoch, number):
            self._coming.clear()
            self._submit(epoch, number)
        for further in range(number + len(self._coming), min(number + 1 + _AHEAD, len(self))):
            self._submit(epoch, further)
        _, images, futures = self._coming.popleft()
        for future in futures:
            future.result()
        targets = self.loader.targets_of(self.epoch_order.batch(epoch, number), epoch)
        if self.loader.per_batch is not None:
            images = self.loader.per_batch(images)
        self.wait_clock.record(number, asked, time.time())
        return images, targets

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
