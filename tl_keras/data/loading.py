"""From positions in the table to batches of pixels; knows no framework."""

import hashlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tl_keras.data.augmentation import preset
from tl_keras.data.decoding import UnreadableImageError, load_image, open_regular
from tl_keras.data.examples import Examples
from tl_keras.data.pixel_cache import PixelCache
from tl_keras.data.resizing import check_resize
from tl_keras.data.scanning import DIGEST_BYTES
from tl_keras.data.scratch import aligned, scratch
from tl_keras.data.splitting import check_seed
from tl_keras.errors import InputError


class BatchLoader:
    """Decodes, resizes and augments the examples of a batch.

    Args:
        examples: the table.
        image_size: side of the square, in pixels.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        seed: a whole number from 0 on.
        augment: the name of a preset, a callable on the batch, or ``None``.
        cache: ``"memory"`` or a folder to keep decoded images in, or ``None``.
        target: ``"labels"`` or ``"tags"``.

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
        cache: str | os.PathLike | None = None,
        target: str = "labels",
    ) -> None:
        check_resize(image_size, resize)
        check_seed(seed)
        self.examples, self.image_size, self.resize, self.seed = examples, image_size, resize, seed
        named = augment is None or isinstance(augment, str)
        self.per_image = preset(augment or "none") if named else None
        #: A row per example: int32 (N,) labels, or float32 (N, T) tags.
        self.targets = _targets(examples, target)
        #: The user's own, on the whole batch; applied by the pipeline, not here.
        self.per_batch = None if named else augment

        self.cache = (
            None if cache is None else PixelCache(examples.digests, image_size, resize, cache)
        )

    def load(self, index: int, epoch: int, out: np.ndarray | None = None) -> np.ndarray:
        """One image of the table.

        Args:
            index: its position.
            epoch: which pass; enters the preset augmentation, with the seed and the position.
            out: uint8 array (image_size, image_size, 3), contiguous, to write to; by default a
                new one.

        Returns:
            ``out``: RGB, 0..255.

        Raises:
            UnreadableImageError: the file has vanished or changed since it was scanned.

        Example:
            >>> BatchLoader(examples, 224).load(0, epoch=0)  # doctest: +SKIP
        """
        if out is None:
            out = self.empty(1)[0]
        if self.per_image is None:
            self._decoded(index, out)
        else:
            image = scratch("augmenting", out.shape)
            self._decoded(index, image)
            out[:] = self.per_image(image, np.random.default_rng([self.seed, epoch, index]))
        return out

    def _decoded(self, index: int, out: np.ndarray) -> None:
        path = self.examples.paths[index]
        if self.cache is None:
            load_image(path, self.image_size, self.resize, out)
            return
        if self.cache.read(index, out):
            return
        with open_regular(path) as file:
            data = file.read()
        try:
            load_image(data, self.image_size, self.resize, out)
        except UnreadableImageError as error:
            raise UnreadableImageError(path, error.reason) from None
        digest = hashlib.blake2b(data, digest_size=DIGEST_BYTES).hexdigest()
        if digest == self.examples.digests[index]:  # else another picture by now: not kept
            self.cache.write(index, out)

    def empty(self, count: int) -> np.ndarray:
        """Memory for a batch.

        Args:
            count: how many images.

        Returns:
            uint8 array (count, S, S, 3) of any content.

        Example:
            >>> BatchLoader(Examples((), np.zeros(0), ("a", "b"), (), ()), 8).empty(2).shape
            (2, 8, 8, 3)
        """
        return aligned((count, self.image_size, self.image_size, 3))

    def __call__(self, indices: np.ndarray, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """A batch.

        Args:
            indices: positions in the table.
            epoch: which pass.

        Returns:
            ``(images, targets)``: uint8 (B, S, S, 3) and int32 (B,), or float32 (B, T) for tags.

        Raises:
            UnreadableImageError: as for :meth:`load`.
        """
        images = self.empty(len(indices))
        for row, index in enumerate(indices):
            self.load(int(index), int(epoch), images[row])
        return images, self.targets[indices]


def _targets(examples: Examples, target: str) -> np.ndarray:
    if target == "labels":
        return examples.labels
    if target != "tags":
        raise InputError(f"no target {target!r}; choose labels or tags")
    if examples.tags is None:
        raise InputError(
            f"{examples.root or 'the data'} brings no tags; read them with "
            "tl_keras.data.from_csv(tags=...)"
        )
    return examples.tags.astype("float32")
