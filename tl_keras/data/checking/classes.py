"""Classes that are tiny, or of very different size."""

from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.checking.findings import Finding

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

#: A class of fewer different pictures is reported.
TINY = 10
#: A largest class of this many times the smallest is reported.
IMBALANCE = 10


def class_sizes(examples: "Examples", contents: np.ndarray) -> list[Finding]:
    """Findings of kinds ``tiny_class`` and ``imbalance``; copies count once.

    Args:
        examples: the table.
        contents: int64 (N,), equal for files of the same bytes.

    Returns:
        One finding for each tiny class, and one for the imbalance.
    """
    different = np.unique(contents)
    labels = examples.labels[different]
    labels = labels[labels >= 0]
    if not len(labels):
        return []
    counts = np.bincount(labels, minlength=len(examples.class_names))
    findings = []
    for label in np.flatnonzero((counts < TINY) & (counts > 0)):
        paths = tuple(examples.paths[row] for row in np.flatnonzero(examples.labels == label))
        number = f"{counts[label]} different picture{'s' if counts[label] > 1 else ''}"
        why = f"class {examples.class_names[label]!r} has {number}; {TINY} are few"
        findings.append(Finding("tiny_class", paths, why, float(-counts[label])))
    used = np.flatnonzero(counts)
    largest, smallest = used[counts[used].argmax()], used[counts[used].argmin()]
    ratio = counts[largest] / counts[smallest]
    if ratio >= IMBALANCE:
        names = examples.class_names
        why = (
            f"{counts[largest]:,} pictures of {names[largest]!r}, {counts[smallest]:,} of "
            f"{names[smallest]!r}: {ratio:.0f} to 1"
        )
        findings.append(Finding("imbalance", (), why, float(ratio)))
    return findings
