"""Who is in a picture, or nobody known: open-set identification against a gallery.

Phillips, Grother and Micheals 2011, "Evaluation Methods in Face Recognition",
https://doi.org/10.1007/978-0-85729-932-1_21.  "People" may be products or anything else.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.accept_rates import place_at, resolved, roc_points, threshold_at
from tl_keras.evaluation.intervals import Figure, figure
from tl_keras.evaluation.people_intervals import RESAMPLES, people_figure
from tl_keras.evaluation.verification_pairs import unit_rows

#: Rates asked for where nobody says.
FALSE_ALARM_RATES = (0.1, 0.01)

_ROWS = 1024


def identify(
    gallery: Any, labels: Any, probes: Any, threshold: float = -np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Names the person of the most alike picture of a gallery, or none.

    Nothing is trained: a person is enrolled by adding pictures to the gallery.

    Args:
        gallery: float (N, D), each of length 1.
        labels: (N,) integers, 0 or more: who is in each.
        probes: float (M, D), each of length 1.
        threshold: The lowest cosine at which a person is named.

    Returns:
        Who is in each probe, int64 (M,), -1 for nobody known; and the highest cosine, float32 (M,).

    Raises:
        InputError: The shapes do not fit, the gallery is empty or has a label below 0.

    Example:
        >>> who, scores = identify([[1.0, 0.0]], [7], [[0.6, 0.8], [1.0, 0.0]], 0.9)
        >>> who.tolist()
        [-1, 7]
    """
    gallery, labels = unit_rows(gallery, labels), np.asarray(labels)
    probes = unit_rows(probes, np.zeros(len(probes), int))
    if not len(gallery) or labels.min() < 0 or gallery.shape[1:] != probes.shape[1:]:
        raise InputError(
            f"a gallery of shape {gallery.shape} for probes of shape {probes.shape}; give one "
            "picture or more, vectors of the same embedder, and labels of 0 or more"
        )
    nearest, scores = np.zeros(len(probes), "int64"), np.zeros(len(probes), "float32")
    for start in range(0, len(probes), _ROWS):
        cosines = probes[start : start + _ROWS] @ gallery.T
        nearest[start : start + _ROWS] = cosines.argmax(1)
        scores[start : start + _ROWS] = cosines.max(1)
    return np.where(scores >= threshold, labels[nearest], -1), scores


def evaluate_identification(
    gallery: Any,
    gallery_labels: Any,
    probes: Any,
    probe_labels: Any,
    *,
    false_alarm_rates: Sequence[float] = FALSE_ALARM_RATES,
    threshold: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures naming people, some of whom are in no gallery.

    The detection and identification rate is the share of probes of people in the gallery that are
    named, and rightly; the false-alarm rate that of probes of others that are named at all.
    Intervals come from resampling people, those in the gallery and the others apart.

    Args:
        gallery: float (N, D), each of length 1.
        gallery_labels: (N,) integers, 0 or more.
        probes: float (M, D), other pictures.
        probe_labels: (M,) integers; those not in the gallery are the unknown people.
        false_alarm_rates: For each the threshold on these very probes and the rate there; None
            where there are too few unknown ones to show it.
        threshold: One that was set on other people; its rates here are what to expect of it.
        seed: Of the intervals.

    Returns:
        A JSON-able dictionary: ``gallery_images``, ``gallery_people``, ``known_probes``,
        ``unknown_probes``; ``rank_1``, the figure of known probes whose most alike picture shows
        the right person, whatever the score; ``at_rates``, a list of ``{"false_alarm_rate",
        "threshold", "detection_and_identification_rate"}``, the last a figure; ``at_threshold``,
        ``{"threshold", "false_alarm_rate", "detection_and_identification_rate",
        "misidentification_rate"}`` with figures, the last of known probes named wrongly, or None.

    Raises:
        InputError: The shapes do not fit, or no probe is of a person in the gallery.

    Example:
        >>> eye = np.eye(3)
        >>> found = evaluate_identification(eye[:2], [0, 1], eye, [0, 1, 5], threshold=0.5)
        >>> found["rank_1"]["value"], found["at_threshold"]["false_alarm_rate"]["value"]
        (1.0, 0.0)
    """
    named, scores = identify(gallery, gallery_labels, probes)
    gallery_labels, probe_labels = np.asarray(gallery_labels), np.asarray(probe_labels)
    unit_rows(probes, probe_labels)
    known = np.isin(probe_labels, gallery_labels)
    if not known.any():
        raise InputError("no probe shows a person of the gallery; give some that do")
    right, rng = known & (named == probe_labels), np.random.default_rng(seed)

    def rate(hits: np.ndarray, among: np.ndarray) -> Figure:
        return _rate(hits[among], probe_labels[among], rng)

    at_rates = []
    for asked in false_alarm_rates:
        found = {"threshold": None, "detection_and_identification_rate": _rate([], [], rng)}
        if resolved(asked, int((~known).sum())):
            thresholds, far, _ = roc_points(scores, known)
            cut = threshold_at(thresholds, place_at(far, asked))
            found = {
                "threshold": cut,
                "detection_and_identification_rate": rate(right & (scores >= cut), known),
            }
        at_rates.append({"false_alarm_rate": float(asked), **found})
    at_threshold = None
    if threshold is not None:
        accepted = scores >= threshold
        at_threshold = {
            "threshold": float(threshold),
            "false_alarm_rate": rate(accepted, ~known),
            "detection_and_identification_rate": rate(right & accepted, known),
            "misidentification_rate": rate(~right & accepted, known),
        }
    return {
        "gallery_images": len(gallery_labels),
        "gallery_people": len(np.unique(gallery_labels)),
        "known_probes": int(known.sum()),
        "unknown_probes": int((~known).sum()),
        "rank_1": rate(right, known),
        "at_rates": at_rates,
        "at_threshold": at_threshold,
    }


def _rate(hits: Any, who: Any, rng: np.random.Generator) -> Figure:
    """The share of hits, its interval by resampling people."""
    if not len(hits):
        return figure(np.nan, np.nan, np.nan)
    _, person, counts = np.unique(who, return_inverse=True, return_counts=True)
    own = np.bincount(person, weights=hits, minlength=len(counts))
    drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=RESAMPLES)
    return people_figure(float(np.mean(hits)), (drawn @ own) / (drawn @ counts), len(counts))
