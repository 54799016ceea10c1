"""Whether an exported file says what the model says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.evaluation.box_metrics import box_iou

if TYPE_CHECKING:
    from tl_keras.tasks.task import Task

#: Least share of equal answers.
AGREEMENT = 0.99
# Boxes or masks that overlap less are not the same.
_SAME = 0.9
# What a figure is taken to vary by at least, of its full range: float32 has no more digits.
_STILL = 1e-4


@dataclass(frozen=True)
class Parity:
    """How two sets of outputs for the same images compare.

    Attributes:
        largest: Of each kind of figure by name (``"probabilities"``, ``"logits"``, ``"score"``,
            ``"box_px"``), the largest difference; of what is found, that of equal answers.
        allowed: Of each, the largest that is tolerated.
        agreement: Share of equal answers.
        compared: How many answers that is a share of: 0 says nothing.
        answers: What they are, such as ``"boxes"``.
    """

    largest: Mapping[str, float]
    allowed: Mapping[str, float]
    agreement: float
    compared: int
    answers: str

    @property
    def holds(self) -> bool:
        """Whether one may stand for the other."""
        # Written so that a NaN does not pass.
        close = all(self.largest[name] <= self.allowed[name] for name in self.largest)
        return close and self.agreement >= AGREEMENT

    def said(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "largest_difference": {k: _finite(v) for k, v in self.largest.items()},
            "allowed": dict(self.allowed),
            "agreement": _finite(self.agreement),
            "compared": self.compared,
            "answers": self.answers,
        }


def parity(
    task: "Task",
    true: Mapping[str, np.ndarray],
    found: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
    tolerance: float,
) -> Parity:
    """Compare outputs of an exported file with those of the model it was made of.

    Figures may differ by ``tolerance`` of what they vary by over the images, so that a model that
    says nearly the same of everything is held to more digits; of things found, scores by
    ``tolerance`` and boxes by that share of the image.  An answer counts as equal where it is the
    same, or where the model itself had both within that tolerance; a box or thing where class and
    score are, and 0.9 of it overlaps.

    Args:
        task: Of the model.
        true: The model's outputs by name, of N images.
        found: The file's, for the same images.
        settings: Of the model, such as thresholds.
        tolerance: Share that is tolerated.

    Returns:
        The comparison.

    Example:
        >>> from tl_keras.tasks.registry import get_task
        >>> outputs = {"probabilities": np.eye(2, dtype="float32")}
        >>> parity(get_task("classify"), outputs, outputs, {}, 0.01).agreement
        1.0
    """
    return _COMPARISONS[task.name](true, found, settings, tolerance)


def _figures(true: Any, found: Any, tolerance: float, full: float) -> tuple[float, float]:
    """The largest difference, and the largest that is tolerated."""
    varies = float(np.ptp(true, axis=0).max())
    return float(np.abs(true - found).max()), tolerance * max(varies, _STILL * full)


def _among_best(true: Any, found: Any, slack: float) -> Any:
    """Whether what is found most probable is so of the true ones, too, up to so much."""
    chosen = np.take_along_axis(true, found.argmax(-1)[..., None], -1)[..., 0]
    return chosen >= true.max(-1) - slack


def _classes(answers: str, true: Any, found: Any, settings: Any, tolerance: float) -> Parity:
    ((name, true),) = true.items()
    found = found[name]
    largest, allowed = _figures(true, found, tolerance, 1.0)
    same = _among_best(true, found, allowed)
    return Parity({name: largest}, {name: allowed}, float(same.mean()), same.size, answers)


def _tags(true: Any, found: Any, settings: Any, tolerance: float) -> Parity:
    ((name, true),) = true.items()
    found = found[name]
    largest, allowed = _figures(true, found, tolerance, 1.0)
    cut = np.asarray(settings.get("thresholds", 0.5))
    cut = cut if name == "probabilities" else np.log(cut / (1 - cut))
    same = ((true >= cut) == (found >= cut)) | (np.abs(true - cut) <= allowed)
    return Parity({name: largest}, {name: allowed}, float(same.mean()), same.size, "tags")


def _vectors(true: Any, found: Any, settings: Any, tolerance: float) -> Parity:
    ((name, true),) = true.items()
    found = found[name]
    largest, allowed = _figures(true, found, tolerance, 1.0)
    # What a search does: the nearest of the true vectors, asked with those found, is their own.
    cosines = found @ true.T
    same = np.diag(cosines) >= cosines.max(-1) - allowed
    return Parity({name: largest}, {name: allowed}, float(same.mean()), same.size, "images")


def _localized(true: Any, found: Any, settings: Any, tolerance: float) -> Parity:
    ((name, true),) = true.items()
    found = found[name]
    px, px_allowed = _figures(true[:, :4], found[:, :4], tolerance, np.abs(true[:, :4]).max())
    largest, allowed = _figures(true[:, 4:], found[:, 4:], tolerance, 1.0)
    same = _among_best(true[:, 4:], found[:, 4:], allowed)
    same &= np.abs(true[:, :4] - found[:, :4]).max(-1) <= px_allowed
    return Parity(
        {"box_px": px, "probabilities": largest},
        {"box_px": px_allowed, "probabilities": allowed},
        float(same.mean()), len(same), "boxes",
    )  # fmt: skip


def _detections(true: Any, found: Any, settings: Any, tolerance: float) -> Parity:
    pairs = []
    for both in zip(true["detections"], found["detections"], strict=True):
        ours, theirs = (rows[rows[:, 5] > 0] for rows in both)
        pairs.append((ours, theirs, box_iou(ours[:, None, :4], theirs[None, :, :4])))
    return _matched(pairs, tolerance, "boxes")


def _things(true: Any, found: Any, settings: Any, tolerance: float) -> Parity:
    pairs = []
    for i in range(len(true["ids"])):
        both = [outputs["things"][i] for outputs in (true, found)]
        both = [rows[rows[:, 5] > 0] for rows in both]
        masks = [
            (outputs["ids"][i].reshape(-1) == np.arange(1, len(rows) + 1)[:, None]).astype("f8")
            for outputs, rows in zip((true, found), both, strict=True)
        ]
        shared = masks[0] @ masks[1].T
        union = masks[0].sum(-1)[:, None] + masks[1].sum(-1) - shared
        pairs.append((*both, shared / np.maximum(union, 1)))
    return _matched(pairs, tolerance, "things")


def _matched(
    pairs: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], tolerance: float, answers: str
) -> Parity:
    """Of each image two lists of rows (box, class, score), and how far each two overlap."""
    scores = [rows[:, 5] for pair in pairs for rows in pair[:2]]
    # Whether the very last ones are listed, a last digit may decide: missing, they do not count.
    edge = min((score.min() for score in scores if len(score)), default=0.0) + tolerance
    side = max((rows[:, :4].max() for pair in pairs for rows in pair[:2] if len(rows)), default=1.0)
    apart, equal, alone = [np.zeros(6)], 0, 0
    for ours, theirs, overlap in pairs:
        like = (overlap >= _SAME) & (ours[:, None, 4] == theirs[None, :, 4])
        like &= np.abs(ours[:, None, 5] - theirs[None, :, 5]) <= tolerance
        left = np.ones(len(theirs), bool)
        for row, fits, iou in zip(ours, like, overlap, strict=True):
            fits = fits & left
            if fits.any():
                best = np.where(fits, iou, -1.0).argmax()
                left[best] = False
                apart.append(np.abs(row - theirs[best]))
                equal += 1
            else:
                alone += row[5] > edge
        alone += (theirs[left, 5] > edge).sum()
    most = np.max(apart, axis=0)
    return Parity(
        {"box_px": float(most[:4].max()), "score": float(most[5])},
        {"box_px": float(tolerance * side), "score": tolerance},
        float(equal / max(equal + alone, 1)), int(equal + alone), answers,
    )  # fmt: skip


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


_COMPARISONS: dict[str, Callable[[Any, Any, Any, float], Parity]] = {
    "classify": partial(_classes, "images"),
    "tag": _tags,
    "localize": _localized,
    "detect": _detections,
    "segment": partial(_classes, "pixels"),
    "embed": _vectors,
    "instances": _things,
}
