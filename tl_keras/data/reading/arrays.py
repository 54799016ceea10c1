"""Pictures in memory: numpy arrays, or whatever numpy takes for one."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tl_keras.data.examples import Examples
from tl_keras.data.reading.label_names import class_of, named
from tl_keras.data.reading.stored_table import Target, table_of
from tl_keras.data.reading.storing import Item
from tl_keras.errors import InputError


def from_arrays(
    images: Any,
    labels: Any = None,
    class_names: Sequence[str] | None = None,
    *,
    groups: Sequence[Any] | None = None,
    splits: Sequence[str | None] | None = None,
    into: str | os.PathLike | None = None,
    strict: bool = False,
    progress: bool = True,
) -> Examples:
    """Makes examples of pixels in memory; they are written once, as PNG, see ``into``.

    Args:
        images: uint8 0..255, uint16 0..65535 or bool, array of shape (N, height, width) or (N,
            height, width, 1, 3 or 4), or a list of N such pictures of any sizes.
        labels: one per image: whole numbers from 0 on (-1: not known), of shape (N,), (N, 1) or
            one-hot (N, C), or names; or tags, (N, T) with 1 has it, 0 has it not, -1 not known,
            where not every row holds exactly one 1.  ``None``: not known of any image.
        class_names: the name of each number, or of each tag; by default ``"0"``, ``"1"``, ...
        groups: per image what must not be torn apart by a split (patient, speaker), or ``None``.
        splits: per image ``"train"``, ``"val"``, ``"test"`` or ``None``.
        into: the folder of the PNG files; by default ``tl_keras/images`` below Keras' home.
        strict: raise instead of leaving an image out.
        progress: show bars on standard error when it takes long.

    Returns:
        The table, in the order given.

    Raises:
        InputError: the arrays do not fit each other, pixels are floats (whose range only you
            know), a label has no name, or the disk is full.

    Example:
        >>> from_arrays(np.zeros((2, 8, 8)), [0, 1])
        Traceback (most recent call last):
        ...
        tl_keras.errors.InputError: images are float64; scale them to uint8 0..255 yourself, for \
only you know their range: (255 * images).round().astype("uint8") if it is 0..1
    """
    images = _checked(images)
    labels, tags = _labels_or_tags(labels)
    lists = {"images": images, "labels": labels, "tags": tags, "groups": groups, "splits": splits}
    total = _length(lists)
    names = None if class_names is None else [str(name) for name in class_names]
    tag_names = named(tags.shape[1], names) if tags is not None else ()

    def items() -> Iterator[Item]:
        for row, image in enumerate(images):
            target = Target(
                label=None if labels is None else class_of(labels[row], names, f"image {row}"),
                split=None if splits is None else splits[row],
                group=None if groups is None or groups[row] is None else str(groups[row]),
                tags=None if tags is None else tuple(tags[row].tolist()),
            )
            yield Item(image, f"image {row}", target)

    return table_of(
        items(), what="arrays", class_order=names if tags is None else None, tag_names=tag_names,
        into=into, total=total, strict=strict, progress=progress,
    )  # fmt: skip


def _checked(images: Any) -> Any:
    if not hasattr(images, "shape"):
        if isinstance(images, (str, bytes)) or not hasattr(images, "__len__"):
            raise InputError(f"images are a {type(images).__name__}; give an array or a list")
        return images
    array = np.asarray(images)
    if np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"images are {array.dtype}; scale them to uint8 0..255 yourself, for only you know "
            'their range: (255 * images).round().astype("uint8") if it is 0..1'
        )
    if array.ndim == 4 and array.shape[3] not in (1, 3, 4) and array.shape[1] in (1, 3, 4):
        raise InputError(
            f"images of shape {array.shape} have their channels first; give "
            "images.transpose(0, 2, 3, 1)"
        )
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3, 4)):
        raise InputError(
            f"images of shape {array.shape}; expected (N, height, width) or (N, height, width, 1, "
            "3 or 4)"
        )
    return array


def _labels_or_tags(labels: Any) -> tuple[Any, np.ndarray | None]:
    """Labels one per image, or an array of tags; the other is None."""
    if labels is None:
        return None, None
    try:
        array = np.asarray(labels)
    except ValueError:
        raise InputError(
            "labels are lists of different lengths; give one label per image"
        ) from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        return array.tolist(), None
    if array.ndim != 2:
        raise InputError(f"labels of shape {array.shape}; expected (N,), or (N, T) for tags")
    if not np.isin(array, (-1, 0, 1)).all():
        raise InputError(f"labels of shape {array.shape} are tags, 1, 0 or -1; others are in them")
    if ((array == 1).sum(axis=1) == 1).all() and (array >= 0).all():
        return array.argmax(axis=1).tolist(), None
    return None, array.astype(np.int8)


def _length(lists: dict[str, Any]) -> int:
    """The length that all lists have that there are."""
    lengths = {name: len(value) for name, value in lists.items() if value is not None}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise InputError(f"{said}; give one of each per image")
    return lengths["images"]
