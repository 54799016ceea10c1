"""What suggestions are worth: hit rate, nDCG, and how much of the catalogue is shown."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.ranking_metrics import evaluate_ranking


def evaluate_suggestions(
    suggested: Sequence[Sequence[str]],
    wanted: Sequence[Collection[str]],
    catalogue: int,
    *,
    ks: Sequence[int] = (10,),
    categories: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Measures what was suggested to each customer against what each went for afterwards.

    Args:
        suggested: Ids for each customer, best first; a customer may have fewer than others.
        wanted: The ids that each went for, without what could not be suggested.
        catalogue: How many items could have been suggested.
        ks: How many suggestions to look at, as in
            :func:`tl_keras.evaluation.ranking_metrics.evaluate_ranking`.
        categories: A name for each customer, to measure groups apart.

    Returns:
        What ``evaluate_ranking`` returns: ``hit_rate`` is the share of customers that were shown at
        least one thing they went for.  Besides ``coverage``, from "k" to the share of the
        catalogue that at least one customer was shown.

    Raises:
        InputError: Lists that do not fit, an item suggested twice to a customer, nobody who wanted
            anything.

    Example:
        >>> found = evaluate_suggestions([["a", "b"], ["a"]], [{"b"}, {"c"}], 4, ks=[2])
        >>> found["hit_rate"]["2"]["value"], found["coverage"]["2"]
        (0.5, 0.5)
    """
    if len(suggested) != len(wanted) or not len(suggested):
        raise InputError(
            f"suggestions for {len(suggested)} customers, {len(wanted)} that wanted something; "
            "give both for each of at least one"
        )
    gains = np.full((len(suggested), max(ks)), np.nan)
    for row, (shown, sought) in enumerate(zip(suggested, wanted, strict=True)):
        if len(set(shown)) < len(shown):
            raise InputError(f"customer {row} (from 0): an item is suggested twice")
        gains[row, : len(shown)] = [item in sought for item in shown[: max(ks)]]
    ideal = [len(set(sought)) for sought in wanted]
    found = evaluate_ranking(gains, ideal, ks=ks, categories=categories)
    found["coverage"] = {
        str(k): len({item for shown in suggested for item in shown[:k]}) / catalogue for k in ks
    }
    return found
