"""What a localizer's answers are worth: IoU, accuracy at IoU 0.5, mean IoU, with intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.intervals import bootstrap_mean, figure, proportion
from tl_keras.evaluation.metrics import confusion_counts

TOUCH = 0.5
"""From this IoU on a box counts as found (PASCAL VOC; http://host.robots.ox.ac.uk/pascal/VOC/)."""


def box_iou(first: Any, second: Any) -> np.ndarray:
    """Intersection over union of each box with its counterpart; broadcasts.

    Args:
        first: (..., 4), ``x1, y1, x2, y2``.
        second: (..., 4), in the same unit.

    Returns:
        float64 (...), 0..1; 0 where a box is empty or turned over.

    Example:
        >>> float(box_iou([0, 0, 2, 2], [1, 0, 3, 2]).round(3))
        0.333
        >>> box_iou(np.zeros((5, 1, 4)), np.ones((1, 3, 4))).shape  # all pairs
        (5, 3)
    """
    first, second = np.asarray(first, "float64"), np.asarray(second, "float64")
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared = np.prod(np.maximum(high - low, 0), -1)
    areas = [np.prod(np.maximum(box[..., 2:] - box[..., :2], 0), -1) for box in (first, second)]
    union = areas[0] + areas[1] - shared
    return np.divide(shared, union, out=np.zeros(shared.shape), where=union > 0)


def evaluate_localization(
    targets: Any, predictions: Any, class_names: Sequence[str], *, seed: int = 0
) -> dict[str, Any]:
    """Measures a localizer; an image without a box counts for the class alone, and one without a
    class for the box alone.

    Args:
        targets: (N, 6): ``x1, y1, x2, y2`` in px, class (-1: none), flag (1: the box counts).
        predictions: (N, 4 + C): a box in the same px, then the probabilities of the C classes.
        class_names: The C names.
        seed: Of the bootstrap of the mean IoU.

    Returns:
        A JSON-able dictionary: ``examples`` (N), ``boxes`` (images whose box counts),
        ``class_names``; the figures ``accuracy`` (of the class), ``mean_iou``, ``box_accuracy``
        (IoU >= 0.5), ``accuracy_at_iou50`` (the class right and IoU >= 0.5; of the images with
        both); ``guessed_iou`` (mean IoU of the average true box, given for every image: what has
        to be beaten); ``per_class``, a list of ``{"name", "boxes", "mean_iou", "box_accuracy",
        "accuracy_at_iou50"}``; ``confusion_matrix``, rows true, columns predicted classes, of the
        images that have one; ``notes``.

    Raises:
        InputError: The shapes do not fit, or a prediction is no number.

    Example:
        >>> found = evaluate_localization([[0, 0, 4, 4, 1, 1]], [[0, 0, 4, 2, 0.1, 0.9]], "ab")
        >>> found["mean_iou"]["value"], found["accuracy_at_iou50"]["value"]
        (0.5, 1.0)
    """
    targets, predictions = np.asarray(targets, "float64"), np.asarray(predictions, "float64")
    shapes = (len(targets), 6), (len(targets), 4 + len(class_names))
    if (targets.shape, predictions.shape) != shapes or not len(targets):
        raise InputError(
            f"targets of shape {targets.shape} and predictions of shape {predictions.shape} do not "
            f"fit {len(class_names)} class names; expected (N, 6) and (N, {4 + len(class_names)})"
        )
    if not np.isfinite(predictions).all():
        raise InputError("predictions hold NaN or infinity; lower the learning rate and train on")
    classes, boxed = targets[:, 4].astype("int64"), targets[:, 5] > 0
    answers = predictions[:, 4:].argmax(1)
    named, right = classes >= 0, answers == classes
    iou = box_iou(targets[:, :4], predictions[:, :4])
    guess = targets[boxed, :4].mean(0) if boxed.any() else np.zeros(4)
    notes = []
    if not boxed.all():
        notes.append(f"{(~boxed).sum()} images have no box: they count for the class alone.")
    if not named.all():
        notes.append(f"{(~named).sum()} images have no class: they count for the box alone.")
    return {
        "examples": len(targets),
        "boxes": int(boxed.sum()),
        "class_names": [str(name) for name in class_names],
        "accuracy": proportion(int(right[named].sum()), int(named.sum())),
        **_of_boxes(iou, right, boxed, named, seed),
        "guessed_iou": float(box_iou(targets[boxed, :4], guess).mean()) if boxed.any() else None,
        "per_class": [
            {
                "name": str(name),
                "boxes": int((boxed & (classes == k)).sum()),
                **_of_boxes(iou, right, boxed & (classes == k), named, seed),
            }
            for k, name in enumerate(class_names)
        ],
        "confusion_matrix": confusion_counts(
            classes[named], answers[named], len(class_names)
        ).tolist(),
        "notes": notes,
    }


def _of_boxes(
    iou: np.ndarray, right: np.ndarray, boxed: np.ndarray, named: np.ndarray, seed: int
) -> dict[str, Any]:
    both = boxed & named
    nowhere = figure(np.nan, np.nan, np.nan)
    return {
        "mean_iou": bootstrap_mean(iou[boxed], seed) if boxed.any() else nowhere,
        "box_accuracy": proportion(int((iou[boxed] >= TOUCH).sum()), int(boxed.sum())),
        "accuracy_at_iou50": proportion(
            int(((iou >= TOUCH) & right & both).sum()), int(both.sum())
        ),
    }
