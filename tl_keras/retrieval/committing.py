"""One change of an index: which segments are struck, joined and written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tl_keras.retrieval.cells import Cells
from tl_keras.retrieval.index_folder import Part, Version, remove_leftovers, write_version
from tl_keras.retrieval.segment import Rows, Segment, write_deleted, write_segment

_GROWTH = 3
"""A segment joins what is written once that is a third of its size, so there are few segments and
a row is copied about log(N) times in all (O'Neil and others 1996, "The log-structured merge-tree",
https://doi.org/10.1007/s002360050048)."""
_DEAD = 1 / 3  # share of deleted rows from which a segment is written anew
_RETRAINED = 4  # growth from which cells get centres of their own


def commit(
    folder: Path,
    before: Version,
    segments: Sequence[Segment],
    struck: Mapping[str, np.ndarray],
    new: Rows | None,
) -> None:
    """Writes a version without the rows struck out and with the new ones; all of it or nothing.

    Args:
        folder: Of the index; the caller holds its lock.
        before: The version that counts.
        segments: Its segments.
        struck: From names of segments to the rows that go.
        new: What comes, or None.

    Example:
        >>> commit(folder, version, segments, {"segment-1": np.array([4])}, None)  # doctest: +SKIP
    """
    remove_leftovers(folder, before)  # of a writer that was killed: they may have our names
    number = before.version + 1
    deleted = {segment.name: _deleted(segment, struck) for segment in segments}
    live = {
        segment.name: len(segment) - int(np.count_nonzero(deleted[segment.name]))
        for segment in segments
    }
    count = 0 if new is None else len(new.ids)
    parts: list[Part] = []
    joined: list[Segment] = []
    for segment in sorted(segments, key=lambda one: live[one.name]):
        size = live[segment.name]
        if size <= _GROWTH * count or size <= (1 - _DEAD) * len(segment):
            joined.append(segment)
            count += size
            continue
        file = segment.deleted_file
        if segment.name in struck:
            file = write_deleted(folder, segment.name, number, deleted[segment.name])
        parts.append(Part(segment.name, file))
    if count:
        rows = [segment.rows(deleted[segment.name]) for segment in joined if live[segment.name]]
        name = f"segment-{number}"
        write_segment(folder / name, rows if new is None else [*rows, new], _trained(joined, count))
        parts.append(Part(name, None))
    after = Version(before.dimension, before.fingerprint, number, tuple(parts))
    write_version(folder, after)
    remove_leftovers(folder, after)


def _deleted(segment: Segment, struck: Mapping[str, np.ndarray]) -> np.ndarray:
    mask = np.zeros(len(segment), bool)
    if segment.deleted is not None:
        mask |= segment.deleted
    mask[struck.get(segment.name, [])] = True
    return mask


def _trained(joined: Sequence[Segment], count: int) -> Cells | None:
    """Cells whose centres still suit so many vectors."""
    with_cells = [segment for segment in joined if segment.cells is not None]
    largest = max(with_cells, key=len, default=None)
    return largest.cells if largest and len(largest) * _RETRAINED >= count else None
