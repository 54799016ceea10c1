"""What ``resize="crop"`` costs where boxes and masks are learned: it cuts truth off, too."""

import numpy as np

from tl_keras.data.augment.geometry import move_boxes, to_square
from tl_keras.data.boxes import Boxes
from tl_keras.data.drawn_targets import LEFT
from tl_keras.data.examples import Examples
from tl_keras.data.masks import Mask
from tl_keras.data.needed_columns import image_sizes

_SIDE = 512  # px of the square; what is cut does not depend on it
_REMEDY = "pad and stretch keep everything"


def crop_loss(examples: Examples, target: str) -> str | None:
    """A sentence on the truth that the centre crop to a square leaves out.

    Args:
        examples: With boxes or masks.
        target: As of ``Examples.dataset``: ``"box"``, ``"boxes"``, ``"instances"`` or ``"pixels"``.

    Returns:
        None where nothing is left out.

    Raises:
        InputError: A mask cannot be read, or the table does not say how large its images are.

    Example:
        >>> from tl_keras.data.boxes import Boxes
        >>> wide = Examples(
        ...     ("a.jpg",), [0], ("cat",), ("0",), (None,), sizes=[(100, 300)],
        ...     boxes=[Boxes.of([(0, 0, 50, 50), (120, 0, 180, 90)], [0, 0])],
        ... )
        >>> crop_loss(wide, "boxes")[:58]
        'resize crop leaves out 1 of 2 boxes that count, in 1 of 1 '
    """
    sizes = image_sizes(examples)
    if target == "pixels":
        kept = sum(min(size) ** 2 for size in sizes) / max(1, sum(h * w for h, w in sizes))
        what = f"{100 * (1 - kept):.0f} % of the pixels with what is marked there"
        return None if kept > 0.995 else f"resize crop leaves out {what}; {_REMEDY}"
    if examples.boxes is not None:
        what, column, count = "boxes that count", examples.boxes, _boxes
    else:
        what, column, count = "things", examples.masks, _things
    pairs = [count(own, *size) for own, size in zip(column, sizes, strict=True)]
    counts = np.array(pairs, "int64").reshape(-1, 2)
    lost = counts[:, 0] - counts[:, 1]
    if not lost.any():
        return None
    return (
        f"resize crop leaves out {lost.sum():,} of {counts[:, 0].sum():,} {what}, in "
        f"{(lost > 0).sum():,} of {len(lost):,} images: they are neither learned nor measured; "
        f"{_REMEDY}"
    )


def _boxes(boxes: Boxes, height: int, width: int) -> tuple[int, int]:
    """How many there are, and of how many enough is left."""
    xyxy = boxes.xyxy[~boxes.ignore]
    matrix = to_square(height, width, _SIDE, "crop")
    return len(xyxy), len(move_boxes(xyxy, matrix, _SIDE, _SIDE, LEFT)[1])


def _things(mask: Mask, height: int, width: int) -> tuple[int, int]:
    """How many there are, and of how many a pixel is left."""
    ids = mask.things(height, width).ids
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    inside = ids[top : height - top, left : width - left]
    return tuple(len(np.unique(part[part > 0])) for part in (ids, inside))
