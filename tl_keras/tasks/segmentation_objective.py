"""Loss and metric of semantic segmentation, where some pixels are neither trained on nor counted.

Targets are classes by pixel, (B, H, W) or (B, H, W, 1), of any dtype; pixels of no class of the
model's (``tl_keras.data.masks.IGNORE``, 255, or any other number outside 0..C-1) are ignored.
Shapes are static, so both run compiled on any backend.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tl_keras.errors import InputError


@keras.saving.register_keras_serializable(package="tl_keras")
class SegmentationLoss(keras.losses.Loss):
    """Cross-entropy of pixels, focal or weighted if asked for, with or without a dice loss.

    Args:
        crossentropy: Weight of the cross-entropy: of each image the mean over its known pixels.
        dice: Weight of the dice loss (Milletari, Navab and Ahmadi 2016, arXiv:1606.04797): of each
            image 1 minus the mean, over the classes it has, of ``2 Σ p t / (Σ p + Σ t)``.  It
            counts a small thing as much as a large one.
        gamma: Exponent of ``(1 - p)`` for the probability given to the truth, in the
            cross-entropy; 0 leaves it as it is, 2 is the focal loss (Lin et al. 2017,
            arXiv:1708.02002).
        class_weights: Weight of each class's pixels in the cross-entropy, C numbers; None: all 1.
            The mean is over pixels, not over weights (see ``tl_keras.class_weights``).
        label_smoothing: Share of each target in the cross-entropy spread evenly over all classes
            (Szegedy et al. 2016, arXiv:1512.00567), in [0, 1).
        from_logits: Whether predictions are logits; else probabilities.

    Call: targets (see the module) and predictions (B, H, W, C) -> a scalar, the mean over images.
    An image without a known pixel adds 0.

    Raises:
        InputError: A value is out of range, or there are not C weights.

    Example:
        >>> loss = SegmentationLoss()
        >>> half = [[[[0.5, 0.5], [0.9, 0.1]]]]  # one image of 1 x 2 pixels
        >>> round(float(loss([[[0, 255]]], half)), 4)  # log 2
        0.6931
        >>> round(float(SegmentationLoss(crossentropy=0, dice=1)([[[0, 255]]], half)), 4)  # 1 - 2/3
        0.3333
        >>> model.compile("adam", SegmentationLoss(dice=1.0))  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        crossentropy: float = 1.0,
        dice: float = 0.0,
        gamma: float = 0.0,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        from_logits: bool = False,
        name: str = "segmentation_loss",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not (crossentropy >= 0 and dice >= 0 and crossentropy + dice > 0):
            raise InputError(
                f"crossentropy={crossentropy!r} and dice={dice!r} are weights; give 0 or more, "
                "and at least one above 0"
            )
        if not gamma >= 0:
            raise InputError(f"gamma={gamma!r} of the focal loss is 0 or more")
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing={label_smoothing!r}; give 0 <= label_smoothing < 1")
        if class_weights is not None:
            class_weights = [float(weight) for weight in class_weights]
            if not all(0 <= weight < float("inf") for weight in class_weights):
                raise InputError(f"class weights are 0 or more and finite; got {class_weights}")
        self.crossentropy, self.dice = float(crossentropy), float(dice)
        self.gamma, self.label_smoothing = float(gamma), float(label_smoothing)
        self.class_weights, self.from_logits = class_weights, from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each image, (B,); see the class."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        truth, known = one_hot_pixels(y_true, y_pred.shape[-1], y_pred.dtype)
        if self.from_logits:
            logs = ops.log_softmax(y_pred, -1)
        else:
            # Added and not clipped: what is wrong and certain of it must still have a gradient.
            logs = ops.log(y_pred + keras.config.epsilon())
        total = 0.0
        if self.crossentropy:
            total = self.crossentropy * self._crossentropy(truth, known, logs)
        if self.dice:
            total = total + self.dice * _dice(truth, known, ops.exp(logs))
        return total

    def _crossentropy(self, truth: Any, known: Any, logs: Any) -> Any:
        ops = keras.ops
        spread = truth * (1 - self.label_smoothing) + self.label_smoothing / truth.shape[-1]
        losses = -ops.sum(spread * logs, -1)
        if self.gamma:
            given = ops.exp(ops.sum(truth * logs, -1))
            # A power of 0 has no gradient where the exponent is below 1.
            losses = losses * ops.power(ops.maximum(1 - given, 1e-6), self.gamma)
        if self.class_weights is not None:
            if len(self.class_weights) != truth.shape[-1]:
                raise InputError(
                    f"{len(self.class_weights)} class weights for {truth.shape[-1]} classes; "
                    "give one each"
                )
            weights = ops.convert_to_tensor(self.class_weights, losses.dtype)
            losses = losses * ops.sum(truth * weights, -1)
        pixels = ops.maximum(ops.sum(known, (1, 2)), 1.0)
        return ops.sum(losses * known, (1, 2)) / pixels

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        own = ("crossentropy", "dice", "gamma", "class_weights", "label_smoothing", "from_logits")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def one_hot_pixels(y_true: Any, classes: int, dtype: Any) -> tuple[Any, Any]:
    """Targets as the losses use them.

    Args:
        y_true: Classes by pixel, (B, H, W) or (B, H, W, 1); outside 0..classes-1: ignored.
        classes: C.
        dtype: Of the result.

    Returns:
        One-hot (B, H, W, C), zeros where ignored, and 1 where known, else 0, (B, H, W).

    Example:
        >>> one_hot, known = one_hot_pixels([[[1, 255]]], 2, "float32")
        >>> one_hot.tolist(), known.tolist()  # doctest: +SKIP
        ([[[[0.0, 1.0], [0.0, 0.0]]]], [[[1.0, 0.0]]])
    """
    ops = keras.ops
    y_true = ops.cast(y_true, "int32")
    if len(y_true.shape) == 4:
        y_true = ops.squeeze(y_true, -1)
    known = ops.logical_and(y_true >= 0, y_true < classes)
    # Where ignored, -1: one_hot gives zeros for it on every backend.
    one_hot = ops.one_hot(ops.where(known, y_true, -1), classes, dtype=dtype)
    return one_hot, ops.cast(known, dtype)


