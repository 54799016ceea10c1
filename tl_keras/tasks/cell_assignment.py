"""Which cells of a detector answer for which box: task-aligned assignment, with static shapes."""

from typing import Any, NamedTuple

import keras
import numpy as np

from tl_keras.builders.box_geometry import pairwise_iou

TOP_CELLS = 8
"""Cells that answer for one box at most."""
SCORE_POWER, OVERLAP_POWER = 1.0, 4.0
"""Exponents of the score and of the IoU in the alignment of a cell with a box."""

_TINY = 1e-12


class Assignment(NamedTuple):
    """What every cell should say.

    Attributes:
        classes: (B, N, C): 0, but for the class of the cell's box how good the cell is for it,
            0..1; the best cell of a box is as good as the IoU of the best of its cells.
        boxes: (B, N, 4), the cell's box; zeros where it has none.
        counts: (B, N), 1, or 0 for cells on ignored boxes, which need say nothing.
    """

    classes: Any
    boxes: Any
    counts: Any


def cell_grid(image_size: int, strides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Centres and strides of a detector's cells, in the order of its output.

    Args:
        image_size: Side of the square image, px.
        strides: Of the maps.

    Returns:
        float32 (N, 2), ``x, y`` in px; float32 (N,), px.

    Example:
        >>> centres, strides = cell_grid(32, (16,))
        >>> centres.tolist()
        [[8.0, 8.0], [24.0, 8.0], [8.0, 24.0], [24.0, 24.0]]
    """
    centres, sizes = [], []
    for stride in strides:
        side = (np.arange(-(-image_size // stride)) + 0.5) * stride
        across, down = np.meshgrid(side, side)
        centres.append(np.stack([across, down], -1).reshape(-1, 2))
        sizes.append(np.full(len(side) ** 2, stride))
    return np.concatenate(centres).astype("float32"), np.concatenate(sizes).astype("float32")


def assign_cells(
    targets: Any, scores: Any, boxes: Any, centres: np.ndarray, strides: np.ndarray
) -> Assignment:
    """Assign cells to boxes by what the cells say now.

    Task-aligned assignment (Feng et al. 2021, arXiv:2108.07755; as in YOLOv8): candidates of a box
    are the cells whose centre lies in it, and those that hold its centre, so that no box is too
    small for all; of these the ``TOP_CELLS`` with the highest ``score ** 1 * IoU ** 4`` answer
    for it; a cell wanted by two answers for the one it overlaps most.

    Args:
        targets: float32 (B, M, 6): ``x1, y1, x2, y2`` in px, class, flag: 1 counts, 0 padding, -1
            ignored.
        scores: float32 (B, N, C), 0..1, as the model says.
        boxes: float32 (B, N, 4), px, as the model says.
        centres: (N, 2), of :func:`cell_grid`.
        strides: (N,), likewise.

    Returns:
        The assignment, with no gradient.

    Example:
        >>> centres, strides = cell_grid(32, (16,))
        >>> targets = np.float32([[[0, 0, 16, 16, 1, 1]]])
        >>> said = np.concatenate([centres - 8, centres + 8], -1)[None]
        >>> scores = np.full((1, 4, 2), 0.5, "float32")
        >>> found = assign_cells(targets, scores, said, centres, strides)
        >>> np.asarray(found.classes)[0].round(2).tolist()
        [[0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """
    ops = keras.ops
    scores, boxes = ops.stop_gradient(scores), ops.stop_gradient(boxes)
    true = targets[..., :4]
    flags = targets[..., 5]
    classes = scores.shape[-1]
    one_hot = ops.one_hot(ops.cast(targets[..., 4], "int32"), classes, dtype=scores.dtype)
    overlaps = pairwise_iou(boxes, true)  # (B, N, M), like all that follows

    inside = _inside(true, centres)
    middle = (true[:, None, :, :2] + true[:, None, :, 2:]) / 2
    off = ops.max(ops.abs(centres[None, :, None] - middle), -1) / strides[None, :, None]
    real = flags[:, None] > 0
    candidate = ops.logical_and(ops.logical_or(inside, off <= 0.5), real)
    fit = ops.power(ops.einsum("bnc,bmc->bnm", scores, one_hot) + _TINY, SCORE_POWER)
    # Where nothing overlaps yet, the cells nearest to the middle lead.
    fit = fit * ops.power(overlaps, OVERLAP_POWER) + _TINY * ops.exp(-off)
    fit = ops.where(candidate, fit, 0.0)

    by_box = ops.transpose(fit, (0, 2, 1))
    least = ops.top_k(by_box, min(TOP_CELLS, centres.shape[0]))[0][..., -1]
    wanted = ops.logical_and(fit >= least[:, None], fit > 0)
    owner = ops.argmax(ops.where(wanted, overlaps + _TINY, 0.0), -1)
    own = ops.one_hot(owner, targets.shape[1], dtype=scores.dtype)
    own = own * ops.cast(wanted, scores.dtype)

    fit = fit * own
    best = ops.max(overlaps * own, axis=1, keepdims=True)
    goodness = fit / ops.maximum(ops.max(fit, axis=1, keepdims=True), _TINY * _TINY) * best
    taken = ops.sum(own, -1)
    on_ignored = ops.any(ops.logical_and(inside, flags[:, None] < 0), -1)
    left_out = ops.logical_and(on_ignored, taken == 0)
    return Assignment(
        *(
            ops.stop_gradient(part)
            for part in (
                ops.einsum("bnm,bmc->bnc", goodness, one_hot),
                ops.einsum("bnm,bmk->bnk", own, true),
                1.0 - ops.cast(left_out, scores.dtype),
            )
        )
    )


def _inside(true: Any, centres: np.ndarray) -> Any:
    """(B, N, M): whether a cell's centre lies in a box."""
    ops = keras.ops
    point = centres[None, :, None]
    from_low = ops.min(point - true[:, None, :, :2], -1)
    to_high = ops.min(true[:, None, :, 2:] - point, -1)
    return ops.logical_and(from_low > 0, to_high > 0)
