"""From positions in the table to batches of pixels; knows no framework."""

import hashlib
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from tl_keras.data.augment.change import Change
from tl_keras.data.augment.mixing import Mix
from tl_keras.data.augment.presets import preset
from tl_keras.data.decoding import UnreadableImageError, load_image, open_regular
from tl_keras.data.drawn_targets import BoxTargets, InstanceTargets, PixelTargets
from tl_keras.data.examples import Examples
from tl_keras.data.main_box import MainBoxTargets
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
        augment: the name of a preset (:mod:`tl_keras.data.augment`), a callable on the batch, or
            ``None``.
        cache: ``"memory"`` or a folder to keep decoded images in, or ``None``.
        target: ``"labels"``, ``"one_hot"``, ``"tags"``, ``"box"``, ``"boxes"``, ``"pixels"`` or
            ``"instances"``; a preset that mixes images needs ``"one_hot"`` or ``"tags"``.

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
        self._preset = preset(augment or "none") if named else preset("none")
        #: A row per example, before mixing and movement: an array, or what makes rows.
        self.targets = _targets(examples, target, image_size, resize)
        #: Whether images and targets are mixed with others'.
        self.mixes = self._preset.mixing is not None
        if self.mixes and target == "labels":
            raise InputError(
                f"augment={augment!r} mixes images, and labels cannot say how much of each; give "
                "target='one_hot' and a loss of one-hot labels (CategoricalCrossentropy)"
            )
        if self.mixes and target in _DRAWN:
            raise InputError(f"augment={augment!r} mixes images; {target} take a preset without")
        #: The user's own, on the whole batch; applied by the pipeline, not here.
        self.per_batch = None if named else augment

        self.cache = (
            None if cache is None else PixelCache(examples.digests, image_size, resize, cache)
        )

    def load(self, index: int, epoch: int, out: np.ndarray | None = None) -> np.ndarray:
        """One image of the table.

        Args:
            index: its position; from N on, a further visit in the same epoch, with draws of its
                own (:meth:`tl_keras.data.ordering.EpochOrder.number_visits`).
            epoch: which pass; with the seed and the position it decides about augmentation.
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
        self._augmented(index, epoch, out)
        mix = self._mix(index, epoch)
        if mix is not None:
            other = scratch("mixing", out.shape)
            self._augmented(mix.partner, epoch, other)
            mix.images(out, other)
        return out

    def targets_of(self, indices: np.ndarray, epoch: int) -> np.ndarray:
        """Targets of examples, mixed as their images are.

        Args:
            indices: positions as for :meth:`load`.
            epoch: which pass.

        Returns:
            Rows of :attr:`targets`, float32 where images mix; boxes and pixels moved as the image.

        Example:
            >>> BatchLoader(examples, 224).targets_of(np.array([0]), 0)  # doctest: +SKIP
        """
        if not isinstance(self.targets, np.ndarray):
            rows = np.empty((len(indices), *self.targets.shape[1:]), self.targets.dtype)
            for row, index in enumerate(indices.tolist()):
                change = self.change(index, int(epoch))
                rows[row] = self.targets.row(index % len(self.examples), change)
            return rows
        rows = self.targets[indices % max(1, len(self.examples))]
        if self.mixes:
            for row, index in enumerate(indices):
                mix = self._mix(int(index), int(epoch))
                rows[row] = mix.targets(rows[row], self.targets[mix.partner])
        return rows

    def _mix(self, index: int, epoch: int) -> Mix | None:
        if self._preset.mixing is None:
            return None
        random = self._random(index, epoch, stream=1)
        return self._preset.mixing.draw(random, len(self.examples), self.image_size)

    def _random(self, index: int, epoch: int, stream: int) -> np.random.Generator:
        visit, position = divmod(index, len(self.examples))
        return np.random.default_rng([self.seed, epoch, position, 2 * visit + stream])

    def _augmented(self, index: int, epoch: int, out: np.ndarray) -> None:
        if not self._preset.operations:
            self._decoded(index, out)
            return
        image = scratch("augmenting", out.shape)
        self._decoded(index, image)
        self.change(index, epoch).image(image, out)

    def change(self, index: int, epoch: int) -> Change:
        """What the preset draws for an image; boxes and masks of the square follow its matrix.

        Args:
            index: position as for :meth:`load`.
            epoch: which pass.

        Example:
            >>> BatchLoader(examples, 224, augment="texture").change(0, 0).matrix  # doctest: +SKIP
        """
        random = self._random(index, epoch, stream=0)
        return self._preset.draw(random, self.image_size, self.image_size)

    def _decoded(self, index: int, out: np.ndarray) -> None:
        index %= len(self.examples)
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
            indices: positions as for :meth:`load`.
            epoch: which pass.

        Returns:
            ``(images, targets)``: uint8 (B, S, S, 3), and int32 (B,), float32 (B, K or T), float32
            (B, M, 6) boxes, uint8 (B, S, S), or float32 (B, S, S, 6).

        Raises:
            UnreadableImageError: as for :meth:`load`.
        """
        images = self.empty(len(indices))
        for row, index in enumerate(indices):
            self.load(int(index), int(epoch), images[row])
        return images, self.targets_of(indices, epoch)


_DRAWN = {
    "box": MainBoxTargets,
    "boxes": BoxTargets,
    "pixels": PixelTargets,
    "instances": InstanceTargets,
}


def _targets(examples: Examples, target: str, image_size: int, resize: str) -> Any:
    if target in _DRAWN:
        return _DRAWN[target](examples, image_size, resize)
    if target == "labels":
        return examples.labels
    if target == "one_hot":
        unlabelled = int((examples.labels < 0).sum())
        if unlabelled:
            raise InputError(
                f"{unlabelled} of {len(examples)} images bear no label; target='one_hot' needs one "
                "of each"
            )
        return np.eye(len(examples.class_names), dtype="float32")[examples.labels]
    if target != "tags":
        raise InputError(f"no target {target!r}; choose labels, one_hot, tags, {', '.join(_DRAWN)}")
    if examples.tags is None:
        raise InputError(
            f"{examples.root or 'the data'} brings no tags; read them with "
            "tl_keras.data.from_csv(tags=...)"
        )
    return examples.tags.astype("float32")
