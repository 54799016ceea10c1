"""Batches for several devices: each decodes its own share, and none of them runs dry.

TensorFlow's own sharding of a data set gives a device nothing where the last batch is small, and
convolutions over no rows crash.  Here the rows of every global batch are dealt out beforehand: all
devices get some, each image comes once an epoch, and a machine reads only what its own devices
will see.  Shares of one batch may differ by a row; weights make up for it, so that every image
counts the same in the gradient.  (The *reported* training loss of such a batch still weighs each
device by its rows.  Validation has no weights and is exact.)
"""

import os
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tl_keras.data.loading import BatchLoader
from tl_keras.data.ordering import EpochOrder
from tl_keras.errors import InputError
from tl_keras.training.inputs import TYPES, ArrayBatches, batches_of
from tl_keras.training.placement import Placement


class SharedOrder(EpochOrder):
    """The shares that the devices of one worker have in each global batch, one after the other.

    A last batch of fewer rows than shares takes rows from the one before it.

    Args:
        count: Examples.
        batch_size: Rows of a global batch.
        replicas: Devices of all workers.
        first: Number of this worker's first device.
        local: Its devices.
        shuffle: Whether each epoch has an order of its own.
        seed: A whole number from 0 on.
        accumulate: Shares of a batch that each device takes one after the other.

    Raises:
        InputError: There are fewer examples, or rows in a batch, than shares.

    Example:
        >>> order = SharedOrder(7, 6, replicas=2, first=1, local=1)
        >>> [order.batch(0, number).tolist() for number in range(len(order))]
        [[3, 4], [6]]
    """

    def __init__(
        self, count: int, batch_size: int, *, replicas: int, first: int, local: int,
        shuffle: bool = False, seed: int = 0, accumulate: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(count, batch_size, shuffle=shuffle, seed=seed)
        self.replicas, self.first, self.local = replicas, first, local
        self.accumulate, self._shares = accumulate, replicas * accumulate
        if min(count, batch_size) < self._shares:
            raise InputError(
                f"{count} images in batches of {batch_size} do not go round {self._shares} shares; "
                "give more images, or train on one device (strategy='gpu' or 'cpu')"
            )
        starts = [*range(0, count, batch_size)]
        if len(starts) > 1 and count - starts[-1] < self._shares:
            if count - starts[-2] < 2 * self._shares:
                starts.pop()
            else:
                starts[-1] = count - self._shares
        self._bounds = [*starts, count]

    @property
    def steps(self) -> int:
        """What Keras calls steps of an epoch: shares that each device takes."""
        return (len(self._bounds) - 1) * self.accumulate

    def __len__(self) -> int:
        """Shares of an epoch that this worker reads."""
        return self.steps * self.local

    def batch(self, epoch: int, number: int) -> np.ndarray:
        """The examples of one share, int64."""
        step, device = divmod(number, self.local)
        update, turn = divmod(step, self.accumulate)
        rows = self.indices(epoch)[self._bounds[update] : self._bounds[update + 1]]
        return np.array_split(rows, self._shares)[turn * self.replicas + self.first + device]

    def weights(self) -> np.ndarray:
        """Per share, the weight of each of its rows: float32 (len(self),), 1 where all are equal.

        A device averages over its own rows and the shares' gradients are averaged: rows of a
        share larger than the others weigh less than theirs there, so they are given more.
        """
        sizes = np.array([len(self.batch(0, number)) for number in range(len(self))])
        totals = np.repeat(np.diff(self._bounds), self.local * self.accumulate)
        return (sizes * self._shares / totals).astype("float32")


def replica_batches(
    data: Any, placement: Placement, *, batch_size: int, image_size: int, resize: str = "crop",
    shuffle: bool = False, seed: int = 0, augment: str = "none", training: bool = False,
    accumulate: int = 1, cache: str | os.PathLike | None = None, target: str = "labels",
) -> Any:  # fmt: skip
    """Batches for ``fit`` and ``evaluate`` of a placed model.

    Args:
        data: Examples, or arrays (images, labels).
        placement: Of ``choose_placement``.
        batch_size: Images of a step on *one* device.
        image_size: Side of the images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        shuffle: Whether each epoch has an order of its own.
        seed: Of order and augmentation.
        augment: Augmentation preset of examples.
        training: Whether gradients will be taken, so that uneven shares need weights.
        cache: Where decoded images are kept: ``"memory"``, a folder, or None.
        target: What examples are labelled with, ``"labels"`` or ``"tags"``.
        accumulate: In so many parts, one after the other; see ``accumulate_gradients``.

    Returns:
        On one device and undivided, what ``Examples.dataset`` returns.  Under ``tf.distribute``,
        a distributed data set of (images, labels) or (images, labels, weights).  Under a
        ``DataParallel``, a ``PyDataset`` of (images, labels, weights), every batch full, rows
        of weight 0 filling the last: compile with ``weighted_metrics``.

    Raises:
        InputError: The data cannot be used, or there are more devices than images.

    Example:
        >>> replica_batches(val, placement, batch_size=64, image_size=224)  # doctest: +SKIP
    """
    order = {"shuffle": shuffle, "seed": seed}
    rows = placement.global_batch(batch_size)
    pixels = {
        "image_size": image_size, "resize": resize, "augment": augment, "cache": cache,
        "target": target,
    }  # fmt: skip
    if placement.strategy is None and accumulate == 1:
        return batches_of(data, batch_size=batch_size, **order, **pixels)
    plain = batches_of(data, batch_size=rows, **order, **pixels)
    count = len(data) if hasattr(data, "labels") else len(data[1])
    if isinstance(placement.strategy, keras.distribution.DataParallel):
        if accumulate > 1:
            raise InputError(
                f"batches are not divided under a DataParallel; give batch_size={batch_size // 2}"
            )
        return FilledBatches(plain, count, rows, placement, training)
    local = placement.replicas // placement.workers
    share = SharedOrder(
        count, rows, replicas=placement.replicas, first=placement.worker * local, local=local,
        accumulate=accumulate, **order,
    )  # fmt: skip
    read = _reader(data, plain, pixels, seed)
    if keras.backend.backend() == "tensorflow":
        return _distributed(read, share, placement.strategy, training)
    return SharedBatches(read, share)


def steps_in(batches: Any) -> int:
    """Steps of an epoch over what :func:`replica_batches` returned."""
    order = getattr(batches, "epoch_order", None)
    return order.steps if isinstance(order, SharedOrder) else len(batches)


def _reader(data: Any, plain: Any, pixels: dict, seed: int) -> Any:
    """Makes (images, labels) of (indices, epoch)."""
    if not isinstance(plain, ArrayBatches):
        return BatchLoader(
            data, pixels["image_size"], pixels["resize"], seed, pixels["augment"],
            target=pixels["target"],
        )  # fmt: skip
    images, targets = np.asarray(data[0]), np.asarray(data[1]).astype(TYPES[pixels["target"]])
    return lambda indices, epoch: (images[indices], targets[indices])


def _distributed(read: Any, order: SharedOrder, strategy: Any, training: bool) -> Any:
    import tensorflow as tf

    from tl_keras.data.tf_batches import tf_dataset

    if isinstance(read, BatchLoader):
        dataset = tf_dataset(read, order)
    else:

        def shares() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            epoch = order.start()
            for number in range(len(order)):
                yield read(order.batch(epoch, number), epoch)

        signature = tuple(
            tf.TensorSpec((None, *array.shape[1:]), array.dtype)
            for array in read(np.zeros(1, "int64"), 0)
        )
        dataset = tf.data.Dataset.from_generator(shares, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(order))).prefetch(2)
    weights = order.weights()
    if training and (weights != 1).any():
        table = tf.data.Dataset.from_tensor_slices(weights)
        dataset = tf.data.Dataset.zip(dataset, table).map(
            lambda pair, weight: (*pair, tf.fill(tf.shape(pair[1])[:1], weight))
        )
    if strategy is None:
        dataset.epoch_order = order
        return dataset
    distributed = strategy.distribute_datasets_from_function(lambda context: dataset)
    # Keras counts steps by it; TensorFlow has counted the shares.
    distributed._cardinality = np.int64(order.steps)
    distributed.epoch_order = order
    return distributed


