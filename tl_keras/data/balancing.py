"""Balanced sampling: epochs in which rare classes come as often as frequent ones, or nearly."""

from typing import Any

import numpy as np

from tl_keras.data.ordering import EpochOrder
from tl_keras.errors import InputError

#: Exponent of the class counts by which draws are shared out.
BALANCES = {"balanced": 0.0, "sqrt": 0.5}


class ClassBalance:
    """Draws as many examples an epoch as there are, shared out among the classes.

    ``"balanced"`` draws every class equally often; ``"sqrt"`` in proportion to the square root of
    its count, between that and the data's own shares (both as in Kang et al. 2020,
    arXiv:1910.09217, who take the first for a classifier on frozen features).  Within a class the
    images come round in turn, each time in a new order, on through the epochs: after any number of
    epochs no image of a class was drawn twice more often than another.

    Args:
        labels: (N,) integers; each class that occurs has its share.
        how: ``"balanced"`` or ``"sqrt"``.

    Raises:
        InputError: ``how`` is unknown, or a label is missing (-1).

    Example:
        >>> draw = ClassBalance([0] * 6 + [1] * 2, "balanced")
        >>> sorted(draw(seed=0, epoch=0).tolist())[-4:]
        [6, 6, 7, 7]
    """

    def __init__(self, labels: Any, how: str) -> None:
        labels = np.asarray(labels)
        if how not in BALANCES:
            raise InputError(f"balance={how!r} is unknown; give one of {', '.join(BALANCES)}")
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels < 0).any():
            raise InputError(
                "balanced sampling needs one class for every image; these have other targets, so "
                "leave balance out"
            )
        classes = np.unique(labels)
        self._count = len(labels)
        self._members = [np.flatnonzero(labels == label) for label in classes]
        weights = np.array([len(rows) for rows in self._members], float) ** BALANCES[how]
        exact = len(labels) * weights / weights.sum()
        # Largest remainders: whole numbers that sum to N.
        self._draws = np.floor(exact).astype(int)
        short = len(labels) - self._draws.sum()
        self._draws[np.argsort(self._draws - exact, kind="stable")[:short]] += 1

    def __call__(self, seed: int, epoch: int) -> np.ndarray:
        """The examples of an epoch, int64 (N,): a function of ``(seed, epoch)``."""
        drawn = [
            _turns(rows, number, int(count), seed, epoch)
            for number, (rows, count) in enumerate(zip(self._members, self._draws, strict=True))
        ]
        order = np.random.default_rng([seed, epoch]).permutation(self._count)
        return np.concatenate([*drawn, np.zeros(0, np.int64)])[order]


def _turns(rows: np.ndarray, number: int, count: int, seed: int, epoch: int) -> np.ndarray:
    """Draws ``epoch * count`` and following of an endless row of permutations of these rows."""
    first, last = epoch * count // len(rows), -(-(epoch + 1) * count // len(rows))
    # Classes and rounds have streams of their own, apart from those of the epochs' orders.
    rounds = [
        np.random.default_rng([seed, number, turn, 1]).permutation(rows)
        for turn in range(first, last)
    ]
    start = epoch * count - first * len(rows)
    return np.concatenate([*rounds, rows[:0]])[start : start + count]


def balance_classes(dataset: Any, labels: Any, how: str) -> Any:
    """Makes a shuffled dataset draw its classes in other shares than they have.

    Order stays a function of ``(seed, epoch)``: an exact resume and ``set_epoch`` work as before,
    and an epoch has as many batches.

    Args:
        dataset: what ``Examples.dataset(shuffle=True)`` returned, itself; changed in place.
        labels: of all its examples, (N,) integers, in the order of the table.
        how: ``"balanced"`` or ``"sqrt"``, see :class:`ClassBalance`.

    Returns:
        The dataset.

    Raises:
        InputError: another dataset was given, or one that is not shuffled, or the labels are not
            those of its examples.

    Example:
        >>> batches = train.dataset(32, 224, shuffle=True)  # doctest: +SKIP
        >>> balance_classes(batches, train.labels, "balanced")  # doctest: +SKIP
    """
    order = getattr(dataset, "epoch_order", None)
    if not isinstance(order, EpochOrder) or not order.shuffle:
        raise InputError(
            f"balance_classes got a {type(dataset).__name__}; give the dataset that "
            "Examples.dataset(shuffle=True) returned, before any .map() or .prefetch()"
        )
    if len(labels) != order.count:
        raise InputError(f"{len(labels)} labels for a dataset of {order.count} examples; give all")
    order.draw_by(ClassBalance(labels, how))
    return dataset
