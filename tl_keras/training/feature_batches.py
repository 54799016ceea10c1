"""Features as a data set: epoch e goes through view e modulo K, in the order of (seed, epoch)."""

from dataclasses import dataclass

import numpy as np

from tl_keras.training.inputs import ArrayBatches

#: Rows in a batch where nothing is learned: a head's step costs the same for 32 as for 1,024.
EVALUATED_ROWS = 1024


class FeatureBatches(ArrayBatches):
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
        super().__init__(views[0], labels, batch_size, shuffle, seed)
        self.views = tuple(views)

    def inputs_of(self, epoch: int) -> np.ndarray:
        """The view that this epoch goes through."""
        return self.views[epoch % len(self.views)]


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of a data set.

    Attributes:
        views: Arrays (N, D) float32, one per augmented view; one only where nothing is augmented.
            Maybe mapped from a file, and not to be written to.
        labels: int32 (N,), or tags, float32 (N, T).
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