class SharedBatches(keras.utils.PyDataset):
    """The parts of batches for one device, without TensorFlow.

    Args:
        read: Makes (images, labels) of (indices, epoch).
        order: Of the parts; say the epoch with ``tl_keras.data.set_epoch``.
    """

    def __init__(self, read: Any, order: SharedOrder):
        super().__init__()
        self.epoch_order, self._read, self._weights = order, read, order.weights()

    def __len__(self) -> int:
        return len(self.epoch_order)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        epoch = self.epoch_order.epoch
        images, labels = self._read(self.epoch_order.batch(epoch, number), epoch)
        return images, labels, np.full(len(labels), self._weights[number])


class FilledBatches(keras.utils.PyDataset):
    """Batches that all have as many rows, with a weight per row: 0 where it only fills up.

    Keras divides a batch's weighted sum by *all* of its rows, so the weights are above 1.  In
    training each batch's loss comes out as the average over its own real rows; otherwise the
    whole epoch's as the average over all real rows.  A BatchNorm layer that trains sees the rows
    that fill up, which repeat others of the batch.

    Args:
        batches: Batches of (images, labels) with a length.
        count: Real rows of an epoch.
        rows: Rows that each batch shall have.
        placement: Whose devices share them; each process reads all and hands on its own share.
        training: Whether gradients will be taken.
    """

    def __init__(
        self, batches: Any, count: int, rows: int, placement: Placement, training: bool
    ) -> None:
        super().__init__()
        self.batches, self._rows, self._training = batches, rows, training
        self._even = rows * len(batches) / count
        part = rows // placement.workers
        self._share = slice(placement.worker * part, (placement.worker + 1) * part)
        if hasattr(batches, "epoch_order"):
            self.epoch_order = batches.epoch_order

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        images, labels = self.batches[number]
        real, places = len(labels), np.arange(self._rows)
        weight = self._rows / real if self._training else self._even
        weights = np.where(places < real, weight, 0).astype("float32")
        chosen = (places % real)[self._share]
        return images[chosen], labels[chosen], weights[self._share]

    def on_epoch_end(self) -> None:
        """Tell the batches inside."""
        self.batches.on_epoch_end()
