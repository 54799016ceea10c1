"""P × K batches: so many classes in a batch, so many images of each."""

from typing import Any

import numpy as np

from tl_keras.data.ordering import EpochOrder
from tl_keras.errors import InputError


class IdentityBatches:
    """Draws an epoch in batches of P classes with K images each.

    Losses on pairs need several images of a class in a batch, and other classes beside (Hermans et
    al. 2017, arXiv:1703.07737).  Classes come equally often, however many images they have: in
    turn, in a new order each round; and so do the images of a class within the epoch.  A batch
    holds no class twice, and no image twice unless its class has fewer than K: then its images
    come again, which augmentation, drawn anew for each visit, makes different ones.

    An epoch has as many draws as there are images, so the last batch of an epoch may be smaller,
    and its last class have fewer images.

    Args:
        labels: (N,) integers, 0 or more: products, people, classes.
        classes_per_batch: P, at least 2.
        images_per_class: K, at least 2.

    Raises:
        InputError: There are fewer classes than P, an image has none, or P or K are too small.

    Example:
        >>> draw = IdentityBatches([0] * 6 + [1] * 2 + [2] * 4, 2, 3)
        >>> drawn = np.array([0] * 6 + [1] * 2 + [2] * 4)[draw(seed=0, epoch=0)]
        >>> [len(set(batch.tolist())) for batch in drawn.reshape(2, 6)]
        [2, 2]
    """

    def __init__(self, labels: Any, classes_per_batch: int, images_per_class: int) -> None:
        labels = np.asarray(labels)
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or (labels < 0).any():
            raise InputError(
                "batches of several images a class need one class for every image, a whole number "
                "of 0 or more; leave images without one out"
            )
        if not classes_per_batch >= 2 or not images_per_class >= 2:
            raise InputError(
                f"{classes_per_batch} classes a batch, {images_per_class} images a class: there "
                "are no pairs to compare; give 2 or more of both"
            )
        self._members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        if len(self._members) < classes_per_batch:
            raise InputError(
                f"{classes_per_batch} classes a batch, and the data has {len(self._members)}; take "
                "smaller batches, or more images of each class"
            )
        self._count = len(labels)
        self._classes, self._images = int(classes_per_batch), int(images_per_class)

    def __call__(self, seed: int, epoch: int) -> np.ndarray:
        """The examples of an epoch, int64 (N,): a function of ``(seed, epoch)``."""
        # A stream apart from that of other orders of the epoch.
        rng = np.random.default_rng([seed, epoch, 2])
        batches = -(-self._count // (self._classes * self._images))
        chosen = _in_turn(np.arange(len(self._members)), self._classes, batches, rng).ravel()
        drawn = np.empty((len(chosen), self._images), np.int64)
        order = np.argsort(chosen, kind="stable")
        turns = np.split(order, np.cumsum(np.bincount(chosen, minlength=len(self._members)))[:-1])
        for rows, places in zip(self._members, turns, strict=True):
            drawn[places] = _in_turn(rows, self._images, len(places), rng)
        return drawn.ravel()[: self._count]


def _in_turn(rows: np.ndarray, size: int, groups: int, rng: np.random.Generator) -> np.ndarray:
    """Groups (groups, size) from permutations in a row, without repeats in a group if they can."""
    waiting = rows[:0]
    drawn = []
    for _ in range(groups):
        while len(waiting) < size:
            fresh = rng.permutation(rows)
            again = np.isin(fresh, waiting)
            waiting = np.concatenate([waiting, fresh[~again], fresh[again]])
        drawn.append(waiting[:size])
        waiting = waiting[size:]
    return np.array(drawn, np.int64).reshape(groups, size)


def batch_by_identity(dataset: Any, labels: Any, images_per_class: int = 4) -> Any:
    """Makes a shuffled dataset come in batches of P classes with K images each.

    P is the batch size over K.  Order stays a function of ``(seed, epoch)``: an exact resume and
    ``set_epoch`` work as before, and an epoch has as many batches.

    Args:
        dataset: what ``Examples.dataset(shuffle=True)`` returned, itself; changed in place.
        labels: of all its examples, (N,) integers, in the order of the table; also other ones
            than the dataset's own, such as products within classes.
        images_per_class: K, at least 2; the batch size is a multiple of it.

    Returns:
        The dataset.

    Raises:
        InputError: another dataset was given, or one that is not shuffled; the labels are not
            those of its examples; or there are too few classes (see :class:`IdentityBatches`).

    Example:
        >>> batches = train.dataset(32, 224, shuffle=True)  # doctest: +SKIP
        >>> batch_by_identity(batches, train.labels, 4)  # 8 classes a batch  # doctest: +SKIP
    """
    order = getattr(dataset, "epoch_order", None)
    if not isinstance(order, EpochOrder) or not order.shuffle:
        raise InputError(
            f"batch_by_identity got a {type(dataset).__name__}; give the dataset that "
            "Examples.dataset(shuffle=True) returned, before any .map() or .prefetch()"
        )
    if len(labels) != order.count:
        raise InputError(f"{len(labels)} labels for a dataset of {order.count} examples; give all")
    if images_per_class < 2 or order.batch_size % images_per_class:
        raise InputError(
            f"images_per_class={images_per_class!r} for batches of {order.batch_size}; give a "
            "number of 2 or more that divides the batch size"
        )
    classes = order.batch_size // images_per_class
    order.draw_by(IdentityBatches(labels, classes, images_per_class))
    return dataset
