"""What an instance segmenter is worth: COCO's mask AP, panoptic quality, and counts."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tl_keras.data.instances import Instances
from tl_keras.errors import InputError
from tl_keras.evaluation.detection_metrics import _figures, _precisions, best_threshold
from tl_keras.evaluation.instance_errors import things_above
from tl_keras.evaluation.intervals import bootstrap_mean, proportion
from tl_keras.evaluation.mask_matching import encode_masks, match_masks, panoptic_counts
from tl_keras.evaluation.resampled import ratio_over_images, resample_weights

_RESAMPLES = 200  # each ranks every class at ten thresholds anew


def evaluate_instances(
    pairs: Iterable[tuple[Instances, Instances]],
    class_names: Sequence[str],
    *,
    score_threshold: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures found things against true ones.

    Args:
        pairs: Of each image the true things (``tl_keras.data.instances.instances_of``) and those
            found (``group_instances``), on maps of one size; images may differ.  Read once.
        class_names: The C names.
        score_threshold: From which score on a thing counts for panoptic quality and counts; by
            default the one at which F1 is highest on these very data.
        seed: Of the bootstrap over images that the intervals come from.

    Returns:
        A JSON-able dictionary: ``examples``, ``instances``, ``class_names``; the figures ``ap``
        (COCO's, of masks, mean over IoU 0.5 to 0.95), ``ap50``, ``ap75``; ``score_threshold``, and
        from it on ``panoptic_quality`` (Kirillov et al. 2019, https://arxiv.org/abs/1801.00868, of
        things alone), ``segmentation_quality`` (mean IoU of matches) and ``recognition_quality``
        (F1 at IoU 0.5), of which the first is the product within a class, means over classes;
        ``precision`` and ``recall`` of all classes together at IoU 0.5; ``count_error``, the mean
        of |found - true| over the images and classes where there are any; ``per_class``, a list of
        ``{"name", "instances", "found", "ap", "ap50", "ap75", "panoptic_quality",
        "count_error", "precision", "recall", "curve"}`` with the precision at IoU 0.5 at recall 0,
        0.01, ... 1 (None without things); ``per_image``, ``{"true", "found", "panoptic_quality"}``
        each; ``notes``.

    Raises:
        InputError: Shapes differ, a class does not exist, there is no true thing, or
            ``pycocotools`` is not installed.

    Example:
        >>> one = Instances(np.ones((4, 4), int), np.array([0]), np.ones(1))
        >>> found = evaluate_instances([(one, one)], ["cell"])
        >>> found["ap"]["value"], found["panoptic_quality"]["value"]
        (1.0, 1.0)
    """
    classes = len(class_names)
    images: list[tuple[Instances, Instances]] = []
    true, found = [], []
    for number, (truth, answer) in enumerate(pairs):
        _check(truth, answer, classes, number)
        true.append((truth.classes, encode_masks(truth)))
        found.append((answer.classes, answer.scores, encode_masks(answer, truth.ids < 0)))
        images.append((truth, answer))
    if not any(len(labels) for labels, _ in true):
        raise InputError("no image has a thing; nothing can be measured")
    matches = match_masks(true, found, classes)
    if score_threshold is None:
        score_threshold = best_threshold(matches)
    weights = resample_weights(len(images), seed)
    spread = np.stack([_precisions(match, weights[: _RESAMPLES + 1]) for match in matches])
    has = [k for k, match in enumerate(matches) if match.positives.any()]
    counts = np.array(
        [panoptic_counts(t, things_above(a, score_threshold), classes) for t, a in images]
    )
    iou, hits, false, missed = np.moveaxis(counts, 1, 0)
    marks = hits + (false + missed) / 2
    errors = np.abs(false - missed)  # found - true, hits being in both
    there = (hits + false + missed) > 0
    return {
        "examples": len(images),
        "instances": int(hits.sum() + missed.sum()),
        "class_names": [str(name) for name in class_names],
        **_figures(spread[has]),
        "score_threshold": float(score_threshold),
        "panoptic_quality": ratio_over_images(iou, marks, weights),
        "segmentation_quality": ratio_over_images(iou, hits, weights),
        "recognition_quality": ratio_over_images(hits, marks, weights),
        "precision": proportion(int(hits.sum()), int(hits.sum() + false.sum())),
        "recall": proportion(int(hits.sum()), int(hits.sum() + missed.sum())),
        "count_error": bootstrap_mean(errors[there], seed),
        "per_class": [
            {
                "name": str(name),
                "instances": int(hits[:, k].sum() + missed[:, k].sum()),
                "found": int(hits[:, k].sum() + false[:, k].sum()),
                **_figures(spread[k : k + 1]),
                "panoptic_quality": ratio_over_images(iou[:, [k]], marks[:, [k]], weights),
                "count_error": bootstrap_mean(errors[:, k], seed),
                "precision": proportion(int(hits[:, k].sum()), int((hits + false)[:, k].sum())),
                "recall": proportion(int(hits[:, k].sum()), int((hits + missed)[:, k].sum())),
                "curve": matches[k].precision[0].round(4).tolist() if k in has else None,
            }
            for k, name in enumerate(class_names)
        ],
        "per_image": [
            {
                "true": int(hits[i].sum() + missed[i].sum()),
                "found": int(hits[i].sum() + false[i].sum()),
                "panoptic_quality": float(iou[i].sum() / marks[i].sum())
                if marks[i].any()
                else None,
            }
            for i in range(len(images))
        ],
        "notes": [
            f"No image has {class_names[k]}: left out of the mean AP."
            for k in range(classes)
            if k not in has
        ],
    }


def _check(truth: Instances, answer: Instances, classes: int, number: int) -> None:
    if truth.ids.shape != answer.ids.shape:
        raise InputError(
            f"image {number}: true things on a map of {truth.ids.shape} and found ones on "
            f"{answer.ids.shape}; bring predictions to the image's size"
        )
    for what, things in (("true", truth), ("found", answer)):
        wrong = [int(label) for label in things.classes if not 0 <= label < classes]
        if wrong:
            raise InputError(
                f"image {number}: a {what} thing of class {wrong[0]}; with {classes} class names "
                f"it is 0 to {classes - 1}"
            )
    if answer.ids.size and answer.ids.min() < 0:
        raise InputError(f"image {number}: found things hold ids below 0; only the truth may")
