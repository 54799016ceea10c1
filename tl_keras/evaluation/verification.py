"""Are two pictures of the same person: error rates and a threshold, each with its interval.

"People" may be products or anything else that has pictures of its own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.evaluation.accept_rates import (
    equal_error_rate,
    place_at,
    ranking,
    rates,
    resolved,
    threshold_at,
)
from tl_keras.evaluation.intervals import Figure, figure
from tl_keras.evaluation.people_intervals import RESAMPLES, people_figure
from tl_keras.evaluation.verification_pairs import pair_scores, unit_rows, verification_pairs

#: Rates asked for where nobody says.
FALSE_ACCEPT_RATES = (0.1, 0.01, 0.001)

_POINTS = 101


def evaluate_verification(
    vectors: Any,
    labels: Any,
    *,
    false_accept_rates: Sequence[float] = FALSE_ACCEPT_RATES,
    threshold: float | None = None,
    limit: int = 200_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures how well vectors tell whether two pictures show the same person.

    The score of a pair is the cosine of its vectors.  Pairs that share a person are not
    independent, so intervals come from resampling people, not pairs (the subsets bootstrap of
    Bolle, Ratha and Pankanti 2004, https://doi.org/10.1016/j.cviu.2003.08.002): a person drawn n
    times brings their own pairs n times, and a pair of two people comes as often as the product of
    both.  In a simulation of 20 people the 95 % intervals held the truth in 97 % (equal error
    rate), 96 % (true-accept rate) and all of 149 trials (false-accept rate: too wide rather than
    too narrow); those that take pairs for independent held the true-accept rate in half of them.

    Args:
        vectors: float (N, D), each of length 1; of people the embedder was not trained on.
        labels: (N,) integers: who is in each picture.
        false_accept_rates: For each the threshold on these very pairs and the true-accept rate;
            None where there are too few pairs to show it.
        threshold: One that was set on other people; its rates here are what to expect of it.
        limit: Of pairs of each kind, see :func:`verification_pairs`.
        seed: Of the choice of pairs and of the intervals.

    Returns:
        A JSON-able dictionary: ``images``, ``people``, ``genuine_pairs``, ``impostor_pairs``; the
        figures ``equal_error_rate`` and ``area_under_roc``; ``at_rates``, a list of
        ``{"false_accept_rate", "threshold", "true_accept_rate"}``, the last two figures;
        ``at_threshold``, ``{"threshold", "false_accept_rate", "true_accept_rate"}`` with figures,
        or None; ``roc``, both rates along the curve, at most 101 points, for a plot.

    Raises:
        InputError: The shapes do not fit, a vector is not of length 1, or there are no pairs.

    Example:
        >>> rows = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]]
        >>> found = evaluate_verification(rows, [0, 0, 1, 1], threshold=0.7)
        >>> found["equal_error_rate"]["value"], found["at_threshold"]["true_accept_rate"]["value"]
        (0.0, 1.0)
    """
    vectors = unit_rows(vectors, labels)
    first, second, same = verification_pairs(labels, limit=limit, seed=seed)
    scores = pair_scores(vectors, first, second)
    who = np.unique(np.asarray(labels), return_inverse=True)[1]
    people = int(who.max()) + 1
    order, last = ranking(scores)
    ranked, alike = scores[order].astype("float64"), same[order]
    thresholds = np.append(np.inf, ranked[last])
    one, other = who[first[order]], who[second[order]]
    drawn = np.random.default_rng(seed).multinomial(
        people, np.full(people, 1 / people), size=RESAMPLES
    )
    rows = []
    for counts in (np.ones(people, int), *drawn):
        weights = np.where(alike, counts[one], counts[one] * counts[other]).astype("float64")
        far, tar = rates(alike, weights, last)
        # No pair of one kind was drawn: nothing to measure.
        if not (np.isfinite(far[-1]) and np.isfinite(tar[-1])):
            continue
        row = [equal_error_rate(far, tar), float(np.trapezoid(tar, far))]
        for rate in false_accept_rates:
            place = place_at(far, rate)
            row += [threshold_at(thresholds, place), tar[place]]
        if threshold is not None:
            place = int((thresholds >= threshold).sum()) - 1
            row += [far[place], tar[place]]
        rows.append(row)
    far, tar = rates(alike, np.ones(len(ranked)), last)
    seen = np.geomspace(1 / (~same).sum(), 1, _POINTS)
    places = [place_at(far, rate) for rate in seen]
    value, spread = np.array(rows[0]), np.array(rows[1:]).reshape(-1, len(rows[0]))

    def rated(column: int) -> Figure:
        return people_figure(value[column], spread[:, column], people)

    at_rates = []
    for number, rate in enumerate(false_accept_rates):
        column, shown = 2 + 2 * number, resolved(rate, (~same).sum())
        low, high = np.percentile(spread[:, column], (2.5, 97.5))
        nothing = figure(np.nan, np.nan, np.nan)
        at_rates.append(
            {
                "false_accept_rate": float(rate),
                "threshold": figure(value[column], low, high) if shown else nothing,
                "true_accept_rate": rated(column + 1) if shown else nothing,
            }
        )
    return {
        "images": len(who),
        "people": people,
        "genuine_pairs": int(same.sum()),
        "impostor_pairs": int((~same).sum()),
        "equal_error_rate": rated(0),
        "area_under_roc": rated(1),
        "at_rates": at_rates,
        "roc": {
            "false_accept_rate": [round(float(rate), 9) for rate in seen],
            "true_accept_rate": [round(float(tar[place]), 6) for place in places],
        },
        "at_threshold": None
        if threshold is None
        else {
            "threshold": float(threshold),
            "false_accept_rate": rated(-2),
            "true_accept_rate": rated(-1),
        },
    }
