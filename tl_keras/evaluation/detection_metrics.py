"""What a detector is worth: COCO's average precision with intervals, curves, a threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.detection_errors import detection_errors
from tl_keras.evaluation.detection_matching import (
    Matches,
    interpolated_precision,
    match_detections,
)
from tl_keras.evaluation.intervals import Figure, figure, proportion

_RESAMPLES = 200  # each ranks every class at ten thresholds anew
_AT_75 = 5


def evaluate_detection(
    targets: Any,
    detections: Any,
    class_names: Sequence[str],
    *,
    score_threshold: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures a detector as COCO does (https://cocodataset.org/#detection-eval).

    Args:
        targets: (N, M, 6): ``x1, y1, x2, y2`` in px, class, flag: 1 counts, 0 padding, -1 ignored
            (neither a miss nor a false alarm).
        detections: (N, K, 6): ``x1, y1, x2, y2`` in the same px, class, score; score 0: none.
            As ``detection_model`` returns them; give all down to a low score, a curve needs them.
        class_names: The C names.
        score_threshold: From which score on a detection is an answer; by default the one at which
            F1 is highest on these very data.
        seed: Of the bootstrap over images that the intervals come from.

    Returns:
        A JSON-able dictionary: ``examples`` (N), ``boxes``, ``class_names``; the figures ``ap``
        (mean over IoU 0.5 to 0.95), ``ap50``, ``ap75``, means over the classes that have boxes;
        ``score_threshold``, and at it and IoU 0.5 the figures ``precision`` and ``recall`` of all
        classes together, and ``errors`` (see ``detection_errors``); ``per_class``, a list of
        ``{"name", "boxes", "ap", "ap50", "ap75", "precision", "recall", "curve"}`` with the
        precision at IoU 0.5 at recall 0, 0.01, ... 1 (None without boxes); ``notes``.

    Raises:
        InputError: The shapes do not fit, a class does not exist, a value is no number, no box is
            true, or ``pycocotools`` is not installed.

    Example:
        >>> true = [[[0, 0, 4, 4, 0, 1]]]
        >>> found = evaluate_detection(true, [[[0, 0, 4, 3, 0, 0.9]]], ["cell"])
        >>> round(found["ap"]["value"], 3), round(found["ap50"]["value"], 3)
        (0.6, 1.0)
    """
    targets, detections = _checked(targets, detections, len(class_names))
    matches = match_detections(targets, detections, len(class_names))
    has = [k for k, match in enumerate(matches) if match.positives.any()]
    images = len(targets)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(images, np.full(images, 1 / images), size=_RESAMPLES).astype("float64")
    weights = np.concatenate([np.ones((1, images)), drawn])
    spread = np.stack([_precisions(match, weights) for match in matches])  # (C, T, 1 + R)
    if score_threshold is None:
        score_threshold = best_threshold(matches)
    answers = [_at(match, score_threshold) for match in matches]
    total = np.sum(answers, axis=0)
    notes = [
        f"No image has a box of {class_names[k]}: left out of the means."
        for k in range(len(class_names))
        if k not in has
    ]
    ignored = int((targets[..., 5] < 0).sum())
    if ignored:
        notes.append(f"{ignored} boxes are marked to be ignored: neither misses nor false alarms.")
    return {
        "examples": images,
        "boxes": int(total[2]),
        "class_names": [str(name) for name in class_names],
        **_figures(spread[has]),
        "score_threshold": float(score_threshold),
        "precision": proportion(total[0], total[1]),
        "recall": proportion(total[0], total[2]),
        "errors": detection_errors(targets, detections, class_names, score_threshold),
        "per_class": [
            {
                "name": str(name),
                "boxes": int(answers[k][2]),
                **_figures(spread[k : k + 1]),
                "precision": proportion(answers[k][0], answers[k][1]),
                "recall": proportion(answers[k][0], answers[k][2]),
                "curve": matches[k].precision[0].round(4).tolist() if k in has else None,
            }
            for k, name in enumerate(class_names)
        ],
        "notes": notes,
    }


