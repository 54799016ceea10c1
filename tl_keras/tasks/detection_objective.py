"""The loss of training a detector: padded boxes in, assigned to cells by the loss itself."""

from collections.abc import Sequence
from typing import Any

import keras

from tl_keras.builders.box_geometry import OVERLAPS, box_overlap
from tl_keras.builders.detector import detector_strides
from tl_keras.errors import InputError
from tl_keras.tasks.cell_assignment import assign_cells, cell_grid


@keras.saving.register_keras_serializable(package="tl_keras")
class DetectionLoss(keras.losses.Loss):
    """Quality focal loss of the classes, CIoU loss of the boxes.

    A cell that answers for a box should give its class the score of how well its own box fits
    (quality focal loss, Li et al. 2020, arXiv:2006.04388: ``|q - p| ** 2`` times cross-entropy
    with the soft label q), so that the score also ranks boxes and no second head is needed for
    that; every other cell should say nothing.  Boxes learn by 1 - CIoU (Zheng et al. 2020,
    arXiv:1911.08287), weighted by q.  Both are divided by the batch's sum of q.  Who answers for
    what is :func:`tl_keras.tasks.cell_assignment.assign_cells`.

    Args:
        image_size: Side of the model's square input, px.
        strides: Of the model's maps; :meth:`of` reads both from the model.
        overlap: ``"ciou"``, ``"giou"`` or ``"iou"``.
        box_weight: Weight of the boxes' loss.
        focus: Exponent of ``|q - p|``; 0 is cross-entropy.

    Call: targets (B, M, 6): rows ``x1, y1, x2, y2`` in px of the model's input, class, flag (1
    counts, 0 padding, -1 ignored: not trained on), and predictions (B, N, 4 + C) of
    ``build_detector`` -> a scalar.

    Raises:
        InputError: A value is out of range; predictions have not the cells of such a model.

    Example:
        >>> from tl_keras.builders.detector import build_detector
        >>> model = build_detector("mobilenet_025", 2, image_size=64, weights=None)
        >>> model.compile("adam", DetectionLoss.of(model))
        >>> boxes = keras.ops.convert_to_tensor([[[4.0, 4, 40, 40, 1, 1], [0.0] * 6]])
        >>> history = model.fit(keras.ops.zeros((1, 64, 64, 3)), boxes, verbose=0)
    """

    def __init__(
        self,
        image_size: int,
        strides: Sequence[int],
        *,
        overlap: str = "ciou",
        box_weight: float = 2.0,
        focus: float = 2.0,
        name: str = "detection_loss",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if overlap not in OVERLAPS:
            raise InputError(f"overlap={overlap!r} is unknown; give one of {', '.join(OVERLAPS)}")
        if not (box_weight >= 0 and focus >= 0):
            raise InputError(f"box_weight={box_weight!r}, focus={focus!r}: give 0 or more for each")
        self.image_size, self.strides = int(image_size), tuple(int(s) for s in strides)
        if self.image_size < 1 or not self.strides or min(self.strides) < 1:
            raise InputError(
                f"image_size={image_size!r} and strides={strides!r} make no cells; give those of "
                "the model, or DetectionLoss.of(model)"
            )
        self.overlap, self.box_weight, self.focus = overlap, float(box_weight), float(focus)
        self._centres, self._cell_strides = cell_grid(self.image_size, self.strides)

    @classmethod
    def of(cls, model: keras.Model, **options: Any) -> "DetectionLoss":
        """The loss for a model of ``build_detector``.

        Args:
            model: The model, built here or reloaded.
            **options: As of the class.

        Raises:
            InputError: The model is no detector, or an option is out of range.
        """
        return cls(model.input_shape[1], detector_strides(model), **options)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each image, (B,), whose mean is the loss of the batch; see the class."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.cast(y_true, y_pred.dtype)
        if y_pred.shape[1] != len(self._centres):
            raise InputError(
                f"predictions of {y_pred.shape[1]} cells; image_size={self.image_size} and "
                f"strides={self.strides} make {len(self._centres)}: use DetectionLoss.of(model)"
            )
        boxes, logits = y_pred[..., :4], y_pred[..., 4:]
        scores = ops.sigmoid(logits)
        aim = assign_cells(y_true, scores, boxes, self._centres, self._cell_strides)
        quality = ops.sum(aim.classes, -1)
        images = ops.cast(ops.shape(y_true)[0], y_pred.dtype)
        total = ops.maximum(ops.mean(ops.sum(quality, -1)), 1.0 / images)
        entropy = ops.relu(logits) - logits * aim.classes + ops.softplus(-ops.abs(logits))
        if self.focus:
            entropy = entropy * ops.power(ops.abs(aim.classes - scores), self.focus)
        focal = ops.sum(entropy, -1)
        missed = 1 - box_overlap(aim.boxes, boxes, self.overlap)
        return ops.sum(focal * aim.counts + self.box_weight * quality * missed, -1) / total

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        own = ("image_size", "strides", "overlap", "box_weight", "focus")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
