"""What readers left out, sorted by what is wrong with it."""

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from tl_keras.data.checking.findings import Finding
from tl_keras.data.scanning import scan

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

# Of readers' reasons, see tl_keras.data.drawn, reading.box_cells and files: what is said of a box
# or a mask stands beside the name of a file that may well be a sound image, or none at all.
_BOX = re.compile(r"of no area|turned over|outside the image|no finite numbers|no box of numbers")
_OUTSIDE = re.compile(r"outside the image")
_NO_CLASS = re.compile(r"a box without a class")
_MASK = re.compile(r"its mask ")


def left_out(examples: "Examples", *, progress: bool = True) -> list[Finding]:
    """Findings about ``examples.skipped``.

    A file that is a sound image and has the same bytes as another that was left out is one of
    ``contradictory_copies``.

    Args:
        examples: the table.
        progress: show a bar on standard error when it takes long.

    Returns:
        One finding for each entry, or for each content.
    """
    entries = list(dict.fromkeys(examples.skipped))
    paths = list(dict.fromkeys(entry.path for entry in entries))
    checked = dict(zip(paths, scan(paths, progress=progress), strict=True))
    copies: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        if checked[entry.path].digest:
            copies[checked[entry.path].digest].setdefault(entry.path, entry.reason)
    contradictory = {
        path
        for files in copies.values()
        if len(files) > 1
        for path, reason in files.items()
        if not (_MASK.search(reason) or _BOX.search(reason))
    }
    findings = []
    for files in copies.values():
        group = tuple(path for path in files if path in contradictory)
        if group:
            why = f"{len(group)} files of the same bytes; {files[group[0]]}"
            findings.append(Finding("contradictory_copies", group, why, len(group)))
    for path, reason in entries:
        if path not in contradictory:
            findings.append(Finding(_kind(reason, checked[path].reason), (path,), reason))
    return findings


def _kind(reason: str, found: str | None) -> str:
    if found == reason:
        return "unreadable"
    if _MASK.match(reason):
        return "mask"
    if _OUTSIDE.search(reason):
        return "box_outside"
    if _BOX.search(reason):
        return "box_empty"
    if _NO_CLASS.search(reason):
        return "box_class"
    return "left_out"
