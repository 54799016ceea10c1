"""Losses on the vectors of a batch, by pairs: semi-hard triplets, supervised contrastive."""

from typing import Any

import keras

from tl_keras.builders.unit_vectors import unit_vectors
from tl_keras.tasks.embedding_loss import NEVER, EmbeddingLoss, class_numbers


@keras.saving.register_keras_serializable(package="tl_keras")
class TripletLoss(EmbeddingLoss):
    """Semi-hard triplets: a pair of a class shall be nearer than the next image of another class.

    Schroff et al. 2015 (arXiv:1503.03832): for every pair of a class in the batch, both ways round,
    ``max(0, d(a, p) - d(a, n) + margin)``, d squared distances of unit vectors (0..4), n the
    nearest image of another class that is farther from a than p is; where there is none, the
    farthest of other classes, as in TensorFlow Addons' ``TripletSemiHardLoss``.  The mean over
    pairs.  Needs batches with several images of each class
    (``tl_keras.data.batch_by_identity``).  Memory grows with B³.

    Args:
        margin: Above 0; the paper takes 0.2.

    Call: labels, integers (B,) or (B, 1), and vectors (B, D), brought to length 1 here -> a scalar.
    Without any pair, or any other class, it is 0.

    Raises:
        InputError: The margin is out of range.

    Example:
        >>> loss = TripletLoss(margin=0.2)
        >>> vectors = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]
        >>> round(float(loss([0, 0, 1], vectors)), 4)  # (max(0, 2 - 4 + .2) + (2 - 2 + .2)) / 2
        0.1
    """

    of_cosines = False
    margin: float

    def __init__(self, margin: float = 0.2, *, name: str = "triplet", **options: Any):
        super().__init__(name, {"margin": margin}, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each image as anchor, (B,), of which the mean is that over pairs."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        alike, others = _pairs(y_true)
        distance = ops.maximum(2 - 2 * _cosines(y_pred), 0.0)
        farthest = ops.max(ops.where(others, distance, NEVER), 1)
        # (anchor, positive, negative)
        beyond = ops.logical_and(others[:, None], distance[:, None] > distance[:, :, None])
        nearest = ops.min(ops.where(beyond, distance[:, None], -NEVER), 2)
        negative = ops.where(ops.any(beyond, 2), nearest, farthest[:, None])
        counted = ops.cast(ops.logical_and(alike, ops.any(others, 1)[:, None]), y_pred.dtype)
        gaps = ops.maximum(distance - negative + self.margin, 0.0)
        total = ops.sum(ops.where(counted > 0, gaps, 0.0), 1)
        images = ops.cast(ops.shape(y_pred)[0], y_pred.dtype)
        return total * images / ops.maximum(ops.sum(counted), 1.0)


@keras.saving.register_keras_serializable(package="tl_keras")
class SupervisedContrastiveLoss(EmbeddingLoss):
    """Each image shall pick those of its own class out of all others in the batch.

    Khosla et al. 2020 (arXiv:2004.11362), equation 2 (L_out): the mean over images of the same
    class of the cross-entropy of ``cos / τ`` over all other images.  Images alone in their class
    are candidates only.  Needs batches with several images of each class
    (``tl_keras.data.batch_by_identity``).

    Args:
        temperature: τ, above 0; the paper takes 0.1.

    Call: labels, integers (B,) or (B, 1), and vectors (B, D), brought to length 1 here -> a scalar.
    Without any pair of a class it is 0.

    Raises:
        InputError: The temperature is out of range.

    Example:
        >>> loss = SupervisedContrastiveLoss(temperature=1)
        >>> vectors = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
        >>> round(float(loss([0, 0, 1], vectors)), 4)  # log(1 + e^-1)
        0.3133
    """

    of_cosines = False
    temperature: float

    def __init__(
        self, temperature: float = 0.1, *, name: str = "supervised_contrastive", **options: Any
    ):
        super().__init__(name, {"temperature": temperature}, **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each image, (B,), of which the mean is that over images with a pair."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        alike, others = _pairs(y_true)
        logits = _cosines(y_pred) / self.temperature
        candidates = ops.where(ops.logical_or(alike, others), logits, NEVER)
        losses = ops.logsumexp(candidates, 1)[:, None] - logits
        pairs = ops.sum(ops.cast(alike, y_pred.dtype), 1)
        of_image = ops.sum(ops.where(alike, losses, 0.0), 1) / ops.maximum(pairs, 1.0)
        images = ops.cast(ops.shape(y_pred)[0], y_pred.dtype)
        paired = ops.sum(ops.cast(pairs > 0, y_pred.dtype))
        return of_image * images / ops.maximum(paired, 1.0)


def _pairs(y_true: Any) -> tuple[Any, Any]:
    """Which pairs (B, B) are two images of one class, and which of two classes."""
    ops = keras.ops
    labels = class_numbers(y_true)
    same = labels[:, None] == labels[None]
    places = ops.arange(ops.shape(labels)[0])
    return ops.logical_and(same, places[:, None] != places[None]), ops.logical_not(same)


def _cosines(vectors: Any) -> Any:
    vectors = unit_vectors(vectors)
    return keras.ops.matmul(vectors, keras.ops.transpose(vectors))
