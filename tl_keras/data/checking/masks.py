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
    """Findings of kinds ``mask`` and ``no_positives``; every mask is read.

    Args:
        examples: a table with masks.
        sizes: int (N, 2), width and height of the images, px.
        progress: show a bar on standard error when it takes long.

    Returns:
        One finding for each unsound mask, or one that nothing is in any; none for a table without
        masks.
    """
    rows = [row for row, mask in enumerate(examples.masks or ()) if mask is not None]
    classes = len(examples.class_names)

    def look(row: int) -> tuple[str | None, list[int]]:
        width, height = (int(side) for side in sizes[row])
        try:
            values = np.unique(examples.masks[row].semantic(height, width))
        except UnreadableImageError as error:
            return f"its mask {error.source}: {error.reason}", []
        unknown = [int(value) for value in values if value >= classes and value != IGNORE]
        if not unknown:
            return None, [int(value) for value in values if value != IGNORE]
        shown = ", ".join(map(str, unknown[:5]))
        return f"its mask has the values {shown}, the table has {classes} classes", []

    looked = list(zip(rows, in_threads(look, rows, "mask", progress), strict=True))
    findings = [Finding("mask", (examples.paths[row],), why) for row, (why, _) in looked if why]
    seen = sorted({examples.class_names[value] for _, (_, values) in looked for value in values})
    if rows and not findings and all(name.casefold() == "background" for name in seen):
        what = "a pixel of any class" + (f" but {seen[0]!r}" if seen else "")
        findings.append(Finding("no_positives", (), f"none of the {len(rows):,} masks has {what}"))
    return findings
