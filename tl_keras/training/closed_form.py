"""A softmax head on frozen features that is computed, not trained: seconds for any number."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tl_keras.errors import InputError
from tl_keras.training.prototypes import prototypes
from tl_keras.training.ridge import ridge

SOLVERS = ("prototypes", "ridge")
# Of scores to logits.
_SCALES = np.geomspace(0.5, 200, 50)
# Where no class has two images: what suits most of the sets of benchmarks/few_shot.py.
_LONE_SCALES = {"prototypes": 3.0, "ridge": 5.0}
_LONE_PENALTY = 1.0


class ClosedHead(NamedTuple):
    """A Dense layer for features, with a softmax behind it.

    Attributes:
        kernel: float32 (D, K).
        bias: float32 (K,).
        left_out: Accuracy on each image when it is left out of the fit, 0..1; None where no class
            has two.

    Example:
        >>> head = closed_form_head(np.eye(4), np.array([0, 0, 1, 1]), 2, "ridge")
        >>> head.kernel.shape, head.bias.dtype
        ((4, 2), dtype('float32'))
    """

    kernel: np.ndarray
    bias: np.ndarray
    left_out: float | None

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """float64 (N, K), of features (N, D)."""
        return softmax(np.asarray(features, "float64") @ self.kernel + self.bias)


def closed_form_head(
    features: np.ndarray, labels: np.ndarray, classes: int, solver: str = "ridge"
) -> ClosedHead:
    """Compute a head from features of a frozen backbone.

    The fit gives scores; what they are multiplied with to become logits, and the penalty of the
    ridge, are what gives the images that are left out of the fit the least cross-entropy.  Its
    targets are Platt's (1999), not quite 0 and 1, so that a perfect separation has a finite answer.
    With one image of each class both are constants.

    Args:
        features: (N, D), finite.
        labels: Integers (N,), every class at least once.
        classes: How many there are.
        solver: ``"ridge"`` (:func:`tl_keras.training.ridge.ridge`) or ``"prototypes"``
            (:func:`tl_keras.training.prototypes.prototypes`).

    Returns:
        The head.

    Raises:
        InputError: A class has no image, a feature is not finite, or there is no such solver.

    Example:
        >>> x = np.concatenate([np.zeros((5, 2)), np.ones((5, 2))])
        >>> head = closed_form_head(x, np.repeat([0, 1], 5), 2, "prototypes")
        >>> head.probabilities(x).argmax(axis=1).tolist()
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    """
    check_solver(solver)
    x, labels = np.asarray(features), np.asarray(labels)
    if x.ndim != 2 or labels.shape != x.shape[:1] or not np.isfinite(x).all():
        raise InputError(
            f"a head in closed form needs finite features (N, D) and labels (N,); got {x.shape}, "
            f"{labels.shape}"
        )
    counts = np.bincount(labels, minlength=classes)
    if not counts.all():
        raise InputError(
            f"class {int(np.argmin(counts))} of {classes} has no image to learn from; a head in "
            "closed form needs one or more of each"
        )
    several = counts[labels] > 1
    if solver == "prototypes":
        fit = prototypes(x, labels, classes)
    else:

        def judge(rows: np.ndarray, scores: np.ndarray) -> float:
            # What a class is without its only image, nobody can say.
            known = several[rows]
            return _scaled(scores[known], labels[rows[known]])[1]

        penalty = None if several.any() else _LONE_PENALTY
        fit = ridge(x, np.eye(classes)[labels], judge=judge, penalty=penalty)
        known = several[fit.rows]
        fit = fit._replace(rows=fit.rows[known], left_out=fit.left_out[known])
    truths = labels[fit.rows]
    if len(truths):
        scale = _scaled(fit.left_out, truths)[0]
        right = float((fit.left_out.argmax(axis=1) == truths).mean())
    else:
        scale, right = _LONE_SCALES[solver], None
    return ClosedHead(
        (fit.kernel * scale).astype("float32"), (fit.bias * scale).astype("float32"), right
    )


def check_solver(solver: str, known: Sequence[str] = SOLVERS) -> None:
    """Refuse a way of solving that is none.

    Args:
        solver: Its name.
        known: Those there are.

    Raises:
        InputError: It is none of them.

    Example:
        >>> check_solver("ridge")
    """
    if solver not in known:
        raise InputError(f"solver={solver!r} is unknown; give one of {', '.join(known)}")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of the last axis.

    Example:
        >>> softmax(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """
    return np.exp(_log_softmax(logits))


def _scaled(scores: np.ndarray, truths: np.ndarray) -> tuple[float, float]:
    """The factor from scores to logits that gives the least cross-entropy, and that."""
    if not len(truths):
        return 1.0, 0.0
    wrong = 1 / (len(truths) + 2)
    targets = np.full(scores.shape, wrong / max(scores.shape[1] - 1, 1))
    targets[np.arange(len(truths)), truths] = 1 - wrong
    losses = [-(targets * _log_softmax(factor * scores)).sum(axis=1).mean() for factor in _SCALES]
    best = int(np.argmin(losses))
    return float(_SCALES[best]), float(losses[best])


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
