"""Copies: the same bytes within a part, across a split, under different labels."""

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.checking.findings import Finding
from tl_keras.data.checking.grouping import members
from tl_keras.data.checking.targets import same_targets
from tl_keras.data.examples import PARTS

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def digest_groups(digests: tuple[str, ...]) -> np.ndarray:
    """Numbers files by their content.

    Args:
        digests: of N files.

    Returns:
        int64 (N,): the position of the first file with the same bytes.

    Example:
        >>> digest_groups(("0f", "1e", "0f")).tolist()
        [0, 1, 0]
    """
    first: dict[str, int] = {}
    return np.array([first.setdefault(d, i) for i, d in enumerate(digests)], np.int64)


def copies(examples: "Examples", crossing: dict[str, str]) -> list[Finding]:
    """Findings of kinds ``copies``, ``copies_across_parts`` and ``contradictory_copies``.

    Args:
        examples: the table; readers have already left out copies that cross the split, and those
            under different labels.
        crossing: files that were left out so -> their digest.

    Returns:
        One finding for each content.
    """
    groups = {examples.digests[rows[0]]: rows for rows in members(digest_groups(examples.digests))}
    first = {digest: row for row, digest in reversed(list(enumerate(examples.digests)))}
    elsewhere: dict[str, list[str]] = defaultdict(list)
    for path, digest in crossing.items():
        elsewhere[digest].append(path)
    findings = []
    for digest in dict.fromkeys([*groups, *elsewhere]):
        rows = groups.get(digest)
        if rows is None:
            rows = np.array([first[digest]] if digest in first else [], np.int64)
        paths = (*(examples.paths[row] for row in rows), *elsewhere.get(digest, ()))
        parts = [part for part in PARTS if part in {examples.splits[row] for row in rows}]
        if digest in elsewhere:
            kept = f"; {', '.join(parts)} keeps its own" if parts else ""
            why = f"{len(paths)} files of the same bytes in more than one part{kept}"
            findings.append(Finding("copies_across_parts", paths, why, len(paths)))
        elif len(parts) > 1:
            why = f"{len(paths)} files of the same bytes in {' and '.join(parts)}"
            findings.append(Finding("copies_across_parts", paths, why, len(paths)))
        elif not same_targets(examples, rows):
            names = [examples.class_names[label] for label in sorted({*examples.labels[rows]})]
            what = " and ".join(map(repr, names)) if len(names) > 1 else "in more than one way"
            why = f"{len(paths)} files of the same bytes, labelled {what}"
            findings.append(Finding("contradictory_copies", paths, why, len(paths)))
        else:
            why = f"{len(paths)} files of the same bytes"
            findings.append(Finding("copies", paths, why, len(paths)))
    return findings
