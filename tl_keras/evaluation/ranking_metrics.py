"""What rankings are worth: recall, precision, hit rate and nDCG at k, mAP, by category."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.intervals import Figure, figure, wilson_interval
from tl_keras.evaluation.neighbours import asked_of, results_of

_PSEUDO = (0.0, 1.0)  # two pseudo-queries, so that a handful of equal values is not certainty


def evaluate_ranking(
    gains: Any,
    ideal: Any,
    *,
    ks: Sequence[int] = (1, 5, 10),
    categories: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Measures rankings, one a query.

    ``precision`` at k is the share of the first k results that are relevant, and ``recall`` the
    share of the relevant items that are among them; ``hit_rate`` is the share of queries with at
    least one; ``ndcg`` weighs gains by ``1 / log2(1 + rank)`` (Järvelin and Kekäläinen 2002,
    https://doi.org/10.1145/582415.582418), relative to the best possible order.
    ``mean_average_precision`` is the mean of the precision at each relevant result, over as many
    as could have been among the results given: that of scikit-learn where the whole catalogue was
    ranked.  Every figure is a mean over queries, with the interval that Wilson's gives for as many
    queries as its spread is worth; queries are taken to be independent.

    Args:
        gains: float (Q, R): of each result, best ranked first; 0 is not relevant, 1 (or more) is,
            NaN where a query has no more results.
        ideal: How many relevant items the catalogue holds for each query, int (Q,), each of gain
            1; or the gains of those items, a sequence of Q sequences.
        ks: Where to measure, each 1..R.
        categories: The name of each query's category.

    Returns:
        A JSON-able dictionary: ``queries`` (those measured), ``depth`` (R); ``precision``,
        ``recall``, ``hit_rate``, ``ndcg``, each a dictionary from "k" to a figure;
        ``mean_average_precision``, a figure; ``by_category``, a list of the same with ``name``;
        ``notes``.

    Raises:
        InputError: Shapes that do not fit, a gain below 0, fewer relevant items than were found,
            or no query with any.

    Example:
        >>> found = evaluate_ranking([[1, 0], [0, 1]], [1, 2], ks=(1, 2))
        >>> found["precision"]["1"]["value"], found["recall"]["2"]["value"]
        (0.5, 0.75)
    """
    gains = np.asarray(gains, np.float64)
    if gains.ndim != 2 or not gains.size:
        raise InputError(f"gains of shape {gains.shape}; expected (queries, results), not empty")
    best = _ideal(ideal, len(gains))
    ks = [_depth(k, gains.shape[1]) for k in ks]
    names = None if categories is None else [str(name) for name in categories]
    if names is not None and len(names) != len(gains):
        raise InputError(f"{len(names)} categories for {len(gains)} queries; give one for each")
    gains = np.nan_to_num(gains, nan=0.0)
    if (gains < 0).any():
        raise InputError("a gain is below 0; 0 is not relevant, 1 (or more) is")
    total = np.array([np.count_nonzero(one) for one in best])
    found = (gains > 0).sum(axis=1)
    if (found > total).any():
        row = int(np.argmax(found > total))
        raise InputError(
            f"query {row} (from 0): {found[row]} relevant results, but ideal knows {total[row]} "
            "relevant items; count all that the catalogue holds, without the query itself"
        )
    kept = np.flatnonzero(total > 0)
    if not len(kept):
        raise InputError("no query has a relevant item in the catalogue; nothing can be measured")
    values = _values(gains[kept], [best[row] for row in kept], total[kept], ks)
    result = {"queries": len(kept), "depth": gains.shape[1], **_figures(values, ks)}
    result["by_category"] = []
    if names is not None:
        of = np.array([names[row] for row in kept])
        for name in sorted(set(names)):
            chosen = of == name
            if chosen.any():
                some = {key: value[chosen] for key, value in values.items()}
                part = {"name": name, "queries": int(chosen.sum()), **_figures(some, ks)}
                result["by_category"].append(part)
    left = len(gains) - len(kept)
    result["notes"] = (
        [f"{left} of {len(gains)} queries have no relevant item in the catalogue: left out."]
        if left
        else []
    )
    return result


