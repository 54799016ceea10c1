"""Two samples of images compared in every way that there is, and what that says in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.drift.feature_distance import feature_distance
from tl_keras.evaluation.drift.neighbour_distance import neighbour_distances
from tl_keras.evaluation.drift.prediction_drift import prediction_drift
from tl_keras.evaluation.drift.told_apart import told_apart
from tl_keras.evaluation.holm import holm
from tl_keras.evaluation.intervals import proportion

LEAST = 10  # images of either sample
MOST = 1000  # that are tested: time and memory grow with their square
LEVEL = 0.05
_FAR = 0.95  # quantile of the reference's own distances


def compare(
    old: np.ndarray, new: np.ndarray, old_said: np.ndarray | None = None,
    new_said: np.ndarray | None = None, names: Sequence[str] = (), seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Test whether new images come from where the reference does.

    Four tests, or two where there are no predictions: whether a classifier tells features apart,
    the distance of the features, the shares of the predicted classes, and how sure the model is.
    Their p values are adjusted (Holm 1979), so that images of one source are called different in at
    most one of twenty comparisons.

    Args:
        old: Features of the reference (N, D).
        new: Features of the new images (M, D).
        old_said: Probabilities of the reference (N, C), or None.
        new_said: Of the new images (M, C), or None.
        names: Of the classes.
        seed: Of all that is drawn.

    Returns:
        JSON values: ``drift`` (whether any adjusted p value is below 0.05), ``images``,
        ``told_apart``, ``distance``, ``predictions`` (or None), ``adjusted`` p values by name,
        ``far`` (the share of new images that lie farther from the reference than 95 % of its own).
        And two arrays (M,): ``distances`` to the reference, and ``scores``, NaN where not tested.

    Raises:
        InputError: Either sample has fewer than ten images.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = compare(rng.normal(5, 1, (50, 8)), rng.normal(range(8), 1, (40, 8)))
        >>> found["drift"], found["far"]["value"]
        (True, 1.0)
    """
    for what, rows in (("reference", old), ("new", new)):
        if len(rows) < LEAST:
            raise InputError(
                f"{len(rows)} {what} images say nothing of a shift; give {LEAST} or more, better "
                "100"
            )
    rng = np.random.default_rng(seed)
    some_old, some_new = (_some(len(rows), rng) for rows in (old, new))
    apart = told_apart(old[some_old], new[some_new], seed)
    scores = np.full(len(new), np.nan)
    scores[some_new] = apart.pop("scores")
    distance = feature_distance(old[some_old], new[some_new], seed)
    p = {"told apart": apart["p"], "feature distance": distance["p"]}
    predictions = None
    if old_said is not None:
        predictions = prediction_drift(old_said[some_old], new_said[some_new], names, seed)
        p |= {"class shares": predictions["shares"]["p"],
              "confidence": predictions["confidence"]["p"]}  # fmt: skip
    adjusted = dict(zip(p, holm(list(p.values())), strict=True))
    own, distances = neighbour_distances(old, new)
    far = int((distances > np.quantile(own, _FAR)).sum())
    return {
        "drift": min(adjusted.values()) < LEVEL,
        "images": {"reference": len(old), "new": len(new),
                   "tested": [len(some_old), len(some_new)]},
        "told_apart": apart,
        "distance": distance,
        "predictions": predictions,
        "adjusted": adjusted,
        "far": proportion(far, len(new)),
        "distances": distances,
        "scores": scores,
    }  # fmt: skip


def _some(count: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(count)[:MOST])
