"""Bring an index up to date with a table of pictures, embedding only what is new."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tl_keras.data.examples import Examples, Skipped
from tl_keras.errors import InputError
from tl_keras.retrieval.catalogue_rows import DIGEST, Rows
from tl_keras.retrieval.vector_index import VectorIndex

if TYPE_CHECKING:
    from tl_keras.retrieval.embedding import Embedder

_AT_ONCE = 2048  # pictures that are lost, at most, where the process is killed
_ROWS_AT_ONCE = 50_000  # of metadata, so that their vectors fit into memory


class Changes(NamedTuple):
    """What was done to an index.

    Attributes:
        added: Pictures that were not there.
        updated: Pictures whose file changed.
        described: Pictures whose columns alone changed.
        deleted: Pictures that are gone.
        unchanged: Pictures that are as they were.
        embedded: Files that the model looked at: copies and moved ones need it once, or not.
        skipped: Files that are not in the index, and why.
    """

    added: int
    updated: int
    described: int
    deleted: int
    unchanged: int
    embedded: int
    skipped: tuple[Skipped, ...]


def bring_up_to_date(
    index: VectorIndex, examples: Examples, rows: Rows, embedder: "Embedder", verbose: bool
) -> Changes:
    """Adds what is new, embeds changed files again, deletes what is gone.

    Every item is as before or as after at any moment; some thousands at a time become visible,
    and stay if the process is killed, so that the next run goes on from there.

    Args:
        index: Of the embedder's vectors.
        examples: The table.
        rows: Of the table.
        embedder: Makes the vectors.
        verbose: Whether a progress bar is shown on standard error.

    Example:
        >>> bring_up_to_date(index, examples, rows, embedder, True).added  # doctest: +SKIP
        1998
    """
    held = index.ids()
    before = dict(zip(held, index.metadata(held), strict=True))
    wanted = dict(zip(rows.ids, rows.metadata, strict=True))
    paths = {one: examples.paths[i] for one, i in zip(rows.ids, rows.positions, strict=True)}
    todo = [one for one in rows.ids if before.get(one, {}).get(DIGEST) != wanted[one][DIGEST]]
    seen = set(todo)
    described = [one for one in rows.ids if one not in seen and before[one] != wanted[one]]
    gone = [one for one in held if one not in wanted]
    known = {values[DIGEST]: one for one, values in before.items()}
    groups: dict[str, list[str]] = {}  # of files with the same bytes
    for one in todo:
        groups.setdefault(wanted[one][DIGEST], []).append(one)
    new = [ids for digest, ids in groups.items() if digest not in known]

    def write(ids: Sequence[str], vectors: np.ndarray | None) -> None:
        for verb, there in ((index.add, False), (index.update, True)):
            chosen = [row for row, one in enumerate(ids) if (one in before) is there]
            some = [ids[row] for row in chosen]
            if some:
                values = [_replacing(before.get(one, {}), wanted[one]) for one in some]
                verb(some, None if vectors is None else vectors[chosen], values)

    # Of moved files and copies first: the items that lend their vectors may be about to go.
    for moved, vectors in _lent(index, groups, known):
        write(moved, vectors)
    failed: dict[str, str] = {}
    for some, vectors in _embedded(new, paths, embedder, failed, verbose):
        write(some, vectors)
    for start in range(0, len(described), _ROWS_AT_ONCE):
        write(described[start : start + _ROWS_AT_ONCE], None)
    gone += [one for one in failed if one in before]
    if gone:
        index.delete(gone)
    done = [one for one in todo if one not in failed]
    lost = [Skipped(paths[one], reason) for one, reason in failed.items()]
    return Changes(
        added=sum(one not in before for one in done),
        updated=sum(one in before for one in done),
        described=len(described),
        deleted=len(gone),
        unchanged=len(rows.ids) - len(todo) - len(described),
        embedded=len(new),
        skipped=(*examples.skipped, *examples.crossing, *rows.skipped, *lost),
    )


def _lent(
    index: VectorIndex, groups: dict[str, list[str]], known: dict[str, str]
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Ids of files whose bytes the index knows under another id, and that one's vectors."""
    pairs = [
        (known[digest], one) for digest, ids in groups.items() if digest in known for one in ids
    ]
    # All at once: what is written changes items that others would still take from.
    vectors = index.vectors(list(dict.fromkeys(lender for lender, _ in pairs)))
    row = {lender: n for n, lender in enumerate(dict.fromkeys(lender for lender, _ in pairs))}
    for start in range(0, len(pairs), _ROWS_AT_ONCE):
        some = pairs[start : start + _ROWS_AT_ONCE]
        yield [one for _, one in some], vectors[[row[lender] for lender, _ in some]]


def _embedded(
    groups: Sequence[Sequence[str]],
    paths: dict[str, str],
    embedder: "Embedder",
    failed: dict[str, str],
    verbose: bool,
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Ids, some thousands at a time, and their vectors, of groups of ids with the same bytes."""
    ids: list[str] = []
    waiting: list[np.ndarray] = []

    def fail(position: int, reason: str) -> None:
        failed.update(dict.fromkeys(groups[position], reason))

    errors: list[tuple[int, InputError]] = []
    files = [paths[group[0]] for group in groups]
    for positions, vectors in embedder.batches(files, verbose, failed=errors) if files else ():
        for position, vector in zip(positions, vectors, strict=True):
            if not np.linalg.norm(vector) > 0:  # nor NaN
                fail(position, "the model sees nothing at all in it")
                continue
            ids += groups[position]
            waiting += [vector] * len(groups[position])
        if len(ids) >= _AT_ONCE:
            yield ids, np.stack(waiting)
            ids, waiting = [], []
    for position, error in errors:
        fail(position, getattr(error, "reason", None) or str(error))
    if ids:
        yield ids, np.stack(waiting)


def _replacing(before: dict, after: dict) -> dict:
    """What to set so that metadata is ``after``: None removes a key."""
    return {**dict.fromkeys(before), **after}
