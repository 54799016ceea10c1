"""The one list of examples that feeds every task: paths, labels, and where they came from."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from tl_keras.errors import InputError

#: The names of the parts that data may bring, in the order in which they lose a copy: of files
#: that stand in two parts, the later part keeps its own.
PARTS = ("train", "val", "test")


class Skipped(NamedTuple):
    """A file that was left out, and why.

    Attributes:
        path: the file.
        reason: what is wrong with it.

    Example:
        >>> Skipped("ants/a.jpg", "zero bytes").reason
        'zero bytes'
    """

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Examples:
    """An immutable table of image files and their labels; it knows no pixels and no task.

    Attributes:
        paths: one file per example, absolute.
        labels: int32 array (N,), read-only; an index into ``class_names``.
        class_names: the classes, in natural order.
        digests: per example, the BLAKE2b hash of the file's bytes, in hexadecimal.
        splits: per example the part that the data brought, ``"train"``, ``"val"``, ``"test"``, or
            ``None``.
        skipped: files that were left out when reading; a subset keeps the whole list.
        crossing: files left out because the same bytes stand in a later part of a brought split;
            a subset keeps the whole list.
        root: the folder it was read from.

    Example:
        >>> from tl_keras.data import from_folder
        >>> examples = from_folder("photos/")  # doctest: +SKIP
        >>> train, val = examples.split(0.2, seed=0)  # doctest: +SKIP
        >>> for images, labels in train.dataset(batch_size=32): ...  # doctest: +SKIP
    """

    paths: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]
    digests: tuple[str, ...]
    splits: tuple[str | None, ...]
    skipped: tuple[Skipped, ...] = field(default=(), repr=False)
    crossing: tuple[Skipped, ...] = field(default=(), repr=False)
    root: str = ""

    def __post_init__(self) -> None:
        labels = np.array(self.labels, dtype=np.int32)
        labels.flags.writeable = False
        object.__setattr__(self, "labels", labels)
        lengths = {len(self.paths), len(self.digests), len(self.splits), labels.size}
        if len(lengths) > 1 or labels.ndim != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.paths)

    def __repr__(self) -> str:
        return f"Examples({len(self)} images, {self.counts()}, {len(self.skipped)} left out)"

    def counts(self) -> dict[str, int]:
        """Counts the examples of each class.

        Returns:
            Class name -> number of examples, in the order of ``class_names``.

        Example:
            >>> Examples(("a.png",), np.array([1]), ("ants", "bees"), ("0f",), (None,)).counts()
            {'ants': 0, 'bees': 1}
        """
        found = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, found.tolist(), strict=True))

    def subset(self, indices: Sequence[int] | np.ndarray) -> "Examples":
        """Picks examples, keeping the classes and the lists of what was left out.

        Args:
            indices: positions in this table, in the order wanted.

        Returns:
            A new table.

        Raises:
            IndexError: a position is outside the table.

        Example:
            >>> one = Examples(("a.png",), np.array([1]), ("ants", "bees"), ("0f",), (None,))
            >>> len(one.subset([0, 0]))
            2
        """
        chosen = np.asarray(indices, dtype=np.int64).reshape(-1)
        return Examples(
            paths=tuple(self.paths[i] for i in chosen),
            labels=self.labels[chosen],
            class_names=self.class_names,
            digests=tuple(self.digests[i] for i in chosen),
            splits=tuple(self.splits[i] for i in chosen),
            skipped=self.skipped,
            crossing=self.crossing,
            root=self.root,
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the data brought, of ``"train"``, ``"val"``, ``"test"``; maybe none."""
        brought = set(self.splits)
        return tuple(part for part in PARTS if part in brought)

    def part(self, name: str) -> "Examples":
        """One part of a brought split.

        Args:
            name: ``"train"``, ``"val"`` or ``"test"``.

        Returns:
            A new table.

        Raises:
            InputError: the data brought no such part.

        Example:
            >>> one = Examples(("a.png",), np.array([0]), ("ants", "bees"), ("0f",), ("test",))
            >>> len(one.part("test"))
            1
        """
        if name not in self.parts:
            has = ", ".join(self.parts) or "no parts"
            raise InputError(f"{self.root or 'the data'} brings {has}, not {name!r}; use split()")
        return self.subset([i for i, split in enumerate(self.splits) if split == name])

    def split(self, fraction: float = 0.2, seed: int = 0) -> tuple["Examples", "Examples"]:
        """Splits into training and validation examples, disjoint by file content.

        A split that the data brings is kept: the training part, and the validation part; where
        there is none, the test part takes its place.  (To keep such a test part for the very end,
        split the training part instead: ``examples.part("train").split()``.)  Otherwise see
        :func:`tl_keras.data.splitting.stratified`.

        Args:
            fraction: share of the images of each class to validate on, between 0 and 1.
            seed: a whole number from 0 on; the same seed and the same files, the same split.

        Returns:
            ``(train, val)``, each with at least one image of every class.

        Raises:
            InputError: a class has one (distinct) image only, or an argument is out of range, or
                the data brings parts but none to train on.

        Example:
            >>> table = Examples(tuple("abcd"), np.array([0, 0, 1, 1]), ("x", "y"),
            ...                  ("1", "2", "3", "4"), (None,) * 4)
            >>> train, val = table.split(0.5)
            >>> train.counts(), val.counts()
            ({'x': 1, 'y': 1}, {'x': 1, 'y': 1})
        """
        from tl_keras.data.splitting import stratified

        if len(self.parts) > 1:
            if "train" not in self.parts:
                raise InputError(f"{self.root} brings {' and '.join(self.parts)} but no train/")
            return self.part("train"), self.part("val" if "val" in self.parts else "test")
        train, val = stratified(self, fraction, seed)
        return self.subset(train), self.subset(val)

    def fingerprint(self) -> str:
        """Identifies the content: which bytes bear which label, wherever they lie.

        Returns:
            SHA-256 in hexadecimal of the class names and of the sorted (digest, label) pairs; file
            names, order and parts do not enter.

        Example:
            >>> one = Examples(("a.png",), np.array([0]), ("ants", "bees"), ("0f",), (None,))
            >>> len(one.fingerprint())
            64
        """
        total = hashlib.sha256("\0".join(self.class_names).encode("utf-8", "surrogateescape"))
        for digest, label in sorted(zip(self.digests, self.labels.tolist(), strict=True)):
            total.update(f"\0{digest} {label}".encode())
        return total.hexdigest()

    def dataset(
        self,
        batch_size: int = 32,
        image_size: int = 224,
        *,
        resize: str = "crop",
        shuffle: bool = False,
        seed: int = 0,
        augment: str | Callable[[Any], Any] | None = None,
        drop_remainder: bool = False,
        cache: str | os.PathLike | None = None,
    ) -> Any:
        """Decodes and batches: what ``model.fit`` takes.

        The order of a shuffled epoch and the preset augmentations are functions of ``(seed,
        epoch)``: the first pass is epoch 0, each further pass the next one, and
        :func:`tl_keras.data.set_epoch` says which comes next, for an exact resume.

        Args:
            batch_size: images per batch.
            image_size: side of the square, in pixels.
            resize: ``"crop"``, ``"pad"`` or ``"stretch"``, see
                :func:`tl_keras.data.resize_image`.
            shuffle: a new order every epoch.
            seed: a whole number from 0 on.
            augment: ``None``, the preset ``"none"`` or ``"light"``
                (:mod:`tl_keras.data.augmentation`), or a callable or Keras layer on the batch of
                images.
            drop_remainder: leave out a last, smaller batch.
            cache: keep every image, decoded and resized, from its first use on: in
                ``"memory"`` (3 × S × S bytes an image, half of the memory at most) or in one file
                of this folder, for further runs as well (:mod:`tl_keras.data.pixel_cache`).
                Augmentation comes after it.  ``None`` decodes anew in every epoch.

        Returns:
            ``tf.data.Dataset`` under the TensorFlow backend, else ``keras.utils.PyDataset`` (then
            give ``shuffle=False`` to ``fit``, which would shuffle the batches once more), of
            ``(images, labels)``: uint8 (B, S, S, 3) RGB 0..255, and int32 (B,).

        Raises:
            InputError: an argument is unusable; while reading, a file that was sound when scanned
                cannot be read any more (see :func:`tl_keras.data.reading_errors`).

        Example:
            >>> train.dataset(batch_size=32, image_size=224, shuffle=True)  # doctest: +SKIP
        """
        from tl_keras.data.pipeline import build_dataset

        return build_dataset(
            self,
            batch_size=batch_size,
            image_size=image_size,
            resize=resize,
            shuffle=shuffle,
            seed=seed,
            augment=augment,
            drop_remainder=drop_remainder,
            cache=cache,
        )
