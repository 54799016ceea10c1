"""Pictures unlike all others: far from their nearest neighbours, in pixels and in features."""

import numpy as np

from tl_keras.data.checking.findings import Finding
from tl_keras.data.checking.neighbours import nearest, unit_rows
from tl_keras.data.checking.statistics import FIGURES, JUST_SEEN, robust_z

#: A score above this is reported: under 0.22 pictures as far would be expected in the set.
BOUND = 1.5

_NEIGHBOURS = 10
_FEWEST = 20  # pictures among which "unusual" means something
_CLIP = 8.0  # one figure alone must not decide
_MIDDLE, _TAIL = 0.5, 0.9  # quantiles that the tail is continued from


def outlier_scores(figures: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
    """How surprising it is to find a picture so far from its neighbours.

    The mean distance to the ten nearest neighbours (Ramaswamy et al., Efficient Algorithms for
    Mining Outliers from Large Data Sets, 2000); so a set may consist of several kinds of pictures.
    Once by figures of the pixels, which tell graphics from photographs where a network sees none,
    and once by the angle of features, each as a robust z-score; the two are added.  Sets differ
    in how far their farthest ordinary pictures are, so the sum is held against an exponential tail
    through the set's own median and 90th percentile (peaks over a threshold, Coles, An Introduction
    to Statistical Modeling of Extreme Values, 2001), which takes the size of the set into account.

    Args:
        figures: (N, F) of :func:`~tl_keras.data.checking.statistics.pixel_figures`.
        features: (N, D) of a network, or ``None``.

    Returns:
        float (N,): minus the natural logarithm of how many pictures as far are to be expected in
        a set of this size and spread.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> figures = np.concatenate([rng.normal(0, 50, size=(50, 9)), np.full((1, 9), 500.0)])
        >>> np.flatnonzero(outlier_scores(figures) > BOUND).tolist()
        [50]
    """
    scores = [_far(np.clip(robust_z(figures, JUST_SEEN), -_CLIP, _CLIP))]
    if features is not None:
        scores.append(_far(unit_rows(features)))
    distances = np.sum(scores, axis=0)
    middle, high = np.quantile(distances, (_MIDDLE, _TAIL))
    scale = max((high - middle) / np.log((1 - _MIDDLE) / (1 - _TAIL)), 1e-6)
    return (distances - middle) / scale - np.log(len(distances) * (1 - _MIDDLE))


def outliers(
    paths: tuple[str, ...], figures: np.ndarray, features: np.ndarray | None = None
) -> list[Finding]:
    """Findings of kind ``outlier``; none among fewer than 20 pictures.

    Args:
        paths: N files, none of them a copy of another.
        figures: as for :func:`outlier_scores`.
        features: as for :func:`outlier_scores`.

    Returns:
        Those whose score is above :data:`BOUND`.
    """
    if len(paths) < _FEWEST:
        return []
    scores = outlier_scores(figures, features)
    unusual = robust_z(figures, JUST_SEEN)
    findings = []
    for row in np.flatnonzero(scores > BOUND):
        column = int(np.abs(unusual[row]).argmax())
        most = f"{'high' if unusual[row, column] > 0 else 'low'} {FIGURES[column]}"
        expected = f"{np.exp(-scores[row]):.2g}"
        why = (
            f"far from even the pictures most like it ({expected} as far are to be expected in "
            f"this set); most unusual in its pixels: {most.replace('_', ' ')}"
        )
        findings.append(Finding("outlier", (paths[row],), why, float(scores[row])))
    return findings


def _far(values: np.ndarray) -> np.ndarray:
    _, distances = nearest(values, _NEIGHBOURS)
    return robust_z(distances.mean(axis=1))
