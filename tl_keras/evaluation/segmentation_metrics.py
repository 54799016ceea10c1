"""What a segmenter's pixels are worth: IoU by class and in the mean, and how well outlines fit."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.boundaries import boundary_f1, known_outline
from tl_keras.evaluation.resampled import mean_over_images, ratio_over_images, resample_weights

# Of the pixels where classes meet or meet ignored ones, from which share of the first on outlines
# are compared: where annotators leave a band along every border out, what is left are its gaps.
_LEAST_KNOWN = 0.05


def evaluate_segmentation(
    pairs: Iterable[tuple[Any, Any]],
    class_names: Sequence[str],
    *,
    tolerance: float = 0.0075,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures predicted classes of pixels against true ones.

    IoU is taken over all images' pixels as one heap (PASCAL VOC: Everingham et al. 2010,
    https://doi.org/10.1007/s11263-009-0275-4), outlines image by image
    (:func:`tl_keras.evaluation.boundaries.boundary_f1`).  Limits are the 95 % percentiles of a
    bootstrap over images: pixels of one image are alike, and each counted alone would feign
    certainty.

    Args:
        pairs: Of each image the true and the predicted classes, ints (H, W); images may differ in
            size.  True pixels outside 0..C-1 (255) are left out.  Read once, one by one.
        class_names: The C names.
        tolerance: Distance up to which outlines agree, as a share of the image's diagonal.
        seed: Of the bootstrap.

    Returns:
        A JSON-able dictionary: ``examples``, ``class_names``; the figures ``mean_iou`` (over the
        classes that truth or prediction has), ``pixel_accuracy``, ``boundary_f1`` (mean over
        images; None three times where nearly all borders are ignored, which a note says);
        ``per_class``, a list of ``{"name", "images", "pixels", "iou", "boundary_f1"}``
        (images and pixels of the truth); ``confusion``, pixels by true (rows) and predicted class;
        ``per_image``, mean IoU of each image alone, None where nothing is known; ``notes``.

    Raises:
        InputError: Shapes differ, a predicted class is none of the C, or nothing is known.

    Example:
        >>> found = evaluate_segmentation([([[0, 1]], [[0, 0]])], ["ground", "sky"])
        >>> found["mean_iou"]["value"], found["confusion"]
        (0.25, [[1, 0], [1, 0]])
    """
    classes = len(class_names)
    tables, outlines, known_of = [], [], []
    for number, (truth, predicted) in enumerate(pairs):
        truth, predicted = np.asarray(truth), np.asarray(predicted)
        _check(truth, predicted, classes, number)
        known = (truth >= 0) & (truth < classes)
        cells = truth[known].astype(np.int64) * classes + predicted[known]
        tables.append(np.bincount(cells, minlength=classes**2).reshape(classes, classes))
        outlines.append(boundary_f1(truth, predicted, classes, tolerance))
        known_of.append(known_outline(truth, classes))
    if not tables or not np.any(tables):
        raise InputError("no pixel is of a known class; nothing can be measured")
    confusion, scores = np.array(tables), np.array(outlines)
    met, hidden = np.sum(known_of, axis=0)
    if met < _LEAST_KNOWN * (met + hidden):
        scores[:] = np.nan
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    true, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    union = true + answered - hits
    weights = resample_weights(len(tables), seed)
    with np.errstate(invalid="ignore"):
        alone = np.where(union > 0, hits / union, np.nan)
    return {
        "examples": len(tables),
        "class_names": [str(name) for name in class_names],
        "mean_iou": ratio_over_images(hits, union, weights),
        "pixel_accuracy": ratio_over_images(
            hits.sum(axis=1, keepdims=True), true.sum(axis=1, keepdims=True), weights
        ),
        "boundary_f1": mean_over_images(_row_means(scores), weights),
        "per_class": [
            {
                "name": str(name),
                "images": int((true[:, c] > 0).sum()),
                "pixels": int(true[:, c].sum()),
                "iou": ratio_over_images(hits[:, [c]], union[:, [c]], weights),
                "boundary_f1": mean_over_images(scores[:, c], weights),
            }
            for c, name in enumerate(class_names)
        ],
        "confusion": confusion.sum(axis=0).tolist(),
        "per_image": [None if np.isnan(x) else float(x) for x in _row_means(alone)],
        "notes": [*_notes(class_names, true, union, tables), *_hidden(met, hidden)],
    }


def _check(truth: np.ndarray, predicted: np.ndarray, classes: int, number: int) -> None:
    if truth.ndim != 2 or truth.shape != predicted.shape:
        raise InputError(
            f"image {number}: true classes of shape {truth.shape} and predicted ones of shape "
            f"{predicted.shape}; expected (H, W) for both: bring predictions to the image's size"
        )
    if predicted.size and not 0 <= predicted.min() <= predicted.max() < classes:
        raise InputError(
            f"image {number}: predicted classes {predicted.min()} to {predicted.max()} do not fit "
            f"{classes} class names; give classes 0 to {classes - 1}"
        )


def _hidden(met: int, hidden: int) -> list[str]:
    if met >= _LEAST_KNOWN * (met + hidden):
        return []
    return [
        f"{100 * hidden / (met + hidden):.1f} % of the pixels along borders lie beside ignored "
        "ones: boundary F1 is left out, for it would be that of the few gaps."
    ]


def _row_means(values: np.ndarray) -> np.ndarray:
    """Means along rows without NaN; NaN for a row of nothing else."""
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _notes(
    class_names: Sequence[str], true: np.ndarray, union: np.ndarray, tables: list[np.ndarray]
) -> list[str]:
    notes = []
    named = [str(name) for name in class_names]
    nowhere = [name for name, total in zip(named, union.sum(axis=0), strict=True) if not total]
    if nowhere:
        notes.append(
            f"Neither truth nor prediction has {', '.join(nowhere)}: left out of the mean IoU."
        )
    untrue = [
        name
        for name, there, total in zip(named, true.sum(axis=0), union.sum(axis=0), strict=True)
        if total and not there
    ]
    if untrue:
        notes.append(f"No image has {', '.join(untrue)}, yet it was predicted: IoU 0.")
    empty = sum(not table.any() for table in tables)
    if empty:
        notes.append(f"{empty} images without a pixel of a known class say nothing.")
    return notes
