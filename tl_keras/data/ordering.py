"""What a pass over the data is: a function of the seed and the epoch, and of nothing else."""

import threading
from collections.abc import Callable

import numpy as np


class EpochOrder:
    """Says which examples come when, and counts the epochs.

    Frameworks keep a hidden state for this (TensorFlow draws the same permutation every epoch
    after ``set_random_seed``), which no resumed run gets back.

    Args:
        count: number of examples.
        batch_size: examples per batch.
        shuffle: a new order every epoch.
        seed: a whole number from 0 on.
        drop_remainder: leave out a last, smaller batch.

    Example:
        >>> order = EpochOrder(5, 2, shuffle=True, seed=0)
        >>> epoch = order.start()
        >>> sorted(i for b in range(len(order)) for i in order.batch(epoch, b).tolist())
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_remainder: bool = False,
    ) -> None:
        self.count, self.batch_size = count, batch_size
        self.shuffle, self.seed, self.drop_remainder = shuffle, seed, drop_remainder
        self._draw: Callable[[int, int], np.ndarray] | None = None
        self._visits = False
        self._next = 0
        self._kept: tuple[int, np.ndarray] | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of batches of an epoch."""
        if self.drop_remainder:
            return self.count // self.batch_size
        return -(-self.count // self.batch_size)

    @property
    def epoch(self) -> int:
        """The epoch that the next pass will be."""
        return self._next

    def set_epoch(self, epoch: int) -> None:
        """Makes the next pass this epoch; those after it count on.

        Args:
            epoch: a whole number from 0 on.

        Example:
            >>> order = EpochOrder(5, 2)
            >>> order.set_epoch(3)
            >>> order.start(), order.start()
            (3, 4)
        """
        with self._lock:
            self._next = int(epoch)

    def start(self) -> int:
        """Begins a pass.

        Returns:
            Its epoch.

        Example:
            >>> EpochOrder(5, 2).start()
            0
        """
        with self._lock:
            self._next += 1
            return self._next - 1

    def draw_by(self, draw: Callable[[int, int], np.ndarray]) -> None:
        """Draws the examples of shuffled epochs otherwise than each once.

        Args:
            draw: gives int64 (count,) positions of ``(seed, epoch)``, and the same for the same;
                see :func:`tl_keras.data.balance_classes`.

        Example:
            >>> order = EpochOrder(3, 2, shuffle=True)
            >>> order.draw_by(lambda seed, epoch: np.array([1, 1, 1]))
            >>> order.batch(0, 0).tolist()
            [1, 1]
        """
        self._draw, self._kept = draw, None

    def number_visits(self) -> None:
        """Tells an example's visits within an epoch apart, where it is drawn more than once.

        The first stays ``i``, the next are ``i + count``, ``i + 2 * count`` and so on, so that
        augmentation can be drawn anew for each (:class:`tl_keras.data.loading.BatchLoader`).

        Example:
            >>> order = EpochOrder(3, 3, shuffle=True)
            >>> order.draw_by(lambda seed, epoch: np.array([1, 0, 1]))
            >>> order.number_visits()
            >>> order.batch(0, 0).tolist()
            [1, 0, 4]
        """
        self._visits, self._kept = True, None

    def indices(self, epoch: int) -> np.ndarray:
        """The order of an epoch.

        Args:
            epoch: a whole number from 0 on.

        Returns:
            int64 array (count,): a permutation drawn from ``(seed, epoch)``, or what
            :meth:`draw_by` was given draws, or 0, 1, 2, … where nothing is shuffled.

        Example:
            >>> EpochOrder(3, 2).indices(7).tolist()
            [0, 1, 2]
        """
        if not self.shuffle:
            return np.arange(self.count)
        kept = self._kept
        if kept is None or kept[0] != epoch:
            rows = (self._draw or self._permutation)(self.seed, epoch)
            if self._visits and self._draw:
                rows = rows + self.count * _visits(rows)
            kept = (epoch, rows)
            self._kept = kept
        return kept[1]

    def _permutation(self, seed: int, epoch: int) -> np.ndarray:
        return np.random.default_rng([seed, epoch]).permutation(self.count)

    def batch(self, epoch: int, number: int) -> np.ndarray:
        """The examples of one batch.

        Args:
            epoch: a whole number from 0 on.
            number: which batch of it.

        Returns:
            int64 array of at most ``batch_size`` positions.

        Example:
            >>> EpochOrder(5, 2).batch(0, 2).tolist()
            [4]
        """
        start = number * self.batch_size
        return self.indices(epoch)[start : start + self.batch_size]


def _visits(rows: np.ndarray) -> np.ndarray:
    """How often each number stood further ahead."""
    order = np.argsort(rows, kind="stable")
    first = np.searchsorted(rows[order], rows[order])
    visits = np.empty(len(rows), np.int64)
    visits[order] = np.arange(len(rows)) - first
    return visits
