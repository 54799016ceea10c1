"""Loss and metrics of training a localizer: a class and a box, one row an image."""

from typing import Any

import keras

from tl_keras.builders.box_geometry import OVERLAPS, box_overlap
from tl_keras.errors import InputError

_BEND = 0.1
_TOUCH = 0.5


@keras.saving.register_keras_serializable(package="tl_keras")
class LocalizationLoss(keras.losses.Loss):
    """Cross-entropy of the class, plus smooth L1 and overlap of the box.

    Smooth L1 (Girshick 2015, arXiv:1504.08083) over the four sides as shares of the image's side,
    bent at 0.1; and 1 - GIoU (Rezatofighi et al. 2019, arXiv:1902.09630), the measure itself.

    Args:
        image_size: Side of the model's square input, px.
        overlap: ``"giou"``, ``"ciou"`` (Zheng et al. 2020, arXiv:1911.08287) or ``"iou"``.
        box_weight: Weight of the box's losses.
        label_smoothing: Share of the class target spread over all classes, in [0, 1).

    Call: targets (B, 6): ``x1, y1, x2, y2`` in px of the model's input, class, flag; and
    predictions (B, 4 + C) of ``build_localizer`` -> a scalar.  An image with class -1 has no loss
    of the class, one with a flag of 0 or less none of the box.

    Raises:
        InputError: A value is out of range.

    Example:
        >>> loss = LocalizationLoss(10)
        >>> right = [[0.0, 0, 10, 10, 0.0, 1.0]]
        >>> round(float(loss([[0, 0, 10, 10, 1, 1]], right)), 4)  # a rounding error of Keras' log
        0.0
        >>> round(float(loss([[0, 0, 10, 10, 1, 0]], [[5.0, 5, 6, 6, 0.5, 0.5]])), 4)  # log 2
        0.6931
        >>> model.compile("adam", LocalizationLoss(128)).fit(images, targets)  # doctest: +SKIP
    """

    def __init__(
        self,
        image_size: int,
        *,
        overlap: str = "giou",
        box_weight: float = 1.0,
        label_smoothing: float = 0.0,
        name: str = "localization_loss",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if overlap not in OVERLAPS:
            raise InputError(f"overlap={overlap!r} is unknown; give one of {', '.join(OVERLAPS)}")
        if not image_size > 0 or not box_weight >= 0:
            raise InputError(
                f"image_size={image_size!r}, box_weight={box_weight!r}: give px above 0, and a "
                "weight of 0 or more"
            )
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing={label_smoothing!r}; give 0 <= label_smoothing < 1")
        self.image_size, self.overlap = int(image_size), overlap
        self.box_weight, self.label_smoothing = float(box_weight), float(label_smoothing)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each image, (B,); see the class."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.cast(y_true, y_pred.dtype)
        boxes, classes = y_true[..., :4], y_true[..., 4]
        one_hot = ops.one_hot(ops.cast(classes, "int32"), y_pred.shape[-1] - 4, dtype=y_pred.dtype)
        of_class = keras.losses.categorical_crossentropy(
            one_hot, y_pred[..., 4:], label_smoothing=self.label_smoothing
        )
        gap = ops.abs(boxes - y_pred[..., :4]) / self.image_size
        bent = ops.where(gap < _BEND, ops.square(gap) / (2 * _BEND), gap - _BEND / 2)
        of_box = ops.sum(bent, -1) + 1 - box_overlap(boxes, y_pred[..., :4], self.overlap)
        named, boxed = (ops.cast(flag, y_pred.dtype) for flag in (classes >= 0, y_true[..., 5] > 0))
        return named * of_class + self.box_weight * boxed * of_box

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        own = ("image_size", "overlap", "box_weight", "label_smoothing")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


class _MeanOverImages(keras.metrics.Metric):
    """The mean of a value over the images that have one."""

    def __init__(self, name: str, dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.images = self.add_weight(name="images", initializer="zeros")

    def values(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """(B,) values and (B,) truth values: whether the image counts."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        ops = keras.ops
        values, counts = self.values(
            ops.cast(y_true, "float32"), ops.cast(ops.convert_to_tensor(y_pred), "float32")
        )
        weights = ops.cast(counts, "float32")
        if sample_weight is not None:
            weights = weights * ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        self.total.assign_add(ops.sum(ops.cast(values, "float32") * weights))
        self.images.assign_add(ops.sum(weights))

    def result(self) -> Any:
        """The mean, 0..1."""
        return self.total / keras.ops.maximum(self.images, 1.0)


@keras.saving.register_keras_serializable(package="tl_keras")
class BoxIoU(_MeanOverImages):
    """Mean IoU of a localizer's boxes, over the images that have one.

    Call: as :class:`LocalizationLoss`.

    Example:
        >>> metric = BoxIoU()
        >>> metric.update_state([[0, 0, 4, 4, 0, 1]], [[0.0, 0, 4, 2, 0.9, 0.1]])
        >>> float(metric.result())
        0.5
    """

    def __init__(self, *, name: str = "mean_iou", dtype: Any = None):
        super().__init__(name, dtype)

    def values(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """IoU, and whether there is a box."""
        return box_overlap(y_true[..., :4], y_pred[..., :4]), y_true[..., 5] > 0


@keras.saving.register_keras_serializable(package="tl_keras")
class AccuracyAtIoU(_MeanOverImages):
    """Share of images with the class right and a box of IoU 0.5 or more, of those with both.

    Call: as :class:`LocalizationLoss`.

    Example:
        >>> metric = AccuracyAtIoU()
        >>> metric.update_state([[0, 0, 4, 4, 0, 1]], [[0.0, 0, 4, 2, 0.9, 0.1]])
        >>> float(metric.result())
        1.0
    """

    def __init__(self, *, name: str = "accuracy_at_iou50", dtype: Any = None):
        super().__init__(name, dtype)

    def values(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Whether both are right, and whether there are both."""
        ops = keras.ops
        found = box_overlap(y_true[..., :4], y_pred[..., :4]) >= _TOUCH
        named = ops.cast(ops.argmax(y_pred[..., 4:], -1), "float32")
        right = ops.logical_and(found, ops.equal(named, y_true[..., 4]))
        return right, ops.logical_and(y_true[..., 5] > 0, y_true[..., 4] >= 0)


@keras.saving.register_keras_serializable(package="tl_keras")
class ClassAccuracy(_MeanOverImages):
    """Share of images with the class right, of those that have one.

    Call: as :class:`LocalizationLoss`.

    Example:
        >>> metric = ClassAccuracy()
        >>> metric.update_state([[0, 0, 4, 4, 1, 1]], [[0.0, 0, 4, 2, 0.9, 0.1]])
        >>> float(metric.result())
        0.0
    """

    def __init__(self, *, name: str = "accuracy", dtype: Any = None):
        super().__init__(name, dtype)

    def values(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Whether the class is right, and whether there is one."""
        named = keras.ops.cast(keras.ops.argmax(y_pred[..., 4:], -1), "float32")
        return keras.ops.equal(named, y_true[..., 4]), y_true[..., 4] >= 0
