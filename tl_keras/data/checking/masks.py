"""Masks with values of no class, of another size than their image, or unreadable."""

from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.checking.findings import Finding
from tl_keras.data.decoding import UnreadableImageError
from tl_keras.data.masks import IGNORE
from tl_keras.data.scanning import in_threads

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def mask_faults(examples: "Examples", sizes: np.ndarray, *, progress: bool = True) -> list[Finding]:
    """Findings of kind ``mask``; every mask is read.

    Args:
        examples: a table with masks.
        sizes: int (N, 2), width and height of the images, px.
        progress: show a bar on standard error when it takes long.

    Returns:
        One finding for each unsound mask; none for a table without masks.
    """
    rows = [row for row, mask in enumerate(examples.masks or ()) if mask is not None]
    classes = len(examples.class_names)

    def fault(row: int) -> str | None:
        width, height = (int(side) for side in sizes[row])
        try:
            values = np.unique(examples.masks[row].semantic(height, width))
        except UnreadableImageError as error:
            return f"its mask {error.source}: {error.reason}"
        unknown = [int(value) for value in values if value >= classes and value != IGNORE]
        if not unknown:
            return None
        shown = ", ".join(map(str, unknown[:5]))
        return f"its mask has the values {shown}, the table has {classes} classes"

    faults = zip(rows, in_threads(fault, rows, "mask", progress), strict=True)
    return [Finding("mask", (examples.paths[row],), why) for row, why in faults if why]
