"""Why a detector is wrong: kinds of errors after TIDE (Bolya et al. 2020, arXiv:2008.08115)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.evaluation.box_metrics import box_iou

FOUND = 0.5
"""From this IoU on a detection lies on a box."""
NEAR = 0.1
"""Below this IoU with every box a detection lies on the background."""
KINDS = ("right", "wrong_class", "bad_box", "wrong_class_and_box", "double", "background", "missed")
"""What can become of a detection, and of a true box (``"missed"``)."""


def answers_of(detections: Any, score_threshold: float) -> np.ndarray:
    """The detections of one image that are answers.

    Args:
        detections: (K, 6): ``x1, y1, x2, y2``, class, score; score 0: none.
        score_threshold: From which score on a detection is an answer.

    Returns:
        float64 (A, 6), in the same order.

    Example:
        >>> len(answers_of([[0, 0, 4, 4, 1, 0.9], [0, 0, 4, 4, 1, 0.2]], 0.5))
        1
    """
    rows = np.asarray(detections, "float64").reshape(-1, 6)
    return rows[(rows[:, 5] >= score_threshold) & (rows[:, 5] > 0)]


def judge_image(
    boxes: np.ndarray, detections: np.ndarray
) -> tuple[list[str | None], list[bool], np.ndarray]:
    """Judge the detections of one image, best first.

    Args:
        boxes: (M, 6): ``x1, y1, x2, y2``, class, flag (1 counts, -1 ignored, 0 padding).
        detections: (K, 6): ``x1, y1, x2, y2``, class, score, those that are answers.

    Returns:
        Of each detection its kind of :data:`KINDS`, None where it lies on an ignored box; of each
        box whether it was missed: found by no detection, nor nearly by one of a wrong class or a
        bad box, which are errors of their own; of each detection the number of the box that it
        was judged by, -1 on the background.

    Example:
        >>> judge_image(np.array([[0, 0, 4, 4, 0, 1]]), np.array([[0, 0, 4, 4, 1, 0.9]]))
        (['wrong_class'], [False], array([0]))
    """
    counts, ignored = boxes[:, 5] > 0, boxes[:, 5] < 0
    iou = box_iou(detections[:, None, :4], boxes[None, :, :4])
    same = detections[:, None, 4] == boxes[None, :, 4]
    order = np.argsort(-detections[:, 5], kind="stable")
    free, kinds = counts.copy(), [None] * len(detections)
    judged = np.full(len(detections), -1)
    for d in order:  # as in COCO: the best detection first takes the best free box of its class
        on = np.where(same[d] & free & (iou[d] >= FOUND), iou[d], -1.0)
        if on.size and on.max() >= 0:
            judged[d] = on.argmax()
            free[judged[d]], kinds[d] = False, "right"
    explained = ~free
    for d in order:
        if kinds[d] == "right" or (same[d] & ignored & (_inside(detections[d], boxes))).any():
            continue
        # TIDE's order: what is least to be corrected.
        for kind, fits in (
            ("bad_box", same[d] & (iou[d] >= NEAR) & (iou[d] < FOUND)),
            ("wrong_class", ~same[d] & (iou[d] >= FOUND)),
            ("double", same[d] & (iou[d] >= FOUND)),
            ("wrong_class_and_box", iou[d] >= NEAR),
        ):
            near = np.where(fits & counts, iou[d], -1.0)
            if near.size and near.max() >= 0:
                judged[d], kinds[d] = near.argmax(), kind
                if kind in ("bad_box", "wrong_class"):
                    explained[judged[d]] = True
                break
        else:
            kinds[d] = "background"
    return kinds, (counts & ~explained).tolist(), judged


def detection_errors(
    targets: np.ndarray,
    detections: np.ndarray,
    class_names: Sequence[str],
    score_threshold: float,
) -> dict[str, Any]:
    """Count the kinds of errors among the answers.

    Args:
        targets: (N, M, 6), as of ``evaluate_detection``.
        detections: (N, K, 6), as of ``evaluate_detection``.
        class_names: The C names.
        score_threshold: From which score on a detection is an answer.

    Returns:
        A JSON-able dictionary: ``total``, counts by kind of :data:`KINDS`; ``per_class``, the
        same by the name of the detection's class (of the box's where it was missed);
        ``confusion``, (C + 1, C + 1) counts of boxes (rows) answered as a class (columns): the
        last row are detections that lie on no box, doubles among them, the last column boxes that
        no answer of any class lies on.

    Example:
        >>> true, found = np.array([[[0, 0, 4, 4, 0, 1]]]), np.array([[[9, 9, 12, 12, 0, 0.9]]])
        >>> detection_errors(true, found, ["cell"], 0.5)["confusion"]
        [[0, 1], [1, 0]]
    """
    classes = len(class_names)
    counts = np.zeros((classes, len(KINDS)), "int64")
    confusion = np.zeros((classes + 1, classes + 1), "int64")
    for boxes, found in zip(targets, detections, strict=True):
        boxes = boxes[boxes[:, 5] != 0]
        found = answers_of(found, score_threshold)
        kinds, missed, judged = judge_image(boxes, found)
        answered = np.zeros(len(boxes), bool)
        for kind, row, box in zip(kinds, found, judged, strict=True):
            if kind is None:
                continue
            counts[int(row[4]), KINDS.index(kind)] += 1
            on_it = kind in ("right", "wrong_class") and not answered[box]
            confusion[int(boxes[box, 4]) if on_it else classes, int(row[4])] += 1
            if on_it:
                answered[box] = True
        for box, gone, done in zip(boxes, missed, answered, strict=True):
            counts[int(box[4]), KINDS.index("missed")] += gone
            confusion[int(box[4]), classes] += box[5] > 0 and not done
    return {
        "total": dict(zip(KINDS, counts.sum(0).tolist(), strict=True)),
        "per_class": {
            str(name): dict(zip(KINDS, row.tolist(), strict=True))
            for name, row in zip(class_names, counts, strict=True)
        },
        "confusion": confusion.tolist(),
    }


def _inside(detection: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether half of the detection lies in each box: COCO's rule for a crowd."""
    low = np.maximum(detection[:2], boxes[:, :2])
    high = np.minimum(detection[2:4], boxes[:, 2:4])
    shared = np.prod(np.maximum(high - low, 0), -1)
    return shared >= FOUND * max(np.prod(np.maximum(detection[2:4] - detection[:2], 0)), 1e-12)
