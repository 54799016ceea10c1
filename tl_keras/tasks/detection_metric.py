"""Average precision at IoU 0.5 of a detector while it trains."""

from typing import Any

import keras
import numpy as np

from tl_keras.builders.box_geometry import pairwise_iou
from tl_keras.builders.suppression import decode_cells

# Scores are sorted into this many bins of their logit.
_BINS, _LOW, _HIGH = 120, -7.0, 5.0
_FOUND = 0.5


@keras.saving.register_keras_serializable(package="tl_keras")
class DetectionAveragePrecision(keras.metrics.Metric):
    """Mean over the classes of the average precision at IoU 0.5, to watch epochs by.

    Decodes and thins what the model says (``detection_model``'s defaults, score 0.01) and counts
    in 120 bins of the score's logit, so its memory does not grow with the data.  It differs a
    little from COCO's figure (``evaluate_detection``): scores within a bin count as equal, the
    curve is summed as steps, and a detection whose best box is taken is wrong even where it
    would do for another.  Classes without boxes are left out.

    Args:
        classes: C, how many there are.
        image_size: Side of the model's square input, px.

    Call: as ``DetectionLoss``.

    Example:
        >>> metric = DetectionAveragePrecision(1, 16)
        >>> cells = [[[0.0, 0, 8, 8, 2], [8, 8, 16, 16, -2]]]
        >>> metric.update_state([[[0, 0, 8, 9, 0, 1]]], keras.ops.convert_to_tensor(cells))
        >>> float(metric.result())
        1.0
    """

    def __init__(self, classes: int, image_size: int, *, name: str = "ap50", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        self.classes, self.image_size = classes, image_size
        self.hits = self.add_variable((classes * _BINS,), "zeros", name="hits")
        self.wrong = self.add_variable((classes * _BINS,), "zeros", name="wrong")
        self.boxes = self.add_variable((classes,), "zeros", name="boxes")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch; an image weighs what its sample weight says."""
        ops = keras.ops
        y_true = ops.cast(y_true, "float32")
        weight = ops.ones_like(y_true[:, 0, 0])
        if sample_weight is not None:
            weight = ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        found = decode_cells(
            ops.cast(ops.convert_to_tensor(y_pred), "float32"), self.image_size,
            score_threshold=0.01, iou_threshold=0.6, max_boxes=100, candidates=300,
        )  # fmt: skip
        overlaps = pairwise_iou(found[..., :4], y_true[..., :4])  # (B, K, M)
        same = ops.equal(found[..., 4][..., None], y_true[:, None, :, 4])
        fits = ops.cast(ops.logical_and(same, overlaps >= _FOUND), "float32")
        flags = y_true[:, None, :, 5]
        counted = fits * ops.cast(flags > 0, "float32") * overlaps
        chosen = ops.one_hot(ops.argmax(counted, -1), y_true.shape[1]) * ops.cast(
            ops.max(counted, -1, keepdims=True) > 0, "float32"
        )
        # Detections stand best first: only the first to choose a box has found it.
        first = chosen * ops.cast(ops.cumsum(chosen, axis=1) <= 1, "float32")
        hit = ops.sum(first, -1)
        ignored = ops.max(fits * ops.cast(flags < 0, "float32"), -1)
        there = ops.cast(found[..., 5] > 0, "float32")
        wrong = there * (1 - hit) * (1 - ignored)

        p = ops.clip(found[..., 5], 1e-6, 1 - 1e-6)
        place = (ops.log(p) - ops.log(1 - p) - _LOW) * (_BINS / (_HIGH - _LOW))
        bins = ops.cast(ops.clip(place, 0, _BINS - 1), "int32")
        bins = bins + ops.cast(ops.maximum(found[..., 4], 0.0), "int32") * _BINS
        for variable, counts in ((self.hits, hit), (self.wrong, wrong)):
            variable.assign_add(
                ops.segment_sum(
                    ops.reshape(counts * weight[:, None], (-1,)), ops.reshape(bins, (-1,)),
                    num_segments=self.classes * _BINS,
                )
            )  # fmt: skip
        real = ops.cast(y_true[..., 5] > 0, "float32") * weight[:, None]
        of_class = ops.one_hot(ops.cast(y_true[..., 4], "int32"), self.classes)
        self.boxes.assign_add(ops.einsum("bm,bmc->c", real, of_class))

    def result(self) -> Any:
        """The mean average precision, 0..1."""
        ops = keras.ops
        shape = (self.classes, _BINS)
        hits = ops.flip(ops.reshape(self.hits, shape), 1)
        found = ops.cumsum(hits + ops.flip(ops.reshape(self.wrong, shape), 1), 1)
        precision = ops.cumsum(hits, 1) / ops.maximum(found, 1e-7)
        # The best precision at this recall or any higher one.
        later = np.triu(np.ones((_BINS, _BINS), "float32"))
        envelope = ops.max(precision[:, None] * later, -1)
        areas = ops.sum(envelope * hits, 1) / ops.maximum(self.boxes, 1e-7)
        has = ops.cast(self.boxes > 0, "float32")
        return ops.sum(areas * has) / ops.maximum(ops.sum(has), 1.0)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the metric."""
        return {**super().get_config(), "classes": self.classes, "image_size": self.image_size}
