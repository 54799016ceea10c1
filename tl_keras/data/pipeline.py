"""The pixel pipeline: one loader, fed to ``tf.data`` or to a Keras ``PyDataset``."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from tl_keras.data.examples import Examples
from tl_keras.data.loading import BatchLoader
from tl_keras.data.ordering import EpochOrder
from tl_keras.errors import InputError


def build_dataset(
    examples: Examples,
    *,
    batch_size: int = 32,
    image_size: int = 224,
    resize: str = "crop",
    shuffle: bool = False,
    seed: int = 0,
    augment: str | Callable[[Any], Any] | None = None,
    drop_remainder: bool = False,
    cache: str | os.PathLike | None = None,
    target: str = "labels",
) -> Any:
    """Builds what :meth:`tl_keras.data.Examples.dataset` describes, for the backend in use.

    Args:
        examples: the table.
        batch_size: images per batch.
        image_size: side of the square, in pixels.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        shuffle: a new order every epoch.
        seed: a whole number from 0 on.
        augment: a preset's name (:mod:`tl_keras.data.augment`), a callable on the batch of
            images, or ``None``.
        drop_remainder: leave out a last, smaller batch.
        cache: ``"memory"`` or a folder to keep decoded images in, or ``None``.
        target: ``"labels"``, ``"one_hot"``, ``"tags"``, ``"box"``, ``"boxes"``, ``"pixels"`` or
            ``"instances"``.

    Returns:
        ``tf.data.Dataset`` under the TensorFlow backend, else ``keras.utils.PyDataset``.

    Raises:
        InputError: an argument is unusable.

    Example:
        >>> batches = build_dataset(examples, batch_size=8, image_size=96)  # doctest: +SKIP
    """
    whole = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise InputError(f"batch size {batch_size!r} is not a whole number from 1 on; give e.g. 32")
    loader = BatchLoader(examples, image_size, resize, seed, augment, cache, target)
    order = EpochOrder(
        len(examples), batch_size, shuffle=shuffle, seed=seed, drop_remainder=drop_remainder
    )
    if not len(order):
        raise InputError(
            f"{len(examples)} images make no batch of {batch_size}; lower the batch size"
        )
    if keras.backend.backend() == "tensorflow":
        from tl_keras.data.tf_batches import tf_dataset

        return tf_dataset(loader, order)
    from tl_keras.data.py_batches import ImageBatches

    return ImageBatches(loader, order)


def set_epoch(dataset: Any, epoch: int) -> None:
    """Makes the next pass over a dataset the given epoch: its order and its augmentation.

    Calling it at the beginning of every epoch is right whatever else iterates the data; calling it
    once, before a resumed ``fit``, is enough where nothing else does.

    Args:
        dataset: what :meth:`tl_keras.data.Examples.dataset` returned, itself: a further ``.map()``
            or ``.prefetch()`` makes another object, so keep the first.
        epoch: a whole number from 0 on.

    Raises:
        InputError: another dataset was given.

    Example:
        >>> set_epoch(batches, 5)  # doctest: +SKIP
    """
    order = getattr(dataset, "epoch_order", None)
    if not isinstance(order, EpochOrder):
        raise InputError(
            f"set_epoch got a {type(dataset).__name__}; give the dataset that "
            "Examples.dataset() returned, before any .map() or .prefetch()"
        )
    order.set_epoch(epoch)


@contextlib.contextmanager
def reading_errors() -> Iterator[None]:
    """Turns TensorFlow's report of a file that cannot be read into the plain error it began as.

    ``tf.data`` wraps an exception from Python into an error of its own with a page of traceback.

    Yields:
        Nothing; put the ``fit``, ``predict`` or ``evaluate`` inside.

    Raises:
        InputError: a file has vanished or changed since it was scanned; one line that names it.

    Example:
        >>> with reading_errors():
        ...     raise RuntimeError("x: tl_keras.InputError: cannot read a.jpg: no such file")
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: cannot read a.jpg: no such file
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        found = re.search(r"(?:InputError|UnreadableImageError): ([^\n]+)", str(error))
        if not found:
            raise
        raise InputError(found.group(1)) from None
