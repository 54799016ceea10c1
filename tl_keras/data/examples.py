"""The one list of examples that feeds every task: paths, targets, and where they came from."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from tl_keras.data.masks import Mask

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


class Note(NamedTuple):
    """Something odd about data as a whole, of which nothing was left out.

    Attributes:
        kind: ``"box_convention"`` or ``"boxes_cut"``, as of a finding of the check.
        path: a file that it is about.
        text: what is odd, in a line.

    Example:
        >>> Note("boxes_cut", "a.json", "2 of 9 boxes reach beyond their image").kind
        'boxes_cut'
    """

    kind: str
    path: str
    text: str


_COLUMNS = ("paths", "labels", "digests", "splits", "tags", "boxes", "masks", "sizes", "groups")


@dataclass(frozen=True, eq=False)
class Examples:
    """An immutable table of image files and their targets; it knows no pixels and no task.

    Every column has a row per example.  Columns that the data did not bring are ``None``.

    Attributes:
        paths: one file per example, absolute.
        labels: int32 array (N,), read-only; an index into ``class_names``, or -1 for none.
        class_names: the classes of labels, boxes and masks, in natural order.
        digests: per example, the BLAKE2b hash of the file's bytes, in hexadecimal.
        splits: per example the part that the data brought, ``"train"``, ``"val"``, ``"test"``, or
            ``None``.
        skipped: files that were left out when reading; a subset keeps the whole list.
        crossing: files left out because the same bytes stand in a later part of a brought split;
            a subset keeps the whole list.
        root: the folder or file it was read from.
        tags: int8 array (N, T), read-only: 1 has the tag, 0 has it not, -1 nobody knows.
        tag_names: the tags, in the order of the columns of ``tags``.
        boxes: :class:`tl_keras.data.Boxes` per example.
        masks: :class:`tl_keras.data.Mask` per example, or ``None`` for an example without.
        sizes: int32 array (N, 2), read-only: height and width of each image, upright, px.
        groups: per example what must not be torn apart by a split (patient, speaker, product), or
            ``None`` for an example that stands alone.
        extra: further columns by name, each a string per example (a price, a date, a gender).
        notes: what was odd about the data as a whole; a subset keeps the list.

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
    tags: np.ndarray | None = field(default=None, repr=False)
    tag_names: tuple[str, ...] = ()
    boxes: tuple[Boxes, ...] | None = field(default=None, repr=False)
    masks: "tuple[Mask | None, ...] | None" = field(default=None, repr=False)
    sizes: np.ndarray | None = field(default=None, repr=False)
    groups: tuple[str | None, ...] | None = field(default=None, repr=False)
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    notes: tuple[Note, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        self._freeze("labels", np.int32, 1)
        if self.tags is not None:
            self._freeze("tags", np.int8, 2)
            if self.tags.shape[1] != len(self.tag_names):
                raise ValueError(f"{self.tags.shape[1]} tags, {len(self.tag_names)} names")
        if self.sizes is not None:
            self._freeze("sizes", np.int32, 2)
        lengths = {name: len(column) for name, column in self._columns().items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of different lengths: {lengths}")

    def _freeze(self, name: str, dtype: Any, dimensions: int) -> None:
        column = np.array(getattr(self, name), dtype=dtype)
        if column.ndim != dimensions:
            raise ValueError(f"{name} of shape {column.shape}")
        column.flags.writeable = False
        object.__setattr__(self, name, column)

    def _columns(self) -> dict[str, Any]:
        """All columns that there are, but those of ``extra`` under ``extra.NAME``."""
        named = {name: getattr(self, name) for name in _COLUMNS}
        found = {name: column for name, column in named.items() if column is not None}
        return found | {f"extra.{name}": column for name, column in self.extra.items()}

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
        known = self.labels[self.labels >= 0]
        found = np.bincount(known, minlength=len(self.class_names))
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

        def picked(column: Any) -> Any:
            if isinstance(column, np.ndarray):
                return column[chosen]
            return tuple(column[i] for i in chosen)

        columns = {name: picked(column) for name, column in self._columns().items()}
        extra = {name: columns.pop(f"extra.{name}") for name in self.extra}
        return replace(self, **columns, extra=extra)

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

    def split(
        self,
        fraction: float = 0.2,
        seed: int = 0,
        *,
        by: str = "auto",
        together: Sequence[Sequence[int]] = (),
        singles: bool = False,
    ) -> tuple["Examples", "Examples"]:
        """Splits into training and validation examples, disjoint by file content.

        A split that the data brings is kept: the training part, and the validation part; where
        there is none, the test part takes its place.  (To keep such a test part for the very end,
        split the training part instead: ``examples.part("train").split()``.)

        Otherwise the split follows from the bytes of the files and the seed; no copy of a file,
        and nothing that ``together`` joins, stands on both sides.  ``by`` says what goes by what:

        - ``"stratified"``: each class is split alone (:func:`tl_keras.data.splitting.stratified`);
          without labels, images with boxes of each class.
        - ``"group"``: a group (patient, speaker, product) stands on one side; sizes and classes
          as even as the groups allow (:func:`tl_keras.data.splitting.dealing.even_out`).
        - ``"tags"``: iterative stratification (Sechidis et al. 2011) over presence and absence of
          every tag; -1, not known, counts nowhere.
        - ``"time:COLUMN"``: what is newest by that column of ``extra`` is validated on
          (:mod:`tl_keras.data.splitting.by_time`).
        - ``"auto"``: by group where there are groups, else by tags where there are tags, else
          stratified.

        Args:
            fraction: share of the images to validate on, between 0 and 1.
            seed: a whole number from 0 on; the same seed and the same files, the same split.
            by: as above.
            together: lists of positions in this table that belong on one side, such as near
                duplicates.
            singles: stratified, whether a class may have one distinct image, which is trained on:
                for embedders, whose classes are products and need not be validated on.

        Returns:
            ``(train, val)``, each with at least one image of every class; by time only the first.

        Raises:
            InputError: a class has one (distinct) image or group only, or an argument is out of
                range, or the data brings parts but none to train on.

        Example:
            >>> table = Examples(tuple("abcd"), np.array([0, 0, 1, 1]), ("x", "y"),
            ...                  ("1", "2", "3", "4"), (None,) * 4)
            >>> train, val = table.split(0.5)
            >>> train.counts(), val.counts()
            ({'x': 1, 'y': 1}, {'x': 1, 'y': 1})
        """
        from tl_keras.data.splitting import split_positions

        if len(self.parts) > 1:
            if "train" not in self.parts:
                raise InputError(f"{self.root} brings {' and '.join(self.parts)} but no train/")
            return self.part("train"), self.part("val" if "val" in self.parts else "test")
        train, val = split_positions(self, fraction, seed, by, together, singles)
        return self.subset(train), self.subset(val)

    def draw(
        self, shots: int, seed: int = 0, *, repeat: int = 0, leave: bool = True
    ) -> tuple["Examples", "Examples"]:
        """Draws so many examples of each class, to see how far a handful goes.

        Args:
            shots: images of each class, 1 or more.
            seed: a whole number from 0 on; the same seed and the same files, the same draw.
            repeat: which draw of this seed.
            leave: whether something of each class must remain.

        Returns:
            ``(drawn, rest)``, disjoint by content and by groups: copies of what is drawn, and the
            rest of its group, are on no side.  See
            :func:`tl_keras.data.splitting.shots.shot_positions`.

        Raises:
            InputError: a class has too few distinct images, or an example no label.

        Example:
            >>> table = Examples(tuple("abcd"), np.array([0, 0, 1, 1]), ("x", "y"),
            ...                  ("1", "2", "3", "4"), (None,) * 4)
            >>> drawn, rest = table.draw(1)
            >>> drawn.counts(), rest.counts()
            ({'x': 1, 'y': 1}, {'x': 1, 'y': 1})
        """
        from tl_keras.data.splitting import shot_positions

        drawn, rest = shot_positions(self, shots, seed, repeat=repeat, leave=leave)
        return self.subset(drawn), self.subset(rest)

    def folds(
        self,
        k: int = 5,
        seed: int = 0,
        repeats: int = 1,
        *,
        by: str = "auto",
        together: Sequence[Sequence[int]] = (),
    ) -> list[tuple["Examples", "Examples"]]:
        """Splits k times, so that every example is validated on once: cross-validation.

        Rows of a test part that the data brings stand in no fold, and other parts are joined.  No
        content stands on both sides of a fold.

        Args:
            k: folds, 2 or more.
            seed: a whole number from 0 on; the same seed and the same files, the same folds.
            repeats: deal everything anew so many times; the first time is that of ``repeats=1``.
                Few groups may have one best way to be dealt, which repeats then find again.
            by: as for :meth:`split`.  By time, fold i trains on the oldest i of k + 1 equal parts
                and validates on the next, so the oldest examples are never validated on.
            together: as for :meth:`split`.

        Returns:
            k · repeats pairs ``(train, val)``.  Every ``train`` has every class; every ``val`` has
            where stratified, and where the groups allow it.

        Raises:
            InputError: a class has fewer (distinct) images than folds, or lies in one group only,
                or an argument is out of range.

        Example:
            >>> table = Examples(tuple("abcd"), np.array([0, 0, 1, 1]), ("x", "y"),
            ...                  ("1", "2", "3", "4"), (None,) * 4)
            >>> [val.counts() for _, val in table.folds(2)]
            [{'x': 1, 'y': 1}, {'x': 1, 'y': 1}]
        """
        from tl_keras.data.splitting import fold_positions

        rows = np.array([i for i, part in enumerate(self.splits) if part != "test"], np.int64)
        source = self
        if len(rows) < len(self):
            at = {row: position for position, row in enumerate(rows.tolist())}
            source = self.subset(rows)
            together = [[at[int(i)] for i in joined if int(i) in at] for joined in together]
        found = fold_positions(source, k, seed, repeats, by, together)
        return [(source.subset(train), source.subset(val)) for train, val in found]

    def fingerprint(self) -> str:
        """Identifies the content: which bytes bear which targets, wherever they lie.

        Returns:
            SHA-256 in hexadecimal of the names of classes and tags and of the sorted (digest,
            targets) pairs; file names, order, parts, groups and further columns do not enter.

        Example:
            >>> one = Examples(("a.png",), np.array([0]), ("ants", "bees"), ("0f",), (None,))
            >>> len(one.fingerprint())
            64
        """
        total = hashlib.sha256("\0".join(self.class_names).encode("utf-8", "surrogateescape"))
        rows = [
            f"{digest} {label}"
            for digest, label in zip(self.digests, self.labels.tolist(), strict=True)
        ]
        if self.tags is not None:
            total.update("\0".join(("", *self.tag_names)).encode("utf-8", "surrogateescape"))
            rows = [f"{row} {tags}" for row, tags in zip(rows, self.tags.tolist(), strict=True)]
        if self.boxes is not None:
            rows = [
                f"{row} {boxes.xyxy.tolist()} {boxes.classes.tolist()} {boxes.ignore.tolist()}"
                for row, boxes in zip(rows, self.boxes, strict=True)
            ]
        if self.masks is not None:
            rows = [
                f"{row} {mask and mask.fingerprint()}"
                for row, mask in zip(rows, self.masks, strict=True)
            ]
        for row in sorted(rows):
            total.update(f"\0{row}".encode())
        return total.hexdigest()

    def to_csv(self, path: str | os.PathLike) -> "Path":
        """Writes every column to a table that ``from_csv`` reads back.

        Args:
            path: the file to write; ``.tsv`` writes tabs.

        Returns:
            The file; see :func:`tl_keras.data.reading.table_out.to_csv`.

        Raises:
            InputError: it cannot be written, or a mask lies in no file.

        Example:
            >>> examples.to_csv("photos.csv")  # doctest: +SKIP
            PosixPath('photos.csv')
        """
        from tl_keras.data.reading.table_out import to_csv

        return to_csv(self, path)

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
        target: str = "labels",
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
            augment: ``None``, a preset of :mod:`tl_keras.data.augment` by name, or a callable or
                Keras layer on the batch of images.
            drop_remainder: leave out a last, smaller batch.
            cache: keep every image, decoded and resized, from its first use on: in
                ``"memory"`` (3 × S × S bytes an image, half of the memory at most) or in one file
                of this folder, for further runs as well (:mod:`tl_keras.data.pixel_cache`).
                Augmentation comes after it.  ``None`` decodes anew in every epoch.
            target: ``"labels"``, ``"one_hot"``, ``"tags"``, ``"box"``, ``"boxes"``, ``"pixels"`` or
                ``"instances"``.

        Returns:
            ``tf.data.Dataset`` under the TensorFlow backend, else ``keras.utils.PyDataset`` (then
            give ``shuffle=False`` to ``fit``, which would shuffle the batches once more), of
            ``(images, targets)``: uint8 (B, S, S, 3) RGB 0..255, and labels, int32 (B,); or their
            one-hot rows, float32 (B, K); or tags, float32 (B, T): 1 present, 0 absent, -1 not
            known; or the main box of each image, float32 (B, 6): xyxy in px of the square, class,
            1 or 0 for none; or all boxes, float32 (B, M, 6): the same, 0 for padding, -1 for one
            that does not count; or classes by pixel, uint8 (B, S, S), 255 for none; or maps of
            single things, float32 (B, S, S, 6)
            (:class:`tl_keras.data.drawn_targets.InstanceTargets`).

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
            target=target,
        )
