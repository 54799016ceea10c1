"""Pictures unlike all others: far from their nearest neighbours, in pixels and in features."""

import numpy as np

from tl_keras.data.checking.findings import Finding
from tl_keras.data.checking.neighbours import nearest, unit_rows
from tl_keras.data.checking.statistics import FIGURES, robust_z

#: Above this a picture is reported: Iglewicz & Hoaglin's bound of the modified z-score.
BOUND = 3.5

_NEIGHBOURS = 10
_FEWEST = 20  # pictures among which "unusual" means something
_CLIP = 8.0  # one figure alone must not decide


def outlier_scores(figures: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
    """How far each picture is from its neighbours.

    The mean distance to the ten nearest neighbours (Ramaswamy et al., Efficient Algorithms for
    Mining Outliers from Large Data Sets, 2000), its logarithm as a robust z-score; so a set may
    consist of several kinds of pictures.  Once by figures of the pixels, which tell graphics from
    photographs where a network sees none, and once by the angle of features; the two are added
    and brought to the scale of one.

    Args:
        figures: (N, F) of :func:`~tl_keras.data.checking.statistics.pixel_figures`.
        features: (N, D) of a network, or ``None``.

    Returns:
        float (N,); about standard normal for ordinary pictures, larger is farther.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> figures = np.concatenate([rng.normal(size=(50, 9)), np.full((1, 9), 9.0)])
        >>> int(outlier_scores(figures).argmax())
        50
    """
    scores = [_far(np.clip(robust_z(figures), -_CLIP, _CLIP))]
    if features is not None:
        scores.append(_far(unit_rows(features)))
    return np.sum(scores, axis=0) / np.sqrt(len(scores))


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
    unusual = robust_z(figures)
    findings = []
    for row in np.flatnonzero(scores > BOUND):
        column = int(np.abs(unusual[row]).argmax())
        most = f"{'high' if unusual[row, column] > 0 else 'low'} {FIGURES[column]}"
        why = (
            f"farther from the pictures most like it than others are ({scores[row]:.1f} robust "
            f"standard deviations; most unusual: {most.replace('_', ' ')})"
        )
        findings.append(Finding("outlier", (paths[row],), why, float(scores[row])))
    return findings


def _far(values: np.ndarray) -> np.ndarray:
    _, distances = nearest(values, _NEIGHBOURS)
    return robust_z(np.log(distances.mean(axis=1) + 1e-6))
