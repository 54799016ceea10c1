"""Losses on cosines to class vectors (``margin_head``): ArcFace, CosFace, proxy-anchor."""

import math
from typing import Any

import keras

from tl_keras.errors import InputError
from tl_keras.tasks.embedding_loss import NEVER, EmbeddingLoss, class_numbers

# Next to a cosine of 1 the sine's slope has no bound.
_LARGEST_COSINE = 1 - 1e-6


class _MarginLoss(EmbeddingLoss):
    """Cross-entropy of scaled cosines, of which the true class's is lowered first."""

    of_cosines = True
    margin: float
    scale: float

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each image, (B,); see the class."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        true = class_numbers(y_true)[:, None] == ops.arange(y_pred.shape[-1], dtype="int32")
        logits = self.scale * ops.where(true, self._lowered(y_pred), y_pred)
        return ops.logsumexp(logits, -1) - ops.sum(ops.where(true, logits, 0.0), -1)


@keras.saving.register_keras_serializable(package="tl_keras")
class ArcFaceLoss(_MarginLoss):
    """Additive angular margin: the angle to the true class counts as wider than it is.

    Deng et al. 2019 (arXiv:1801.07698), equation 3: cross-entropy of ``s·cos(θ + m)`` for the true
    class and ``s·cos θ`` for the others.  Where ``θ + m`` passes π, ``s·(cos θ - m·sin m)`` goes on
    falling in its place, as in the authors' code.

    Args:
        margin: m, radians, above 0 and below π / 2; the paper takes 0.5.
        scale: s, above 0; the paper takes 64, for tens of thousands of people.

    Call: labels, integers (B,) or (B, 1), and cosines (B, K) of ``margin_head`` -> a scalar.

    Raises:
        InputError: A value is out of range.

    Example:
        >>> loss = ArcFaceLoss(margin=0.5, scale=1)
        >>> round(float(loss([0], [[0.0, 0.0]])), 3)  # log(1 + e^(0 - cos(π/2 + 0.5)))
        0.961
    """

    def __init__(
        self, margin: float = 0.5, scale: float = 64.0, *, name: str = "arcface", **options: Any
    ):
        super().__init__(name, {"margin": margin, "scale": scale}, **options)
        if self.margin >= math.pi / 2:
            raise InputError(f"margin={margin!r} is an angle in radians; give 0 < margin < 1.57")

    def _lowered(self, cosines: Any) -> Any:
        ops, m = keras.ops, self.margin
        safe = ops.clip(cosines, -_LARGEST_COSINE, _LARGEST_COSINE)
        turned = safe * math.cos(m) - ops.sqrt(1 - safe * safe) * math.sin(m)
        return ops.where(cosines > -math.cos(m), turned, cosines - m * math.sin(m))


@keras.saving.register_keras_serializable(package="tl_keras")
class CosFaceLoss(_MarginLoss):
    """Large margin cosine loss: the cosine to the true class counts as smaller than it is.

    Wang et al. 2018 (arXiv:1801.09414), equation 4: cross-entropy of ``s·(cos θ - m)`` for the true
    class and ``s·cos θ`` for the others.

    Args:
        margin: m, above 0; the paper takes 0.35.
        scale: s, above 0; the paper takes 64, and shows (equation 6) that fewer classes need less.

    Call: labels, integers (B,) or (B, 1), and cosines (B, K) of ``margin_head`` -> a scalar.

    Raises:
        InputError: A value is out of range.

    Example:
        >>> loss = CosFaceLoss(margin=0.35, scale=1)
        >>> round(float(loss([0], [[0.35, 0.0]])), 4)  # log 2
        0.6931
    """

    def __init__(
        self, margin: float = 0.35, scale: float = 64.0, *, name: str = "cosface", **options: Any
    ):
        super().__init__(name, {"margin": margin, "scale": scale}, **options)

    def _lowered(self, cosines: Any) -> Any:
        return cosines - self.margin


@keras.saving.register_keras_serializable(package="tl_keras")
class ProxyAnchorLoss(EmbeddingLoss):
    """Every class vector pulls all images of its class in the batch, and pushes all others.

    Kim et al. 2020 (arXiv:2003.13911), equation 4: the mean over classes that are in the batch of
    ``log(1 + Σ exp(-α(cos - δ)))`` over their images, plus the mean over all classes of
    ``log(1 + Σ exp(α(cos + δ)))`` over the images of other classes.

    Args:
        margin: δ, above 0; the paper takes 0.1.
        scale: α, above 0; the paper takes 32.

    Call: labels, integers (B,) or (B, 1), and cosines (B, K) of ``margin_head`` -> a scalar.  It is
    a loss of the batch, the same for each of its images: weights of single images scale all of it.

    Raises:
        InputError: A value is out of range.

    Example:
        >>> loss = ProxyAnchorLoss(margin=0.1, scale=1)
        >>> round(float(loss([0], [[0.1, -0.1]])), 4)  # log 2, and the mean of 0 and log 2
        1.0397
    """

    of_cosines = True
    margin: float
    scale: float

    def __init__(
        self, margin: float = 0.1, scale: float = 32.0, *, name: str = "proxy_anchor",
        **options: Any,
    ):  # fmt: skip
        super().__init__(name, {"margin": margin, "scale": scale}, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The batch's loss for each image, (B,); see the class."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        own = class_numbers(y_true)[:, None] == ops.arange(y_pred.shape[-1], dtype="int32")
        pull = _log_one_plus(ops.where(own, -self.scale * (y_pred - self.margin), NEVER))
        push = _log_one_plus(ops.where(own, NEVER, self.scale * (y_pred + self.margin)))
        present = ops.sum(ops.cast(ops.any(own, 0), y_pred.dtype))
        loss = ops.sum(pull) / ops.maximum(present, 1.0) + ops.mean(push)
        return loss * ops.ones_like(y_pred[:, 0])


def _log_one_plus(exponents: Any) -> Any:
    """log(1 + Σ exp) over the images, for each class."""
    return keras.ops.logsumexp(keras.ops.pad(exponents, [[1, 0], [0, 0]]), 0)
