"""Which found thing is which true one: what pictures and lists of the worst images show."""

import numpy as np

from tl_keras.data.instances import Instances


def things_above(things: Instances, score: float) -> Instances:
    """The things of at least that score, numbered anew.

    Example:
        >>> two = Instances(np.array([[1, 2]]), np.array([0, 0]), np.array([0.2, 0.9]))
        >>> things_above(two, 0.5).ids.tolist()
        [[0, 1]]
    """
    kept = np.flatnonzero(things.scores >= score)
    number = np.zeros(len(things) + 2, np.int32)
    number[kept + 1], number[-1] = np.arange(1, len(kept) + 1), -1
    return Instances(number[things.ids], things.classes[kept], things.scores[kept])


def judge_things(
    true: Instances, found: Instances
) -> tuple[list[tuple[int, int, float]], list[int], list[int]]:
    """Match things as panoptic quality does (Kirillov et al. 2019, arXiv:1801.00868).

    Args:
        true: The true things of an image.
        found: Those found in it, on a map of the same size.

    Returns:
        The matches as (number of the true thing, of the found one, IoU): of one class and with an
        IoU above 0.5, unknown pixels left out; the true things that nothing matches; the found ones
        that match nothing, without those that lie on unknown pixels by more than half.

    Example:
        >>> one = Instances(np.ones((2, 2), int), np.array([0]), np.ones(1))
        >>> judge_things(one, one)
        ([(0, 0, 1.0)], [], [])
    """
    wide = len(found) + 1
    known = true.ids >= 0
    cells = true.ids[known].astype(np.int64) * wide + found.ids[known]
    both = np.bincount(cells, minlength=(len(true) + 1) * wide).reshape(-1, wide)
    areas = both.sum(axis=1, keepdims=True), both.sum(axis=0)
    iou = both / np.maximum(areas[0] + areas[1] - both, 1)
    same = true.classes[:, None] == found.classes
    rows, columns = np.nonzero(same & (iou[1:, 1:] > 0.5))
    pairs = [(int(t), int(d), float(iou[t + 1, d + 1])) for t, d in zip(rows, columns, strict=True)]
    whole = np.bincount(found.ids[found.ids > 0], minlength=wide)[1:]
    hidden = areas[1][1:] * 2 < whole
    matched_true, matched_found = set(rows.tolist()), set(columns.tolist())
    missed = [t for t in range(len(true)) if t not in matched_true]
    false = [d for d in range(len(found)) if d not in matched_found and not hidden[d]]
    return pairs, missed, false
