"""How well pixels of things point to their own centres, to watch epochs by."""

from typing import Any

import keras

from tl_keras.errors import InputError

_REACH = 1 / 32  # of the image's side: who points nearer to the centre is grouped with it


@keras.saving.register_keras_serializable(package="tl_keras")
class ThingIoU(keras.metrics.Metric):
    """IoU, over all pixels, of things with what is predicted to be of them.

    A pixel agrees if its class is right and what it points to is less than 1/32 of the image's
    side from the centre of its own thing.  Cheap, unlike average precision, which needs the things
    grouped, and it rises and falls with it.

    Args:
        reach: Largest distance as a share of the image's side.

    Call: as ``InstanceLoss``.

    Raises:
        InputError: The reach is no share.

    Example:
        >>> metric = ThingIoU()
        >>> metric.update_state([[[[1, 1, 0, 0, 1]]]], [[[[0.1, 0.9, 0.8, 0.0, 0.0]]]])
        >>> float(metric.result())
        1.0
    """

    def __init__(self, *, reach: float = _REACH, name: str = "thing_iou", dtype: Any = None):
        super().__init__(name=name, dtype=dtype)
        if not 0 < reach <= 1:
            raise InputError(f"reach={reach!r} is no share of the image's side; give one in (0, 1]")
        self.reach = float(reach)
        self.right = self.add_variable((), "zeros", name="right")
        self.union = self.add_variable((), "zeros", name="union")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch; an image weighs what its sample weight says."""
        ops = keras.ops
        y_pred = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        y_true = ops.cast(y_true, "float32")
        kinds = y_pred.shape[-1] - 3
        true, said = y_true[..., 0], ops.cast(ops.argmax(y_pred[..., :kinds], -1), "float32")
        known = ops.cast(true < kinds, "float32")
        if sample_weight is not None:
            known = known * ops.reshape(ops.cast(sample_weight, "float32"), (-1, 1, 1))
        away = ops.sqrt(ops.sum(ops.square(y_pred[..., -2:] - y_true[..., 2:4]), -1))
        near = away < self.reach * y_pred.shape[1]
        same = ops.logical_and(ops.equal(true, said), ops.logical_and(true > 0, near))
        either = ops.logical_or(true > 0, said > 0)
        self.right.assign_add(ops.sum(ops.cast(same, "float32") * known))
        self.union.assign_add(ops.sum(ops.cast(either, "float32") * known))

    def result(self) -> Any:
        """The IoU, 0..1."""
        return self.right / keras.ops.maximum(self.union, 1.0)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the metric."""
        return {**super().get_config(), "reach": self.reach}
