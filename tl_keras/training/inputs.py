"""What ``fit`` takes as data: examples, or a pair of arrays."""

import os
from typing import Any

import keras
import numpy as np

from tl_keras.data.ordering import EpochOrder
from tl_keras.errors import InputError

#: What batches carry, by the column that they take it from.
TYPES = {
    "labels": "int32",
    "tags": "float32",
    "box": "float32",
    "boxes": "float32",
    "pixels": "uint8",
    "instances": "float32",
}
_SHAPES = {
    "labels": (1, "integer labels (N,)"),
    "tags": (2, "tags (N, T)"),
    "box": (2, "boxes (N, 6)"),
    "boxes": (3, "boxes (N, M, 6)"),
    "pixels": (3, "classes by pixel (N, S, S)"),
    "instances": (4, "maps (N, S, S, 6)"),
}


class ArrayBatches(keras.utils.PyDataset):
    """Batches of arrays in an order that depends on (seed, epoch) alone.

    ``tl_keras.data.set_epoch`` says which epoch comes next.

    Args:
        inputs: Array (N, …).
        targets: Array (N, …).
        batch_size: Rows in a batch; the last may be smaller.
        shuffle: Whether each epoch has an order of its own.
        seed: Of the order.
    """

    def __init__(
        self, inputs: np.ndarray, targets: np.ndarray, batch_size: int, shuffle: bool, seed: int
    ):
        super().__init__()
        self._inputs, self.labels = inputs, targets
        self.epoch_order = EpochOrder(len(targets), batch_size, shuffle=shuffle, seed=seed)
        self._finished = False

    def __len__(self) -> int:
        return len(self.epoch_order)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        self._finished = index == len(self) - 1
        epoch = self.epoch_order.epoch
        rows = self.epoch_order.batch(epoch, index)
        return self.inputs_of(epoch)[rows], self.labels[rows]

    def inputs_of(self, epoch: int) -> np.ndarray:
        """What the rows of an epoch are taken from."""
        return self._inputs

    def on_epoch_end(self) -> None:
        """Count the epoch once its last batch was handed out; Keras calls this earlier, too."""
        if self._finished:
            self.epoch_order.start()
        self._finished = False


def batches_of(
    data: Any,
    *,
    batch_size: int,
    image_size: int,
    resize: str = "crop",
    shuffle: bool = False,
    seed: int = 0,
    augment: str = "none",
    cache: str | os.PathLike | None = None,
    target: str = "labels",
) -> Any:
    """Batches of uint8 or float images 0..255, (B, S, S, 3), and targets.

    Args:
        data: ``tl_keras.data.Examples``, or arrays ``(images, targets)`` of the model's size.
        batch_size: Images in a batch.
        image_size: Side of the square images, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``; arrays are not resized.
        shuffle: Whether each epoch has an order of its own.
        seed: Of order and augmentation.
        augment: Augmentation preset; arrays take ``"none"`` only.
        cache: Where decoded images are kept: ``"memory"``, a folder, or None; arrays need none.
        target: As of ``Examples.dataset``.

    Raises:
        InputError: The arrays do not fit each other or the model.
    """
    if hasattr(data, "dataset"):
        return data.dataset(
            batch_size,
            image_size,
            resize=resize,
            shuffle=shuffle,
            seed=seed,
            augment=augment,
            cache=cache,
            target=target,
        )
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise InputError(
            f"expected examples (tl_keras.data.from_folder) or a pair (images, labels); "
            f"got {type(data).__name__}"
        )
    images, targets = np.asarray(data[0]), np.asarray(data[1])
    sides, wanted = _SHAPES[target]
    fits = len(images) == len(targets) and targets.ndim == sides
    if images.shape[1:] != (image_size, image_size, 3) or not fits:
        raise InputError(
            f"arrays must be images (N, {image_size}, {image_size}, 3) and {wanted}; "
            f"got {images.shape} and {targets.shape}"
        )
    return ArrayBatches(images, targets.astype(TYPES[target]), batch_size, shuffle, seed)
