"""Loss and metric of multi-label training where some of the tags are not known."""

from typing import Any

import keras

from tl_keras.errors import InputError

# Logits are sorted into this many bins; a probability of 1e-4 and one of 1e-3 fall apart.
_BINS, _EDGE = 400, 12.0


@keras.saving.register_keras_serializable(package="tl_keras")
class TagCrossentropy(keras.losses.Loss):
    """Binary cross-entropy over the tags that are known, smoothed, weighted or focal.

    Args:
        gamma: Exponent of ``(1 - p)`` for the probability given to the truth; 0 is cross-entropy,
            2 the focal loss (Lin et al. 2017, arXiv:1708.02002).
        label_smoothing: Share of each target moved to one half, in [0, 1).
        tag_weights: Weight of each tag's positive answers, T numbers; None: all 1.
        from_logits: Whether predictions are logits; else probabilities.

    Call: tags (B, T), 1 present, 0 absent, anything below 0 not known (values in between are soft
    labels), and predictions (B, T) -> a scalar.  Of each image the mean over its known tags.

    Raises:
        InputError: A value is out of range.

    Example:
        >>> loss = TagCrossentropy()
        >>> round(float(loss([[1.0, -1.0]], [[0.5, 0.9]])), 4)
        0.6931
    """

    def __init__(
        self,
        *,
        gamma: float = 0.0,
        label_smoothing: float = 0.0,
        tag_weights: Any = None,
        from_logits: bool = False,
        name: str = "tag_crossentropy",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if not gamma >= 0:
            raise InputError(f"gamma={gamma!r} of the focal loss is 0 or more")
        if not 0 <= label_smoothing < 1:
            raise InputError(f"label_smoothing={label_smoothing!r}; give 0 <= label_smoothing < 1")
        self.gamma, self.label_smoothing = float(gamma), float(label_smoothing)
        self.tag_weights = None if tag_weights is None else [float(w) for w in tag_weights]
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each image, (B,); see the class."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.cast(y_true, y_pred.dtype)
        known = ops.cast(y_true >= 0, y_pred.dtype)
        truth = ops.clip(y_true, 0.0, 1.0)
        truth = truth * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = ops.binary_crossentropy(truth, y_pred, from_logits=self.from_logits)
        if self.gamma:
            p = ops.sigmoid(y_pred) if self.from_logits else y_pred
            losses = losses * ops.power(1 - (truth * p + (1 - truth) * (1 - p)), self.gamma)
        if self.tag_weights is not None:
            weights = ops.convert_to_tensor(self.tag_weights, y_pred.dtype)
            losses = losses * (1 + truth * (weights - 1))
        return ops.sum(losses * known, -1) / ops.maximum(ops.sum(known, -1), 1.0)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        own = ("gamma", "label_smoothing", "tag_weights", "from_logits")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


@keras.saving.register_keras_serializable(package="tl_keras")
class MeanAveragePrecision(keras.metrics.Metric):
    """Mean over the tags of the area under the precision-recall curve, while training.

    Counts known tags in 400 bins of the logit, so its memory does not grow with the data; scores
    within a bin (0.06 of a logit) count as equal.  ``tl_keras.evaluation.evaluate_tagging`` gives
    the exact figure.  Tags that no image has are left out.

    Args:
        tags: T, how many there are.
        from_logits: Whether predictions are logits; else probabilities.

    Call: as :class:`TagCrossentropy`.

    Example:
        >>> metric = MeanAveragePrecision(1)
        >>> metric.update_state([[1.0], [0.0]], [[0.9], [0.1]])
        >>> float(metric.result())
        1.0
    """

    def __init__(
        self, tags: int, *, from_logits: bool = False, name: str = "average_precision",
        dtype: Any = None,
    ):  # fmt: skip
        super().__init__(name=name, dtype=dtype)
        self.tags, self.from_logits = tags, from_logits
        self.present = self.add_variable((tags * _BINS,), "zeros", name="present")
        self.absent = self.add_variable((tags * _BINS,), "zeros", name="absent")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch."""
        ops = keras.ops
        y_pred = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        y_true = ops.cast(y_true, "float32")
        if not self.from_logits:
            p = ops.clip(y_pred, 1e-7, 1 - 1e-7)
            y_pred = ops.log(p) - ops.log(1 - p)
        place = (ops.clip(y_pred, -_EDGE, _EDGE) + _EDGE) * ((_BINS - 1) / (2 * _EDGE))
        bins = ops.cast(place, "int32") + ops.arange(self.tags, dtype="int32") * _BINS
        known = ops.cast(y_true >= 0, "float32")
        if sample_weight is not None:
            weights = ops.cast(sample_weight, "float32")
            known = known * ops.reshape(weights, (-1, 1))
        truth = ops.clip(y_true, 0.0, 1.0)
        for variable, share in ((self.present, truth), (self.absent, 1 - truth)):
            counted = ops.segment_sum(
                ops.reshape(known * share, (-1,)), ops.reshape(bins, (-1,)),
                num_segments=self.tags * _BINS,
            )  # fmt: skip
            variable.assign(variable + ops.cast(counted, variable.dtype))

    def result(self) -> Any:
        """The mean average precision, 0..1."""
        ops = keras.ops
        shape = (self.tags, _BINS)
        present = ops.flip(ops.reshape(self.present, shape), 1)
        hits = ops.cumsum(present, 1)
        found = hits + ops.cumsum(ops.flip(ops.reshape(self.absent, shape), 1), 1)
        total = hits[:, -1]
        areas = ops.sum(present * hits / ops.maximum(found, 1e-7), 1) / ops.maximum(total, 1e-7)
        has = ops.cast(total > 0, areas.dtype)
        return ops.sum(areas * has) / ops.maximum(ops.sum(has), 1.0)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the metric."""
        return {**super().get_config(), "tags": self.tags, "from_logits": self.from_logits}
