"""Pictures of boxes: true ones beside predicted ones, errors marked by their kind."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.evaluation.box_metrics import box_iou
from tl_keras.evaluation.detection_errors import KINDS, answers_of, judge_image
from tl_keras.evaluation.drawing import PANEL_SIDE, Panel
from tl_keras.evaluation.picture_colours import KIND_COLOURS, LIGHT_LINE, Colour, colour_of
from tl_keras.evaluation.picture_layout import Entry, compose
from tl_keras.evaluation.picture_words import name_of

_IGNORED: Colour = (150, 150, 150)
_CROWD = 12  # boxes on a panel of PANEL_SIDE; words of more would hide the things


def localization_picture(
    image: Any,
    truth: Any,
    prediction: Any,
    names: Sequence[str],
    *,
    side: int = PANEL_SIDE,
) -> np.ndarray:
    """Draws the predicted box and class beside the true ones.

    Boxes have the colours of their classes; on the predicted side the true box is hinted at by a
    thin white dashed line.

    Args:
        image: uint8 (H, W, 3), in whose px the boxes are.
        truth: (6,): ``x1, y1, x2, y2``, class (-1: none), flag (1: there is a box); None draws the
            prediction alone.
        prediction: (4 + C,): a box, then the probabilities of the C classes.
        names: The C names.
        side: Longer side of the image as it is drawn, px.

    Returns:
        uint8 (H', W', 3).

    Example:
        >>> shown = localization_picture(
        ...     np.zeros((96, 96, 3), np.uint8), [8, 8, 60, 60, 0, 1], [9, 9, 58, 64, 0.8, 0.2],
        ...     ["cat", "dog"],
        ... )
        >>> shown.dtype, shown.shape[1]
        (dtype('uint8'), 744)
    """
    prediction = np.asarray(prediction, "float64")
    answer = int(prediction[4:].argmax())
    said = f"{name_of(names, answer)} {prediction[4 + answer]:.2f}"
    if truth is None:
        panel = Panel(image, "predicted", side)
        panel.box(prediction, colour_of(answer), said)
        return compose([panel])
    truth = np.asarray(truth, "float64")
    label, boxed = int(truth[4]), truth[5] > 0
    true = Panel(image, "true" if boxed else "true (no box known)", side)
    iou = f"IoU {box_iou(truth[:4], prediction[:4]):.2f}" if boxed else "no box to compare"
    right = "" if label in (-1, answer) else ", wrong class"
    found = Panel(image, f"predicted, {iou}{right}", side)
    name = name_of(names, label) if label >= 0 else "class not known"
    if boxed:
        true.box(truth, colour_of(label) if label >= 0 else _IGNORED, name)
        found.box(truth, LIGHT_LINE, dashed=True, thin=True)
    else:
        true.title = f"true: {name} (no box)"
    found.box(prediction, colour_of(answer), said)
    return compose([true, found])


def detection_picture(
    image: Any,
    truth: Any,
    prediction: Any,
    names: Sequence[str],
    score_threshold: float = 0.0,
    *,
    side: int = PANEL_SIDE,
) -> np.ndarray:
    """Draws the answers beside the true boxes.

    What is right, or true and found, has the colour of its class and a whole line; an error has
    that of its kind, a dashed line and its kind in words (``judge_image`` says which is which).
    Missed boxes stand on both sides.  Of more than twelve boxes (more on larger panels) only what
    is wrong is named, where there is room; the legend tells the others' colours.

    Args:
        image: uint8 (H, W, 3), in whose px the boxes are.
        truth: (M, 6): ``x1, y1, x2, y2``, class, flag (1 counts, -1 ignored, 0 padding); None draws
            the answers alone.
        prediction: (K, 6): ``x1, y1, x2, y2``, class, score (0: none).
        names: The class names.
        score_threshold: From which score on a detection is an answer.
        side: Longer side of the image as it is drawn, px.

    Returns:
        uint8 (H', W', 3).

    Example:
        >>> shown = detection_picture(
        ...     np.zeros((96, 96, 3), np.uint8), [[8, 8, 60, 60, 0, 1]], np.zeros((0, 6)), ["cat"]
        ... )
        >>> shown.dtype, shown.shape[1]
        (dtype('uint8'), 744)
    """
    answers = answers_of(prediction, score_threshold)
    order = np.argsort(answers[:, 5], kind="stable")  # the surest are drawn last, on top
    present = sorted({int(row[4]) for row in answers})
    if truth is None:
        panel = Panel(image, f"predicted: {len(answers)}", side)
        for row in answers[order]:
            _draw_answer(panel, row, "right", names, _is_crowd(len(answers), side))
        return compose([panel], _classes(present, names))
    boxes = np.asarray(truth, "float64").reshape(-1, 6)
    boxes = boxes[boxes[:, 5] != 0]
    kinds, missed, _ = judge_image(boxes, answers)
    true = Panel(image, f"true: {int((boxes[:, 5] > 0).sum())}", side)
    found = Panel(image, f"predicted: {len(answers)}", side)
    crowd = _is_crowd(max(len(boxes), len(answers)), side)
    for row, gone in zip(boxes, missed, strict=True):
        label, name = int(row[4]), name_of(names, int(row[4]))
        if row[5] < 0:
            said = "" if crowd else f"{name}, ignored"
            true.box(row, _IGNORED, said, dashed=True, thin=crowd, needed=False)
        elif gone:
            said, colour = f"missed: {name}", KIND_COLOURS["missed"]
            true.box(row, colour, said, dashed=True, thin=crowd, needed=not crowd)
            said = "" if crowd else said
            found.box(row, colour, said, dashed=True, thin=crowd, needed=False)
        else:
            said = "" if crowd else name
            true.box(row, colour_of(label), said, thin=crowd, needed=False)
    for d in order:
        _draw_answer(found, answers[d], kinds[d], names, crowd)
    counts = Counter([kind for kind in kinds if kind], missed=sum(missed))
    errors = [
        Entry(KIND_COLOURS[kind], f"{counts[kind]} {kind.replace('_', ' ')}", True)
        for kind in KINDS
        if counts[kind] and kind != "right"
    ]
    present = sorted({*present, *(int(row[4]) for row in boxes)})
    return compose([true, found], [*errors, *_classes(present, names)])


def _draw_answer(
    panel: Panel, row: np.ndarray, kind: str | None, names: Sequence[str], crowd: bool
) -> None:
    """An answer; of no kind are those on ignored boxes."""
    said = f"{name_of(names, int(row[4]))} {row[5]:.2f}"
    if kind in ("right", None):
        colour = colour_of(int(row[4])) if kind else _IGNORED
        panel.box(row, colour, "" if crowd else said, thin=crowd, needed=False)
    else:
        said = f"{kind.replace('_', ' ')}: {said}"
        panel.box(row, KIND_COLOURS[kind], said, dashed=True, needed=not crowd)


def _is_crowd(boxes: int, side: int) -> bool:
    return boxes > _CROWD * (side / PANEL_SIDE) ** 2


def _classes(present: Sequence[int], names: Sequence[str]) -> list[Entry]:
    return [Entry(colour_of(k), name_of(names, k)) for k in present]
