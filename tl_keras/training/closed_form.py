"""A softmax head on frozen features that is computed, not trained: seconds for any number."""

from typing import NamedTuple

import numpy as np

from tl_keras.errors import InputError
from tl_keras.training.prototypes import prototypes
from tl_keras.training.ridge import LinearFit, ridge

SOLVERS = ("prototypes", "ridge")
# Of scores to logits.
_SCALES = np.geomspace(0.5, 200, 100)
# Where no class has two images: about what is found with two on four sets (benchmarks/few_shot.py).
_LONE_SCALES = {"prototypes": 10.0, "ridge": 10.0}
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

    The fit gives scores; what they are multiplied with to become logits is what gives the images
    that are left out of the fit the least cross-entropy, with Platt's targets (1999), which are
    not quite 0 and 1 so that a perfect separation has a finite answer.

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
    if solver == "prototypes":
        fit = prototypes(x, labels, classes)
    else:
        # What a class is without its only image, nobody can say.
        counted = counts[labels] > 1
        penalty = None if counted.any() else _LONE_PENALTY
        fit = ridge(x, np.eye(classes)[labels], counted=counted, penalty=penalty)
        kept = counted[fit.rows]
        fit = fit._replace(rows=fit.rows[kept], left_out=fit.left_out[kept])
    truths = labels[fit.rows]
    scale = _scale(fit, truths, solver)
    right = float((fit.left_out.argmax(axis=1) == truths).mean()) if len(truths) else None
    return ClosedHead(
        (fit.kernel * scale).astype("float32"), (fit.bias * scale).astype("float32"), right
    )


def check_solver(solver: str) -> None:
    """Refuse a way of solving that is none.

    Raises:
        InputError: It is not one of :data:`SOLVERS`.

    Example:
        >>> check_solver("ridge")
    """
    if solver not in SOLVERS:
        raise InputError(f"solver={solver!r} is unknown; give one of {', '.join(SOLVERS)}")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of the last axis.

    Example:
        >>> softmax(np.array([[0.0, 0.0]])).tolist()
        [[0.5, 0.5]]
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _scale(fit: LinearFit, truths: np.ndarray, solver: str) -> float:
    if not len(truths):
        return _LONE_SCALES[solver]
    classes = fit.left_out.shape[1]
    wrong = 1 / (len(truths) + 2)
    targets = np.full(fit.left_out.shape, wrong / max(classes - 1, 1))
    targets[np.arange(len(truths)), truths] = 1 - wrong
    losses = [
        -(targets * np.log(softmax(scale * fit.left_out) + 1e-300)).sum() for scale in _SCALES
    ]
    return float(_SCALES[int(np.argmin(losses))])