def best_threshold(matches: Sequence[Matches]) -> float:
    """The score from which on detections have the highest F1 at IoU 0.5, all classes together.

    Args:
        matches: Of every class.

    Returns:
        A score half-way to the next lower one; 0.5 where nothing is found.

    Example:
        >>> best_threshold([])
        0.5
    """
    scores = np.concatenate([np.zeros(0), *(m.scores[m.counted[0]] for m in matches)])
    hits = np.concatenate([np.zeros(0), *(m.hits[0][m.counted[0]] for m in matches)])
    if not hits.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(hits[order])
    positives = sum(int(m.positives.sum()) for m in matches)
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + positives)
    f1[:-1][scores[1:] == scores[:-1]] = -1  # equal scores stand or fall together
    best = int(np.argmax(f1))
    following = scores[best + 1] if best + 1 < len(scores) else 0.0
    return float((scores[best] + following) / 2)


def _checked(targets: Any, detections: Any, classes: int) -> tuple[np.ndarray, np.ndarray]:
    targets, detections = np.asarray(targets, "float64"), np.asarray(detections, "float64")
    shapes = targets.shape, detections.shape
    if any(len(s) != 3 or s[2] != 6 for s in shapes) or shapes[0][0] != shapes[1][0]:
        raise InputError(
            f"targets of shape {shapes[0]} and detections of shape {shapes[1]} do not fit each "
            "other; expected (N, M, 6) and (N, K, 6)"
        )
    if not np.isfinite(detections).all():
        raise InputError("detections hold NaN or infinity; lower the learning rate and train on")
    for what, rows in (("targets", targets), ("detections", detections)):
        named = rows[rows[..., 5] != 0][:, 4]
        unknown = named[(named < 0) | (named >= classes)]
        if len(unknown):
            raise InputError(
                f"the {what} hold class {int(unknown[0])}; with {classes} class names it is 0 to "
                f"{classes - 1}"
            )
    if not (targets[..., 5] > 0).any():
        raise InputError("no image has a box; nothing can be measured")
    return targets, detections


def _precisions(match: Matches, weights: np.ndarray) -> np.ndarray:
    """(T, R): average precision at each threshold, for each weighting of the images."""
    total = weights @ match.positives
    by_detection = weights[:, match.images]
    return np.stack(
        [
            interpolated_precision(
                np.cumsum(by_detection * hits, axis=1),
                np.cumsum(by_detection * counted, axis=1),
                total,
            )
            for hits, counted in zip(match.hits, match.counted, strict=True)
        ]
    )


def _figures(spread: np.ndarray) -> dict[str, Figure]:
    """Of (C, T, 1 + R); the first of the last axis is what was measured."""
    chosen = {"ap": slice(None), "ap50": slice(0, 1), "ap75": slice(_AT_75, _AT_75 + 1)}
    return {name: _with_spread(_means(spread[:, part])) for name, part in chosen.items()}


def _means(values: np.ndarray) -> np.ndarray:
    """Means over the classes that a resample has."""
    there = ~np.isnan(values)
    counts = there.sum(axis=(0, 1))
    sums = np.where(there, values, 0.0).sum(axis=(0, 1))
    return np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)


def _with_spread(values: np.ndarray) -> Figure:
    sound = values[1:][~np.isnan(values[1:])]
    if not len(sound):
        return figure(values[0], np.nan, np.nan)
    # A resample holds images twice: the bootstrap's own estimate of that bias is taken off.
    low, high = np.percentile(sound, (2.5, 97.5)) - (sound.mean() - values[0])
    return figure(values[0], min(max(low, 0.0), values[0]), max(min(high, 1.0), values[0]))


def _at(match: Matches, score_threshold: float) -> np.ndarray:
    """Hits at IoU 0.5, answers, true boxes."""
    answered = (match.scores >= score_threshold) & match.counted[0]
    return np.array([(match.hits[0] & answered).sum(), answered.sum(), match.positives.sum()])