def _dice(truth: Any, known: Any, given: Any) -> Any:
    ops = keras.ops
    given = given * ops.expand_dims(known, -1)
    area = ops.sum(truth, (1, 2))
    overlap = 2 * ops.sum(truth * given, (1, 2)) / ops.maximum(area + ops.sum(given, (1, 2)), 1e-6)
    has = ops.cast(area > 0, overlap.dtype)
    classes = ops.sum(has, -1)
    mean = ops.sum(overlap * has, -1) / ops.maximum(classes, 1.0)
    return ops.where(classes > 0, 1 - mean, 0.0)


@keras.saving.register_keras_serializable(package="tl_keras")
class PixelMeanIoU(keras.metrics.Metric):
    """Mean over the classes of intersection / union of their pixels, while training.

    Keras' ``MeanIoU`` takes no weight per image.  All images are one heap of pixels (as in PASCAL
    VOC, Everingham et al. 2010, https://doi.org/10.1007/s11263-009-0275-4); classes that neither
    truth nor prediction has are left out.

    Args:
        classes: C.

    Call: as :class:`SegmentationLoss`; weights, if any, are one per image, (B,).

    Example:
        >>> metric = PixelMeanIoU(2)
        >>> metric.update_state([[[0, 1, 255]]], [[[[0.9, 0.1], [0.8, 0.2], [0.5, 0.5]]]])
        >>> float(metric.result())  # class 0: 1 of 2, class 1: 0 of 1
        0.25
    """

    def __init__(self, classes: int, *, name: str = "mean_iou", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.classes = classes
        self.overlap = self.add_variable((classes,), "zeros", name="overlap")
        self.union = self.add_variable((classes,), "zeros", name="union")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        ops = keras.ops
        truth, known = one_hot_pixels(y_true, self.classes, "float32")
        chosen = ops.one_hot(ops.argmax(y_pred, -1), self.classes, dtype="float32")
        if sample_weight is not None:
            known = known * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1, 1))
        counted = ops.expand_dims(known, -1)
        both = ops.sum(truth * chosen * counted, (0, 1, 2))
        self.overlap.assign(self.overlap + both)
        self.union.assign(self.union + ops.sum((truth + chosen) * counted, (0, 1, 2)) - both)

    def result(self) -> Any:
        """The mean IoU, 0..1."""
        ops = keras.ops
        has = ops.cast(self.union > 0, "float32")
        iou = self.overlap / ops.maximum(self.union, 1e-7)
        return ops.sum(iou * has) / ops.maximum(ops.sum(has), 1.0)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the metric."""
        return {**super().get_config(), "classes": self.classes}
