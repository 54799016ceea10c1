"""Which images a model does worst on, and in what: the order of a report's pictures."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tl_keras.data.instances import Instances
from tl_keras.evaluation.box_metrics import box_iou
from tl_keras.evaluation.detection_errors import KINDS, answers_of, judge_image
from tl_keras.evaluation.instance_errors import judge_things, things_above
from tl_keras.evaluation.picture_words import name_of

# A double or a loose box still shows the thing; the others lead astray.
_WEIGHTS = {"bad_box": 0.5, "double": 0.5}


class Judged(NamedTuple):
    """What became of one image.

    Attributes:
        index: Of the image.
        caption: A few words on what is wrong with the prediction.
        badness: 0 where nothing is; higher is worse.  Its unit is the task's own.
    """

    index: int
    caption: str
    badness: float


def worst_classified(truths: Any, predictions: Any, names: Sequence[str]) -> list[Judged]:
    """Images by how little probability their class was given.

    Args:
        truths: int (N,), the class of each image.
        predictions: (N, C), probabilities of the C classes.
        names: The C names.

    Returns:
        All images, the worst first; badness is the log loss, nats.

    Example:
        >>> worst_classified([1], [[0.75, 0.25]], ["cat", "dog"])[0].caption
        'dog taken for cat (0.75), dog 0.25'
    """
    judged = []
    for i, (truth, row) in enumerate(zip(truths, predictions, strict=True)):
        truth, answer, row = int(truth), int(np.argmax(row)), np.asarray(row, "float64")
        true, sure = name_of(names, truth), row[answer]
        said = f"{true}, right ({sure:.2f})"
        if answer != truth:
            said = (
                f"{true} taken for {name_of(names, answer)} ({sure:.2f}), {true} {row[truth]:.2f}"
            )
        judged.append(Judged(i, said, -float(np.log(max(row[truth], 1e-7)))))
    return _sorted(judged)


def worst_localized(
    truths: Iterable[Any], predictions: Iterable[Any], names: Sequence[str]
) -> list[Judged]:
    """Images by how wrong box and class are.

    Args:
        truths: Of each image (6,): ``x1, y1, x2, y2``, class (-1: none), flag (1: there is a box).
        predictions: Of each (4 + C,): a box, then the probabilities of the C classes.
        names: The C names.

    Returns:
        All images, the worst first: those of a wrong class, and in each half the lowest IoU.

    Example:
        >>> worst_localized([[0, 0, 4, 4, 1, 1]], [[0, 0, 4, 2, 0.9, 0.1]], ["cat", "dog"])
        [Judged(index=0, caption='dog taken for cat (0.90), IoU 0.50', badness=1.5)]
    """
    judged = []
    for i, (truth, row) in enumerate(zip(truths, predictions, strict=True)):
        truth, row = np.asarray(truth, "float64"), np.asarray(row, "float64")
        label, answer = int(truth[4]), int(row[4:].argmax())
        said, badness = [], 0.0
        if label not in (-1, answer):
            badness += 1.0
            sure = row[4 + answer]
            said.append(f"{name_of(names, label)} taken for {name_of(names, answer)} ({sure:.2f})")
        elif label >= 0:
            said.append(f"{name_of(names, label)}, right")
        if truth[5] > 0:
            iou = float(box_iou(truth[:4], row[:4]))
            badness += 1.0 - iou
            said.append(f"IoU {iou:.2f}")
        else:
            said.append("no box to compare")
        judged.append(Judged(i, ", ".join(said), badness))
    return _sorted(judged)


def worst_detected(
    truths: Iterable[Any],
    predictions: Iterable[Any],
    names: Sequence[str],
    score_threshold: float = 0.0,
) -> list[Judged]:
    """Images by their errors, of which a bad box and a double count half.

    Args:
        truths: Of each image (M, 6): ``x1, y1, x2, y2``, class, flag (1 counts, -1 ignored, 0
            padding).
        predictions: Of each (K, 6): ``x1, y1, x2, y2``, class, score (0: none).
        names: The class names.
        score_threshold: From which score on a detection is an answer.

    Returns:
        All images, the worst first.

    Example:
        >>> worst_detected([[[0, 0, 4, 4, 0, 1]]], [np.zeros((0, 6))], ["cell"])
        [Judged(index=0, caption='1 missed (cell); 0 of 1 found', badness=1.0)]
    """
    judged = []
    for i, (truth, found) in enumerate(zip(truths, predictions, strict=True)):
        boxes = np.asarray(truth, "float64").reshape(-1, 6)
        boxes = boxes[boxes[:, 5] != 0]
        answers = answers_of(found, score_threshold)
        kinds, missed, _ = judge_image(boxes, answers)
        of_class = [*answers[:, 4].astype(int), *boxes[missed, 4].astype(int)]
        pairs = Counter(zip([*kinds, *["missed"] * sum(missed)], of_class, strict=True))
        said, badness = [], 0.0
        for kind in reversed(KINDS):
            which = {k: n for (one, k), n in pairs.items() if one == kind}
            if not which or kind == "right":
                continue
            badness += _WEIGHTS.get(kind, 1.0) * sum(which.values())
            classes = ", ".join(name_of(names, k) for k in sorted(which))
            said.append(f"{sum(which.values())} {kind.replace('_', ' ')} ({classes})")
        right = sum(kind == "right" for kind in kinds)
        total = f"{right} of {int((boxes[:, 5] > 0).sum())} found"
        judged.append(Judged(i, "; ".join([*said, total]), badness))
    return _sorted(judged)


def worst_segmented(
    truths: Iterable[Any], predictions: Iterable[Any], names: Sequence[str]
) -> list[Judged]:
    """Images by their mean IoU, over the classes that truth or prediction has.

    Args:
        truths: Of each image ints (H, W), outside 0..C-1 (255): not known.
        predictions: Of each ints (H, W), classes 0..C-1.
        names: The C names.

    Returns:
        All images, the worst first, last those of which nothing is known.

    Example:
        >>> worst_segmented([[[0, 1]]], [[[0, 0]]], ["ground", "sky"])
        [Judged(index=0, caption='mean IoU 0.25, lowest sky 0.00', badness=0.75)]
    """
    judged = []
    for i, (truth, found) in enumerate(zip(truths, predictions, strict=True)):
        truth, found = np.asarray(truth), np.asarray(found)
        known = (truth >= 0) & (truth < len(names))
        truth, found = truth[known], found[known]
        if not truth.size:
            judged.append(Judged(i, "nothing is known of it", 0.0))
            continue
        iou = {
            int(k): float(((truth == k) & (found == k)).sum() / ((truth == k) | (found == k)).sum())
            for k in np.union1d(truth, found)
        }
        mean, low = float(np.mean(list(iou.values()))), min(np.unique(truth).tolist(), key=iou.get)
        said = f"mean IoU {mean:.2f}, lowest {name_of(names, low)} {iou[low]:.2f}"
        judged.append(Judged(i, said, 1.0 - mean))
    return _sorted(judged)


def worst_instances(
    truths: Iterable[Instances],
    predictions: Iterable[Instances],
    names: Sequence[str],
    score_threshold: float = 0.0,
) -> list[Judged]:
    """Images by their panoptic quality of things, all classes as one heap.

    Args:
        truths: The true things of each image.
        predictions: Those found.
        names: The class names.
        score_threshold: From which score on a thing counts.

    Returns:
        All images, the worst first; of equal ones first that with the more errors.

    Example:
        >>> one = Instances(np.ones((4, 4), int), np.array([0]), np.ones(1))
        >>> worst_instances([one], [one], ["cell"])
        [Judged(index=0, caption='1 true, 1 found; panoptic quality 1.00', badness=0.0)]
    """
    judged, errors = [], []
    for i, (truth, answer) in enumerate(zip(truths, predictions, strict=True)):
        found = things_above(answer, score_threshold)
        pairs, missed, false = judge_things(truth, found)
        marks = len(pairs) + (len(missed) + len(false)) / 2
        quality = sum(iou for *_, iou in pairs) / marks if marks else 1.0
        said = f"{len(truth)} true, {len(pairs) + len(false)} found"
        for count, what in ((len(missed), "missed"), (len(false), "found that match none")):
            said += f", {count} {what}" if count else ""
        if marks:
            said += f"; panoptic quality {quality:.2f}"
        judged.append(Judged(i, said, 1.0 - quality))
        errors.append(len(missed) + len(false))
    return sorted(judged, key=lambda one: (-one.badness, -errors[one.index], one.index))


def _sorted(judged: list[Judged]) -> list[Judged]:
    return sorted(judged, key=lambda one: (-one.badness, one.index))
