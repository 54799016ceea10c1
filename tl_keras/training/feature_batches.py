"""Features as a data set: epoch e goes through view e modulo K, in the order of (seed, epoch)."""

from dataclasses import dataclass

import keras
import numpy as np

from tl_keras.data.ordering import EpochOrder


class FeatureBatches(keras.utils.PyDataset):
    """Batches of features and labels; give ``shuffle=False`` to ``fit``.

    The order of an epoch is that of ``Examples.dataset(shuffle=True)`` for the same seed, so that a
    head trained here sees what it would have seen at the end of the whole model.  ``set_epoch`` of
    ``tl_keras.data`` takes these batches, too.

    Args:
        views: Arrays (N, D), one per augmented view, in order.
        labels: int32 (N,).
        batch_size: Rows in a batch; the last may be smaller.
        shuffle: Whether each epoch has an order of its own.
        seed: Of the order.

    Example:
        >>> views = (np.zeros((3, 2), "float32"), np.ones((3, 2), "float32"))
        >>> batches = FeatureBatches(views, np.zeros(3, "int32"), 2, shuffle=True, seed=0)
        >>> len(batches), batches[0][0].shape
        (2, (2, 2))
    """

    def __init__(
        self,
        views: tuple[np.ndarray, ...],
        labels: np.ndarray,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self.views, self.labels = tuple(views), labels
        self.epoch_order = EpochOrder(len(labels), batch_size, shuffle=shuffle, seed=seed)
        self._finished = False

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        return len(self.epoch_order)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """One batch of the epoch that comes next or is under way.

        Args:
            number: Which batch, from 0 on.

        Returns:
            Features (B, D) and labels (B,).
        """
        self._finished = number == len(self) - 1
        epoch = self.epoch_order.epoch
        rows = self.epoch_order.batch(epoch, number)
        return self.views[epoch % len(self.views)][rows], self.labels[rows]

    def on_epoch_end(self) -> None:
        """Count the epoch, once its last batch has been handed out; Keras calls this at a glance
        at the first batches, too."""
        if self._finished:
            self.epoch_order.start()
        self._finished = False


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of a data set.

    Attributes:
        views: Arrays (N, D) float32, one per augmented view; one only where nothing is augmented.
            Maybe mapped from a file, and not to be written to.
        labels: int32 (N,).
        runtime: What computed them.
        computed: How many of the views were computed now; the others came from the cache.
    """

    views: tuple[np.ndarray, ...]
    labels: np.ndarray
    runtime: str
    computed: int

    def batches(
        self, batch_size: int = 32, *, shuffle: bool = False, seed: int = 0
    ) -> FeatureBatches:
        """What ``head_model(model).fit`` takes, with ``shuffle=False``.

        Args:
            batch_size: Rows in a batch.
            shuffle: Whether each epoch has an order of its own, drawn from (seed, epoch).
            seed: Of the order.
        """
        return FeatureBatches(self.views, self.labels, batch_size, shuffle=shuffle, seed=seed)
