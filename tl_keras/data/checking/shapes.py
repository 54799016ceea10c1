"""Pictures that are tiny, of one colour, or of an unusual shape."""

import numpy as np

from tl_keras.data.checking.findings import Finding
from tl_keras.data.checking.pictures import Pictures
from tl_keras.data.checking.statistics import FIGURES

#: A shorter side of fewer px is reported.
TINY = 32
#: A shape so many times wider or narrower than the usual one is reported.
ODD = 3.0
#: Levels (0..255) of standard deviation below which a picture is of one colour.
BLANK = 1.0


def picture_shapes(paths: tuple[str, ...], pictures: Pictures) -> list[Finding]:
    """Findings of kinds ``tiny_image``, ``odd_shape`` and ``blank_image``, one each.

    Args:
        paths: N files, all readable.
        pictures: of these.

    Returns:
        At most one finding of a kind, its files with the worst first.
    """
    if not paths:
        return []
    sides = pictures.sizes
    shorter = sides.min(axis=1)
    ratios = np.log(sides[:, 0] / sides[:, 1])
    usual = float(np.exp(np.median(ratios)))
    off = np.abs(ratios - np.log(usual))
    contrast = pictures.figures[:, FIGURES.index("contrast")]
    tiny, odd, blank = shorter < TINY, off >= np.log(ODD), contrast < BLANK
    findings = []
    if tiny.any():
        least = _size(sides[np.argmin(shorter)])
        why = f"a side of fewer than {TINY} px, the smallest is {least}"
        findings.append(_of("tiny_image", paths, tiny, shorter, why))
    if odd.any():
        worst = _size(sides[np.argmax(off)])
        why = (
            f"{ODD:g} times or more wider or narrower than is usual here (width to height "
            f"{usual:.2g}), the most unusual is {worst}"
        )
        findings.append(_of("odd_shape", paths, odd, -off, why))
    if blank.any():
        why = "hardly a pixel differs from the others"
        findings.append(_of("blank_image", paths, blank, contrast, why))
    return findings


def _of(
    kind: str, paths: tuple[str, ...], chosen: np.ndarray, order: np.ndarray, why: str
) -> Finding:
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(order[rows], kind="stable")]
    number = f"{len(rows):,} picture{'s' if len(rows) > 1 else ''}: "
    return Finding(kind, tuple(paths[row] for row in rows), number + why, float(len(rows)))


def _size(size: np.ndarray) -> str:
    return f"{size[0]} x {size[1]} px"
