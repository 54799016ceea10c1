"""From positions in the table to batches of pixels; knows no framework."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tl_keras.data.augmentation import preset
from tl_keras.data.decoding import load_image
from tl_keras.data.examples import Examples
from tl_keras.data.resizing import check_resize
from tl_keras.data.splitting import check_seed


class BatchLoader:
    """Decodes, resizes and augments the examples of a batch.

    Args:
        examples: the table.
        image_size: side of the square, in pixels.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        seed: a whole number from 0 on.
        augment: the name of a preset, a callable on the batch, or ``None``.

    Raises:
        InputError: an argument is unusable.

    Example:
        >>> table = Examples((), np.zeros(0), ("a", "b"), (), ())
        >>> BatchLoader(table, 8)(np.zeros(0, int), epoch=0)[0].shape
        (0, 8, 8, 3)
    """

    def __init__(
        self,
        examples: Examples,
        image_size: int,
        resize: str = "crop",
        seed: int = 0,
        augment: str | Callable[[Any], Any] | None = None,
    ) -> None:
        check_resize(image_size, resize)
        check_seed(seed)
        self.examples, self.image_size, self.resize, self.seed = examples, image_size, resize, seed
        named = augment is None or isinstance(augment, str)
        self.per_image = preset(augment or "none") if named else None
        #: The user's own, on the whole batch; applied by the pipeline, not here.
        self.per_batch = None if named else augment

    def load(self, index: int, epoch: int) -> np.ndarray:
        """One image of the table.

        Args:
            index: its position.
            epoch: which pass; enters the preset augmentation, with the seed and the position.

        Returns:
            uint8 array (image_size, image_size, 3), RGB, 0..255.

        Raises:
            UnreadableImageError: the file has vanished or changed since it was scanned.

        Example:
            >>> BatchLoader(examples, 224).load(0, epoch=0)  # doctest: +SKIP
        """
        image = load_image(self.examples.paths[index], self.image_size, self.resize)
        if self.per_image is None:
            return image
        return self.per_image(image, np.random.default_rng([self.seed, epoch, index]))

    def __call__(self, indices: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """A batch.

        Args:
            indices: positions in the table.
            epoch: which pass.

        Returns:
            ``(images, labels)``: uint8 (B, S, S, 3) and int32 (B,).

        Raises:
            UnreadableImageError: as for :meth:`load`.
        """
        side = self.image_size
        images = np.empty((len(indices), side, side, 3), np.uint8)
        for row, index in enumerate(indices):
            images[row] = self.load(int(index), int(epoch))
        return images, self.examples.labels[indices]
