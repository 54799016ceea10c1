"""Which queries to show with what they found: some drawn by chance, and the worst misses."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.neighbours import asked_of, results_of


class SheetHit(NamedTuple):
    """One result of a query.

    Attributes:
        item: Its position in the catalogue.
        rank: From 1 on.
        score: Cosine with the query, -1..1.
        right: Whether it has the query's label.
    """

    item: int
    rank: int
    score: float
    right: bool


class SheetRow(NamedTuple):
    """A query and what it found.

    Attributes:
        query: Its position among the queries.
        hits: Its first results, best first.
        relevant: How many items have its label, the query itself left out.
        missed: Where a hit is wrong, the item of its label that comes next, if there is one.
    """

    query: int
    hits: tuple[SheetHit, ...]
    relevant: int
    missed: SheetHit | None


class ContactRows(NamedTuple):
    """What a contact sheet shows.

    Attributes:
        drawn: Queries drawn by chance, as evenly from the classes as their number allows.
        worst: Those with the fewest right results for what there was to find, and of these the
            ones that were surest of a wrong one; as few of a class as their number allows.
    """

    drawn: tuple[SheetRow, ...]
    worst: tuple[SheetRow, ...]


def contact_rows(
    vectors: np.ndarray,
    labels: Sequence[Any],
    *,
    queries: np.ndarray | None = None,
    query_labels: Sequence[Any] | None = None,
    sample: Sequence[int] | None = None,
    hits: int = 6,
    rows: int = 6,
    seed: int = 0,
) -> ContactRows:
    """Chooses what a contact sheet shows of a search, which is exact.

    Args:
        vectors: float32 unit vectors of the catalogue, (N, D).
        labels: The label of each, None or -1 for none.
        queries: Unit vectors of queries that are not in the catalogue, (Q, D); without them, the
            items themselves, each left out of its own results.
        query_labels: Their labels.
        sample: Positions of the queries to choose from; None is all.
        hits: Results to show of each.
        rows: Queries to show of either kind.
        seed: Of the draw.

    Returns:
        Queries that have anything to find; fewer than ``rows`` where there are no more, or (of the
        worst) where the others found all that they could.

    Raises:
        InputError: Vectors and labels that do not fit, or no query that could find anything.

    Example:
        >>> some = contact_rows(np.eye(2)[[0, 0, 1, 1]], ["a", "a", "b", "b"], hits=1)
        >>> [row.hits[0].right for row in some.drawn], some.worst
        ([True, True, True, True], ())
    """
    own = queries is None
    vectors, asked, asked_labels = asked_of(vectors, labels, queries, query_labels)
    known = dict.fromkeys(one for one in (*labels, *asked_labels) if one is not None and one != -1)
    numbers = {label: number for number, label in enumerate(known)}
    of_items = np.array([numbers.get(label, -1) for label in labels], np.int64)
    of_queries = np.array([numbers.get(label, -1) for label in asked_labels], np.int64)
    counts = np.bincount(of_items[of_items >= 0], minlength=len(numbers) + 1)
    relevant = np.where(of_queries >= 0, counts[of_queries] - own, 0)
    chosen = np.arange(len(asked)) if sample is None else np.asarray(sample, np.int64)
    chosen = chosen[relevant[chosen] > 0]
    if not len(chosen):
        raise InputError("no query has an item of its label to find; nothing can be shown")
    width = min(hits, len(vectors) - own)
    found = np.zeros((len(chosen), width), np.int64)
    scores = np.zeros((len(chosen), width), np.float32)
    for some, items, cosines in results_of(vectors, asked[chosen], width, chosen if own else None):
        found[some], scores[some] = items, cosines
    right = of_items[found] == of_queries[chosen, None]
    reached = right.sum(axis=1) / np.minimum(relevant[chosen], width)
    surest = np.where(right, -np.inf, scores).max(axis=1)
    missing = np.flatnonzero(reached < 1)
    by_badness = missing[np.lexsort((-surest[missing], reached[missing]))]
    shuffled = np.random.default_rng(seed).permutation(len(chosen))

    def row(at: int) -> SheetRow:
        query = int(chosen[at])
        shown = zip(found[at].tolist(), scores[at].tolist(), right[at].tolist(), strict=True)
        seen = tuple(SheetHit(one, n, score, ok) for n, (one, score, ok) in enumerate(shown, 1))
        others = of_items == of_queries[query]
        others[found[at]] = False
        if own:
            others[query] = False
        missed = None
        if not right[at].all():
            missed = _next(vectors @ asked[query], others, query if own else None, width)
        return SheetRow(query, seen, int(relevant[query]), missed)

    kinds = of_queries[chosen]
    return ContactRows(
        *(tuple(map(row, _evenly(order, kinds, rows))) for order in (shuffled, by_badness))
    )


def _next(
    scores: np.ndarray, others: np.ndarray, itself: int | None, shown: int
) -> SheetHit | None:
    """The best of the others, and its rank among all but the query itself."""
    if not others.any():
        return None
    best = int(np.where(others, scores, -np.inf).argmax())
    above = int((scores > scores[best]).sum())
    if itself is not None and scores[itself] > scores[best]:
        above -= 1
    return SheetHit(best, max(above, shown) + 1, float(scores[best]), True)


def _evenly(order: Iterable[int], kinds: np.ndarray, count: int) -> list[int]:
    """The first ``count`` in that order, no more of a kind than it takes to reach them."""
    ordered = list(map(int, order))
    times: dict[int, int] = {}
    turns = []
    for at in ordered:
        kind = int(kinds[at])
        turns.append(times.setdefault(kind, 0))
        times[kind] += 1
    places = sorted(sorted(range(len(ordered)), key=turns.__getitem__)[:count])
    return [ordered[place] for place in places]
