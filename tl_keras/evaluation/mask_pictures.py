"""Pictures of masks: true ones beside predicted ones, pixel classes and single things."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.data.instances import Instances
from tl_keras.evaluation.drawing import PANEL_SIDE, Panel
from tl_keras.evaluation.instance_errors import judge_things, things_above
from tl_keras.evaluation.picture_colours import KIND_COLOURS, LIGHT_LINE, Colour, colour_of
from tl_keras.evaluation.picture_layout import Entry, compose
from tl_keras.evaluation.picture_words import name_of

_UNKNOWN: Colour = (120, 120, 120)
_BACKGROUND = "background"


def segmentation_picture(
    image: Any,
    truth: Any,
    prediction: Any,
    names: Sequence[str],
    *,
    side: int = PANEL_SIDE,
) -> np.ndarray:
    """Draws the predicted classes of pixels beside the true ones.

    A class called ``background`` stays as it is, every other has its colour and an outline; what
    nobody knows about is hatched grey.

    Args:
        image: uint8 (H, W, 3).
        truth: ints (H, W), outside 0..C-1 (255): not known; None draws the prediction alone.
        prediction: ints (H, W), classes 0..C-1.
        names: The C names.
        side: Longer side of the image as it is drawn, px.

    Returns:
        uint8 (H', W', 3).

    Example:
        >>> classes = np.zeros((96, 96), np.uint8)
        >>> shown = segmentation_picture(
        ...     np.zeros((96, 96, 3), np.uint8), classes, classes, ["background", "cat"]
        ... )
        >>> shown.dtype, shown.shape[1]
        (dtype('uint8'), 744)
    """
    sides = [("predicted", np.asarray(prediction))]
    if truth is not None:
        sides.insert(0, ("true", np.asarray(truth)))
    panels, present, unknown = [], set(), False
    for title, labels in sides:
        panel = Panel(image, title, side)
        panel.fade()
        shown = panel.on_panel(labels).astype("int32")
        for k in np.unique(labels):
            mask = shown == k
            if not 0 <= k < len(names):
                panel.hatch(mask)
                shown[mask], unknown = -1, True
                continue
            present.add(int(k))
            if name_of(names, k).lower() != _BACKGROUND:
                panel.tint(mask, colour_of(int(k)))
        panel.borders(shown, LIGHT_LINE)
        panels.append(panel)
    legend = [
        Entry(colour_of(k), name_of(names, k))
        for k in sorted(present)
        if name_of(names, k).lower() != _BACKGROUND
    ]
    return compose(panels, [*legend, *([Entry(_UNKNOWN, "not known")] if unknown else [])])


def instances_picture(
    image: Any,
    truth: Instances | None,
    prediction: Instances,
    names: Sequence[str],
    score_threshold: float = 0.0,
    *,
    side: int = PANEL_SIDE,
) -> np.ndarray:
    """Draws the found things beside the true ones, each in a colour of its own, with their counts.

    A found thing has the colour of the true one that it matches (same class, IoU above 0.5) and
    both a thin white outline; true things that are missed, and found ones that match none, have a
    thick outline in the colour of that error.

    Args:
        image: uint8 (H, W, 3).
        truth: The true things; None draws those found alone.
        prediction: Those found.
        names: The class names.
        score_threshold: From which score on a thing counts.
        side: Longer side of the image as it is drawn, px.

    Returns:
        uint8 (H', W', 3).

    Example:
        >>> one = Instances(np.ones((96, 96), int), np.array([0]), np.ones(1))
        >>> shown = instances_picture(np.zeros((96, 96, 3), np.uint8), one, one, ["cell"])
        >>> shown.dtype, shown.shape[1]
        (dtype('uint8'), 744)
    """
    found = things_above(prediction, score_threshold)
    right = Panel(image, f"predicted: {_counted(found, names)}", side)
    if truth is None:
        _paint(right, found, list(range(len(found))), names, None, [])
        return compose([right])
    left = Panel(image, f"true: {_counted(truth, names)}", side)
    pairs, missed, false = judge_things(truth, found)
    partner = {d: t for t, d, _ in pairs}
    spare = iter(range(len(truth), len(truth) + len(found)))
    numbers = [partner[d] if d in partner else next(spare) for d in range(len(found))]
    _paint(left, truth, list(range(len(truth))), names, "missed", missed)
    _paint(right, found, numbers, names, "background", false)
    legend = []
    if missed:
        legend.append(Entry(KIND_COLOURS["missed"], f"{len(missed)} missed"))
    if false:
        legend.append(Entry(KIND_COLOURS["background"], f"{len(false)} found that match none"))
    if (truth.ids < 0).any():
        legend.append(Entry(_UNKNOWN, "not known"))
    return compose([left, right], legend)


def _counted(things: Instances, names: Sequence[str]) -> str:
    """Such as ``14 (9 red, 5 white)``."""
    if len(names) == 1 or not len(things):
        return str(len(things))
    kinds = Counter(int(k) for k in things.classes).most_common()
    return f"{len(things)} ({', '.join(f'{n} {name_of(names, k)}' for k, n in kinds)})"


def _paint(
    panel: Panel, things: Instances, numbers: Sequence[int], names: Sequence[str],
    error: str | None, wrong: Sequence[int],
) -> None:  # fmt: skip
    panel.fade()
    ids = panel.on_panel(things.ids)
    panel.hatch(ids < 0)
    for k, number in enumerate(numbers):
        mask = ids == k + 1
        panel.tint(mask, colour_of(number))
    for k in sorted(range(len(things)), key=lambda k: k in wrong):
        mask = ids == k + 1
        if k in wrong:
            panel.outline(mask, KIND_COLOURS[error], 2)
        else:
            panel.outline(mask, LIGHT_LINE)
    if len(names) == 1:
        return
    for k, number in enumerate(numbers):
        rows, columns = np.nonzero(things.ids == k + 1)
        if len(rows):
            middle = columns.mean() + 0.5, rows.mean() + 0.5
            panel.words(*middle, name_of(names, int(things.classes[k])), colour_of(number))
