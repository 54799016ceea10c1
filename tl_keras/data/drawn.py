"""Boxes and shapes as somebody drew them, before the picture they belong to was opened."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tl_keras.data.boxes import Boxes
from tl_keras.data.examples import Skipped
from tl_keras.data.mask_shapes import Shape, ShapeMask
from tl_keras.data.scanning import Checked

_ROUNDING = 1.01  # px; a little more, for shares are rounded as well


class Drawn(NamedTuple):
    """What an annotation says of one image; row k of every column is one thing.

    Attributes:
        where: the annotation's file, for messages.
        xyxy: ``x1, y1, x2, y2`` of each thing, far edges exclusive: px, or shares of the image's
            sides.
        names: its class.
        rows: what it is called in the file (``"object 3"``, ``"row 17"``), for messages.
        ignore: whether it does not count; by default all do.
        size: ``(width, height)`` of the image in px as the annotation has it; ``None``: not said.
        relative: coordinates are shares, 0 to 1, not px.
        shapes: outlines of each thing, for masks; ``None``: boxes only.
        background: class of the pixels of no thing in its mask; ``None``: they are ignored.

    Example:
        >>> Drawn("a.xml", [(1, 2, 30, 40)], ["cat"], ["object 1"], size=(50, 50)).names
        ['cat']
    """

    where: str
    xyxy: Sequence[Sequence[float]] = ()
    names: Sequence[str] = ()
    rows: Sequence[str] = ()
    ignore: Sequence[bool] | None = None
    size: tuple[int, int] | None = None
    relative: bool = False
    shapes: Sequence[Shape] | None = None
    background: str | None = None


class Settled(NamedTuple):
    """What became of a :class:`Drawn` once its image was known.

    Attributes:
        boxes: in the image's own pixels.
        mask: of the same things, in the same order; ``None`` where only boxes were drawn.
        dropped: things that cannot be, and why.
        refused: why nothing of it can be used; then the rest is empty.
        beyond: float (M,), for each box by how many px it left the image and was cut off; 0 up
            to a pixel, for formats count from 0 or from 1.
    """

    boxes: Boxes
    mask: ShapeMask | None = None
    dropped: tuple[Skipped, ...] = ()
    refused: str | None = None
    beyond: np.ndarray = np.zeros(0)


def settle(drawn: Drawn, image: Checked, index: Mapping[str, int]) -> Settled:
    """Brings an annotation to the pixels of its image.

    * An annotation that gives the size of the image as stored, where the image is laid on its side
      by its EXIF block, was drawn on the stored pixels: it is turned with them.
    * An annotation of another size but of the same shape, to a pixel, belongs to the picture
      before it was resized: it is scaled.  Of another shape, it is refused.
    * A box is cut off at the edges of the image.  One of no area, without a finite number, turned
      over or outside the image is dropped.

    Args:
        drawn: the annotation.
        image: what is known of the image.
        index: class name -> its number.

    Returns:
        Boxes and mask in px of the upright image.

    Example:
        >>> image = Checked("0f", None, (100, 50))
        >>> cat = Drawn("a.xml", [(10, 20, 300, 40)], ["cat"], ["object 1"])
        >>> settle(cat, image, {"cat": 0}).boxes.xyxy.tolist()
        [[10.0, 20.0, 100.0, 40.0]]
    """
    size = None if drawn.relative else drawn.size
    how = image.turned_from(size) if size else 1
    if how is None:
        said = f"annotated as {size[0]} x {size[1]} px in {drawn.where}"
        refused = f"{said}, but is {image.size[0]} x {image.size[1]} px"
        return Settled(Boxes.of(), refused=refused)
    frame = image.size if how == 1 else image.stored
    given = np.array(drawn.xyxy, np.float64).reshape(-1, 4)
    scale = np.array([1.0, 1.0])
    if drawn.relative:
        scale = np.array(frame, np.float64)
    elif size:
        scale = np.array(frame, np.float64) / size
    placed = _turned(given * np.tile(scale, 2), frame, how)
    limits = np.tile(np.array(image.size, np.float64), 2)
    cut = np.clip(placed, 0, limits).astype(np.float32)
    reasons = [_fault(*pair, image.size) for pair in zip(given, cut, strict=True)]
    kept = [i for i, reason in enumerate(reasons) if reason is None]
    dropped = tuple(
        Skipped(drawn.where, f"{drawn.rows[i]} ({drawn.names[i]}): {reason}")
        for i, reason in enumerate(reasons)
        if reason
    )
    ignore = [bool(drawn.ignore[i]) if drawn.ignore else False for i in kept]
    classes = [index[drawn.names[i]] for i in kept]
    boxes = Boxes.of(cut[kept], classes, ignore)
    over = np.abs(placed[kept] - cut[kept]).max(axis=1, initial=0)
    beyond = np.where(over > _ROUNDING, over, 0.0)
    if drawn.shapes is None:
        return Settled(boxes, None, dropped, beyond=beyond)
    mask = ShapeMask(
        shapes=tuple(drawn.shapes[i] for i in kept),
        classes=tuple(classes),
        ignore=tuple(ignore),
        background=None if drawn.background is None else index[drawn.background],
        size=size,
        relative=drawn.relative,
        orientation=how,
    )
    return Settled(boxes, mask, dropped, beyond=beyond)


def _fault(given: np.ndarray, cut: np.ndarray, size: tuple[int, int]) -> str | None:
    if not np.isfinite(given).all():
        return "its corners are no finite numbers"
    if given[2] < given[0] or given[3] < given[1]:
        return f"turned over, {_corners(given)}"
    if given[2] == given[0] or given[3] == given[1]:
        return f"of no area, {_corners(given)}"
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        return f"outside the image of {size[0]} x {size[1]} px, {_corners(given)}"
    return None


def _corners(box: np.ndarray) -> str:
    return "x {:g} to {:g}, y {:g} to {:g}".format(*box[[0, 2, 1, 3]].tolist())


def _turned(xyxy: np.ndarray, stored: tuple[int, int], how: int) -> np.ndarray:
    """Boxes of stored pixels, turned as EXIF's orientation 5 to 8 turns those pixels."""
    width, height = stored
    x1, y1, x2, y2 = xyxy.T
    match how:
        case 5:
            columns = (y1, x1, y2, x2)
        case 6:
            columns = (height - y2, x1, height - y1, x2)
        case 7:
            columns = (height - y2, width - x2, height - y1, width - x1)
        case 8:
            columns = (y1, width - x2, y2, width - x1)
        case _:
            return xyxy
    return np.stack(columns, axis=1)
