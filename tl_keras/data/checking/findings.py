"""What a check found: one record for each, and what the kinds of it mean."""

from collections.abc import Sequence
from typing import NamedTuple

#: How much a kind matters, the worst first: an ``"error"`` spoils training or its measurement, a
#: ``"warning"`` wants a look, a ``"note"`` is good to know.
SEVERITIES = ("error", "warning", "note")


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        severity: of :data:`SEVERITIES`.
        title: in words, for many.
        remedy: what to do.
    """

    severity: str
    title: str
    remedy: str


#: All kinds, in the order in which they are shown.
KINDS: dict[str, Kind] = {
    "unreadable": Kind(
        "error", "Unreadable files", "mend or remove them; a cleaned table is without them"
    ),
    "copies_across_parts": Kind(
        "error",
        "Copies across the split",
        "keep each on one side, or accuracy is measured on what was learned by heart; a cleaned "
        "table keeps those of the test part",
    ),
    "contradictory_copies": Kind(
        "error",
        "The same picture under different labels",
        "find out which label is right; a cleaned table is without them",
    ),
    "box_empty": Kind(
        "error",
        "Boxes without an area, or outside their image",
        "draw them anew; a cleaned table is without these boxes",
    ),
    "box_class": Kind("error", "Boxes of no known class", "name their class"),
    "mask": Kind(
        "error", "Masks that cannot be used", "mend the mask, or say what its values stand for"
    ),
    "no_positives": Kind(
        "error", "Nothing to find in the whole set", "add images of things, or annotate these"
    ),
    "box_convention": Kind(
        "warning",
        "Boxes that look like another convention",
        "give them as the format wants them; `tl-keras augment` shows where they lie",
    ),
    "near_copies_across_parts": Kind(
        "warning",
        "Near copies across the split",
        "move them to one side, or accuracy is measured on what was seen in training",
    ),
    "near_copies_differ": Kind(
        "warning", "Near copies under different labels", "find out which label is right"
    ),
    "label_error": Kind(
        "warning", "Labels that are probably wrong", "look at them, the worst first, and relabel"
    ),
    "outlier": Kind(
        "warning",
        "Pictures unlike all others",
        "look whether they belong here: placeholders, drawings and screenshots do not",
    ),
    "box_outside": Kind(
        "warning", "Boxes that leave their image", "cut them off at the image's edge"
    ),
    "box_many": Kind(
        "warning",
        "Pictures of very many things",
        "cut the pictures into tiles: of an image a trained model returns the best 500",
    ),
    "tiny_class": Kind("warning", "Classes of very few pictures", "add pictures, or merge classes"),
    "imbalance": Kind(
        "warning",
        "Classes of very different size",
        "look at balanced accuracy, and try class weights or balanced sampling",
    ),
    "tiny_image": Kind(
        "warning", "Tiny pictures", "replace or remove them: enlarging adds nothing"
    ),
    "blank_image": Kind("warning", "Pictures of one colour", "remove them"),
    "boxes_cut": Kind(
        "note", "Boxes cut off at the edge of their image", "nothing, if they leave it by little"
    ),
    "left_out": Kind("note", "Files left out", "nothing, if that was meant"),
    "odd_shape": Kind(
        "note",
        "Pictures of an unusual shape",
        "crop them, or resize with padding, which keeps all of the picture",
    ),
    "copies": Kind("note", "Copies", "nothing, or keep one of each: a split keeps them together"),
    "near_copies": Kind(
        "note",
        "Near copies",
        "name a group for each (a column of the table), so that a split keeps them together",
    ),
}


class Finding(NamedTuple):
    """One thing that is wrong, or may be.

    Attributes:
        kind: a key of :data:`KINDS`.
        paths: the files it is about.
        why: in words, with the figures.
        score: how bad among its kind, larger is worse; only the order counts.

    Example:
        >>> Finding("unreadable", ("a.jpg",), "zero bytes").severity
        'error'
    """

    kind: str
    paths: tuple[str, ...]
    why: str
    score: float = 0.0

    @property
    def severity(self) -> str:
        """Of :data:`SEVERITIES`."""
        return KINDS[self.kind].severity

    def as_dict(self) -> dict[str, object]:
        """What ``--json`` prints: kind, paths, why, severity, score.

        Example:
            >>> Finding("unreadable", ("a.jpg",), "zero bytes").as_dict()["paths"]
            ['a.jpg']
        """
        return {
            "kind": self.kind,
            "paths": list(self.paths),
            "why": self.why,
            "severity": self.severity,
            "score": round(float(self.score), 6),
        }


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Sorts findings: by kind as in :data:`KINDS`, then the worst first, then by path.

    Args:
        findings: any.

    Example:
        >>> notes = [Finding("copies", ("a", "b"), ""), Finding("unreadable", ("c",), "")]
        >>> [finding.kind for finding in in_order(notes)]
        ['unreadable', 'copies']
    """
    rank = {kind: position for position, kind in enumerate(KINDS)}
    return sorted(findings, key=lambda one: (rank[one.kind], -one.score, one.paths))
