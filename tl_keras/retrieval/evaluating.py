"""How well a catalogue's search finds what belongs together: :func:`evaluate_catalogue`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tl_keras.data.examples import Examples
from tl_keras.errors import InputError
from tl_keras.evaluation.contact_choice import ContactRows, contact_rows
from tl_keras.evaluation.ranking_metrics import evaluate_retrieval
from tl_keras.retrieval.catalogue_rows import DIGEST, catalogue_rows, root_of, shown_columns

if TYPE_CHECKING:
    from tl_keras.retrieval.catalogue import Catalogue

_KS = (1, 5, 10)
_DEPTH = 100  # results a query; beyond them nobody looks
_MOST = 2000  # queries: an interval of about a point


class CatalogueFigures(NamedTuple):
    """What a catalogue's search is worth.

    Attributes:
        metrics: Of :func:`~tl_keras.evaluation.evaluate_retrieval`, and ``pictures``, ``by``.
        shown: Queries and hits for a contact sheet.
        files: Of each item that was searched among.
        labels: Theirs, None for none.
        query_files: Of each query.
        query_labels: Theirs.
    """

    metrics: dict[str, Any]
    shown: ContactRows
    files: list[str]
    labels: list[str | None]
    query_files: list[str]
    query_labels: list[str | None]


def evaluate_catalogue(
    catalogue: "Catalogue",
    by: str | None = None,
    queries: Examples | None = None,
    *,
    most: int = _MOST,
    seed: int = 0,
) -> CatalogueFigures:
    """Measures a catalogue's search: found is what has the query's value in one column.

    Vectors are compared exactly, so this judges the model, not an index' shortcuts.  Of files with
    the same bytes one counts.

    Args:
        catalogue: Of :func:`~tl_keras.retrieval.open_catalogue`.
        by: The column; None is ``"label"``.
        queries: Pictures that are not in the catalogue, with the same column; None lets each
            picture of the catalogue search among the others.
        most: Queries to measure; of more, so many are drawn.
        seed: Of the draw.

    Returns:
        Figures, and what to show of them.

    Raises:
        InputError: There is no such column, or nothing to find by it.

    Example:
        >>> shop = open_catalogue("shop-index")  # doctest: +SKIP
        >>> evaluate_catalogue(shop, "articleType").metrics["precision"]["5"]  # doctest: +SKIP
        {'value': 0.71, 'low': 0.69, 'high': 0.73}
    """
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise InputError(f"most: {most!r} is no whole number of queries from 1 on")
    ids = sorted(catalogue.index.ids())
    if len(ids) < 2:
        raise InputError(f"{catalogue.folder} holds {len(ids)} pictures; a search needs more")
    rows = catalogue.index.metadata(ids)
    column = _column(str(catalogue.folder), by, rows)
    notes = []
    # The first of each digest, in the order of ids.
    first: dict[str, int] = {}
    for n, row in enumerate(rows):
        first.setdefault(row.get(DIGEST, ids[n]), n)
    kept = list(first.values())
    if len(kept) < len(ids):
        notes.append(f"{len(ids) - len(kept):,} files with the bytes of others were left out.")
    ids, rows = [ids[n] for n in kept], [rows[n] for n in kept]
    files = [str(catalogue.path_of(one)) for one in ids]
    labels = _labels(rows, column)
    vectors = catalogue.index.vectors(ids)
    asked: dict[str, Any] = {}
    query_files, query_labels = files, labels
    if queries is not None:
        query_files, query_labels, left = _given(queries, column, {row.get(DIGEST) for row in rows})
        if left:
            notes.append(f"{left:,} queries were left out, whose bytes the catalogue has.")
        asked = {"queries": catalogue.embedder.vectors(query_files), "query_labels": query_labels}
    sample = None
    if len(query_files) > most:
        drawn = np.random.default_rng(seed).permutation(len(query_files))[:most]
        sample = np.sort(drawn).tolist()
        notes.append(f"{most:,} of {len(query_files):,} queries were drawn by chance.")
    depth = min(_DEPTH, len(ids) - (queries is None))
    metrics = evaluate_retrieval(
        vectors, labels, **asked, sample=sample, ks=[k for k in _KS if k <= depth], depth=depth
    )
    metrics |= {"pictures": len(ids), "by": column, "notes": [*notes, *metrics["notes"]]}
    shown = contact_rows(vectors, labels, **asked, sample=sample, seed=seed)
    return CatalogueFigures(metrics, shown, files, labels, query_files, query_labels)


def _column(name: str, by: str | None, rows: Sequence[dict[str, Any]]) -> str:
    known = sorted({column for row in rows for column in shown_columns(row)})
    column = by or "label"
    if column not in known:
        offered = f"there are: {', '.join(known)}" if known else "it has none"
        what = f"no column {column!r}" if by else "no column 'label'; name another to go by"
        raise InputError(f"{name} has {what}; {offered}")
    return column


def _labels(rows: Sequence[dict[str, Any]], column: str) -> list[str | None]:
    return [None if row.get(column) is None else str(row[column]) for row in rows]


def _given(
    queries: Examples, column: str, digests: set[Any]
) -> tuple[list[str], list[str | None], int]:
    """Files and labels of queries, and how many the catalogue holds itself."""
    table = catalogue_rows(queries, root_of(queries))
    if column not in table.columns:
        known = ", ".join(name for name in table.columns if name not in ("path", DIGEST))
        raise InputError(
            f"the queries have no column {column!r}, which says what is right; they have "
            f"{known or 'none'}"
        )
    fresh = [n for n, row in enumerate(table.metadata) if row[DIGEST] not in digests]
    if not fresh:
        raise InputError(
            "the catalogue holds every query itself; without queries its own pictures are measured"
        )
    files = [queries.paths[table.positions[n]] for n in fresh]
    labels = _labels([table.metadata[n] for n in fresh], column)
    return files, labels, len(table.metadata) - len(fresh)
