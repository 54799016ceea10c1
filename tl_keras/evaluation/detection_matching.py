"""Detections and true boxes as ``pycocotools`` wants them, and what it matches with what."""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from tl_keras.evaluation.coco_tool import need_pycocotools

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""COCO's ten IoU thresholds (https://cocodataset.org/#detection-eval)."""
RECALL_POINTS = np.linspace(0.0, 1.0, 101)
"""COCO's 101 points of recall at which precision is read."""


@dataclass(frozen=True)
class Matches:
    """What became of the detections of one class, highest score first.

    Attributes:
        scores: float64 (D,).
        images: int64 (D,), number of the image of each.
        hits: bool (T, D), found a true box at that IoU threshold.
        counted: bool (T, D): False where a detection lies on an ignored box.
        positives: int64 (N,), true boxes of the class in each image, the ignored left out.
        precision: float64 (T, 101), COCO's; at :data:`RECALL_POINTS`; -1 where no box is true.
    """

    scores: np.ndarray
    images: np.ndarray
    hits: np.ndarray
    counted: np.ndarray
    positives: np.ndarray
    precision: np.ndarray


def match_detections(targets: np.ndarray, detections: np.ndarray, classes: int) -> list[Matches]:
    """Match detections with true boxes class by class, as COCO does.

    Args:
        targets: (N, M, 6): ``x1, y1, x2, y2`` in px, class, flag: 1 counts, 0 padding, -1 ignored
            (neither a miss nor a false alarm).
        detections: (N, K, 6): ``x1, y1, x2, y2``, class, score; score 0: none.
        classes: How many there are.

    Returns:
        One record per class.

    Raises:
        InputError: ``pycocotools`` is not installed.
    """
    need_pycocotools()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    true = _annotations(targets, targets[..., 5] != 0)
    found = _annotations(detections, detections[..., 5] > 0)
    for entry, flag in zip(true, targets[targets[..., 5] != 0][:, 5], strict=True):
        entry["iscrowd"] = int(flag < 0)
    scores = detections[detections[..., 5] > 0][:, 5]
    for entry, score in zip(found, scores.tolist(), strict=True):
        entry["score"] = score
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of every step
        tables = []
        for annotations in (true, found):
            table = COCO()
            table.dataset = {
                "images": [{"id": i} for i in range(len(targets))],
                "categories": [{"id": k} for k in range(classes)],
                "annotations": annotations,
            }
            table.createIndex()
            tables.append(table)
        run = COCOeval(*tables, iouType="bbox")
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.params.maxDets = [max(1, detections.shape[1])]
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, 0]
    images = len(targets)
    return [
        _collect(run.evalImgs[k * images : (k + 1) * images], precision[:, :, k])
        for k in range(classes)
    ]


def _annotations(rows: np.ndarray, chosen: np.ndarray) -> list[dict[str, Any]]:
    image = np.nonzero(chosen)[0].tolist()
    boxes = rows[chosen].astype("float64")
    sides = np.maximum(boxes[:, 2:4] - boxes[:, :2], 0)
    return [
        {
            "id": number,  # from 1: pycocotools takes a match with number 0 for none
            "image_id": i,
            "category_id": int(box[4]),
            "bbox": [*box[:2].tolist(), *side.tolist()],
            "area": float(side[0] * side[1]),
            "iscrowd": 0,
        }
        for number, (i, box, side) in enumerate(zip(image, boxes, sides, strict=True), start=1)
    ]


def _collect(cells: list[dict | None], precision: np.ndarray) -> Matches:
    positives = np.zeros(len(cells), "int64")
    thresholds = len(precision)
    scores, images = [np.zeros(0)], [np.zeros(0, "int64")]
    hits, counted = [np.zeros((thresholds, 0), bool)], [np.zeros((thresholds, 0), bool)]
    for number, cell in enumerate(cells):
        if cell is None:
            continue
        positives[number] = len(cell["gtIgnore"]) - np.sum(cell["gtIgnore"])
        scores.append(np.asarray(cell["dtScores"], "float64"))
        images.append(np.full(len(cell["dtScores"]), number))
        counted.append(~np.asarray(cell["dtIgnore"], bool))
        hits.append((np.asarray(cell["dtMatches"]) > 0) & counted[-1])
    order = np.argsort(-np.concatenate(scores), kind="mergesort")
    return Matches(
        np.concatenate(scores)[order],
        np.concatenate(images)[order],
        np.concatenate(hits, axis=1)[:, order],
        np.concatenate(counted, axis=1)[:, order],
        positives,
        precision,
    )


def interpolated_precision(hits: np.ndarray, found: np.ndarray, total: np.ndarray) -> np.ndarray:
    """COCO's average precision: the mean of the precision at 101 points of recall.

    Args:
        hits: (R, D), true detections among the first so many; R weightings of the images.
        found: (R, D), detections among the first so many.
        total: (R,), true boxes.

    Returns:
        float64 (R,), NaN where no box is true.

    Example:
        >>> hits, found = np.array([[1.0, 1.0, 2.0]]), np.array([[1.0, 2.0, 3.0]])
        >>> interpolated_precision(hits, found, np.array([2.0])).round(3)
        array([0.835])
    """
    precision = hits / np.maximum(found, 1e-12)
    # The best precision at this recall or any higher one.
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    result = np.full(len(hits), np.nan)
    for row in np.flatnonzero(total > 0):
        at = np.searchsorted(hits[row] / total[row], RECALL_POINTS, side="left")
        result[row] = np.append(envelope[row], 0.0)[at].mean()
    return result
