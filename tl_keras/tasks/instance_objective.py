"""Loss of bottom-up instance segmentation: classes, centres and offsets of pixels."""

from typing import Any

import keras

from tl_keras.errors import InputError
from tl_keras.tasks.segmentation_objective import SegmentationLoss, one_hot_pixels


@keras.saving.register_keras_serializable(package="tl_keras")
class InstanceLoss(keras.losses.Loss):
    """The three losses of Panoptic-DeepLab (Cheng et al. 2020, arXiv:1911.10194), added up.

    Args:
        semantic: Weight of the classes' cross-entropy (the paper's 1).
        centre: Weight of the squared error of the centres' heat, of each image the sum over its
            known pixels as a share of the true heat (or of a thousandth of the image, if that is
            more).  So it means the same at any size and for any number of things; the paper's 200
            for the mean over pixels comes to between 0.4 and 1.4 on its images.
        offset: Weight of the absolute error of the offsets, the mean over pixels of things, as a
            share of the image's side.  The paper's 0.01 per px comes to 6 to 10 on its images.
        dice: Weight of a dice loss of the classes beside the cross-entropy (see
            ``SegmentationLoss``), good for small things.

    Call: targets (B, H, W, 5) of ``tl_keras.data.instance_targets``, or (B, H, W, 6) of
    ``Examples.dataset(target="instances")``, whose last map, the numbers of things, does not
    enter; and predictions (B, H, W, C + 4) of ``build_instance_segmenter`` -> a scalar, the mean
    over images.

    Raises:
        InputError: A weight is negative.

    Example:
        >>> import numpy as np
        >>> from tl_keras.data.instance_targets import instance_targets
        >>> truth = instance_targets(np.ones((1, 1, 1), bool), [0])[None]
        >>> round(float(InstanceLoss()(truth, [[[[0.5, 0.5, 0.9, 0.1, 0.0]]]])), 4)
        1.7031
    """

    def __init__(
        self,
        *,
        semantic: float = 1.0,
        centre: float = 1.0,
        offset: float = 10.0,
        dice: float = 0.0,
        name: str = "instance_loss",
        reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if min(semantic, centre, offset, dice) < 0:
            raise InputError(
                f"semantic={semantic!r}, centre={centre!r}, offset={offset!r}, dice={dice!r} are "
                "weights; give 0 or more"
            )
        self.semantic, self.centre = float(semantic), float(centre)
        self.offset, self.dice = float(offset), float(dice)
        self._classes = SegmentationLoss(dice=self.dice, reduction=None, dtype=dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each image, (B,); see the class."""
        ops = keras.ops
        y_pred = ops.convert_to_tensor(y_pred)
        y_true = ops.cast(y_true, y_pred.dtype)
        _, known = one_hot_pixels(y_true[..., 0], y_pred.shape[-1] - 3, y_pred.dtype)
        heat = ops.sum(y_true[..., 1] * known, (1, 2))
        heat = ops.maximum(heat, 1e-3 * y_pred.shape[1] * y_pred.shape[2])
        miss = ops.sum(ops.square(y_pred[..., -3] - y_true[..., 1]) * known, (1, 2))
        thing = y_true[..., 4]
        ways = ops.sum(ops.abs(y_pred[..., -2:] - y_true[..., 2:4]), -1) * thing
        things = ops.maximum(ops.sum(thing, (1, 2)), 1.0)
        return (
            self.semantic * self._classes(y_true[..., 0], y_pred[..., :-3])
            + self.centre * miss / heat
            + self.offset / y_pred.shape[1] * ops.sum(ways, (1, 2)) / things
        )

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        own = ("semantic", "centre", "offset", "dice")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