def evaluate_retrieval(
    vectors: np.ndarray,
    labels: Sequence[Any],
    *,
    queries: np.ndarray | None = None,
    query_labels: Sequence[Any] | None = None,
    sample: Sequence[int] | None = None,
    ks: Sequence[int] = (1, 5, 10),
    depth: int | None = None,
) -> dict[str, Any]:
    """Measures how well vectors find items of the same label, by exact search.

    Items that are the same picture count as found: leave duplicates out beforehand.

    Args:
        vectors: float32 unit vectors of the catalogue, (N, D).
        labels: The label of each; one without (None or -1) is not measured, but can be found.
        queries: Unit vectors of queries that are not in the catalogue, (Q, D); without them, every
            item of the catalogue is a query and left out of its own results.
        query_labels: Their labels.
        sample: Positions of the queries to measure, of a large catalogue; None measures all.
        ks: As in :func:`evaluate_ranking`.
        depth: Results a query; the whole catalogue if None.

    Returns:
        What :func:`evaluate_ranking` returns, by category of the query's label.

    Raises:
        InputError: As there, or vectors and labels that do not fit.

    Example:
        >>> found = evaluate_retrieval(np.eye(2)[[0, 0, 1, 1]], ["a", "a", "b", "b"], ks=[1])
        >>> found["precision"]["1"]["value"]
        1.0
    """
    own = queries is None
    vectors, asked, asked_labels = asked_of(vectors, labels, queries, query_labels)
    names = {label: number for number, label in enumerate(dict.fromkeys([*labels, *asked_labels]))}
    numbers = np.array([names[label] for label in labels])
    counts = np.bincount(numbers, minlength=len(names))
    chosen = range(len(asked)) if sample is None else sample
    measured = [n for n in chosen if asked_labels[n] is not None and asked_labels[n] != -1]
    deep = len(vectors) - own if depth is None else min(depth, len(vectors) - own)
    if deep < 1 or not measured:
        raise InputError("nothing to search in, or no query with a label; give more items")
    gains = np.zeros((len(measured), deep), np.float32)
    ideal = np.zeros(len(measured), np.int64)
    sought = np.array([names[asked_labels[n]] for n in measured])
    itself = np.array(measured) if own else None
    for some, rows, _ in results_of(vectors, asked[measured], deep, itself):
        gains[some] = numbers[rows] == sought[some, None]
        ideal[some] = counts[sought[some]] - own
    categories = [str(asked_labels[n]) for n in measured]
    return evaluate_ranking(gains, ideal, ks=ks, categories=categories)


def _ideal(ideal: Any, count: int) -> list[np.ndarray]:
    """The gains of all relevant items of each query, the highest first."""
    if len(ideal) != count:
        raise InputError(f"ideal for {len(ideal)} queries, rankings of {count}; give one for each")
    lists = [
        np.ones(int(one)) if np.ndim(one) == 0 else -np.sort(-np.asarray(one, np.float64))
        for one in ideal
    ]
    if any((one < 0).any() for one in lists):
        raise InputError("ideal: a gain is below 0; 0 is not relevant, 1 (or more) is")
    return lists


def _depth(k: int, depth: int) -> int:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= depth:
        raise InputError(f"ks: {k!r} is no whole number from 1 to {depth}, the results a query")
    return int(k)


def _values(
    gains: np.ndarray, best: list[np.ndarray], total: np.ndarray, ks: list[int]
) -> dict[tuple[str, int], np.ndarray]:
    """Every measure of every query, (Q,), by its name and k (0 where it has none)."""
    depth = gains.shape[1]
    relevant = gains > 0
    hits = np.cumsum(relevant, axis=1)
    ranks = np.arange(1, depth + 1)
    precise = (relevant * hits / ranks).sum(axis=1) / np.minimum(total, depth)
    discount = 1 / np.log2(1 + ranks)
    values = {("mean_average_precision", 0): precise}
    for k in ks:
        reached = hits[:, k - 1]
        ideal = np.array([one[:k] @ discount[: len(one[:k])] for one in best])
        values["precision", k] = reached / k
        values["recall", k] = reached / total
        values["hit_rate", k] = (reached > 0).astype(np.float64)
        values["ndcg", k] = np.minimum(gains[:, :k] @ discount[:k] / ideal, 1.0)
    return values


def _figures(values: dict[tuple[str, int], np.ndarray], ks: list[int]) -> dict[str, Any]:
    measures: dict[str, Any] = {
        name: {str(k): _mean(values[name, k]) for k in ks}
        for name in ("precision", "recall", "hit_rate", "ndcg")
    }
    measures["mean_average_precision"] = _mean(values["mean_average_precision", 0])
    return measures


def _mean(values: np.ndarray) -> Figure:
    """The mean of numbers in 0..1, with Wilson's interval at the size their spread is worth.

    A proportion of n trials has a variance of ``p (1 - p) / n``: the n at which it is that of this
    mean (as for averages over classes, :func:`tl_keras.evaluation.intervals.macro_figures`).
    Unlike a normal interval it stays within 0..1, and unlike a bootstrap's it does not collapse
    where all queries fare alike.
    """
    mean = float(values.mean())
    smoothed = np.concatenate([values, _PSEUDO])
    centre = smoothed.mean()
    size = len(values) * centre * (1 - centre) / smoothed.var()
    return figure(mean, *wilson_interval(mean * size, size))
