"""What losses of embeddings have in common."""

from typing import Any

import keras

from tl_keras.errors import InputError

#: In place of minus infinity, whose differences are NaN; its exponential is 0.
NEVER = -1e9


class EmbeddingLoss(keras.losses.Loss):
    """A loss whose settings are numbers above 0, kept in its configuration.

    Args:
        name: Of the loss.
        settings: Attributes to set, checked.
        reduction: As for ``keras.losses.Loss``.
        dtype: The same.

    Raises:
        InputError: A setting is not above 0.
    """

    #: Whether predictions are cosines to class vectors (``margin_head``), or vectors themselves.
    of_cosines: bool

    def __init__(
        self, name: str, settings: dict[str, float], reduction: str = "sum_over_batch_size",
        dtype: Any = None,
    ):  # fmt: skip
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        for setting, value in settings.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
                raise InputError(f"{setting}={value!r} cannot be used; give a number above 0")
            setattr(self, setting, float(value))
        self._settings = tuple(settings)

    def get_config(self) -> dict[str, Any]:
        """What rebuilds the loss."""
        return {**super().get_config(), **{name: getattr(self, name) for name in self._settings}}


def class_numbers(y_true: Any) -> Any:
    """Labels as int32 (B,).

    Args:
        y_true: Whole numbers (B,) or (B, 1), any dtype.

    Returns:
        A tensor.

    Example:
        >>> tuple(class_numbers([[1.0], [2.0]]).shape)
        (2,)
    """
    labels = keras.ops.cast(keras.ops.convert_to_tensor(y_true), "int32")
    return keras.ops.squeeze(labels, -1) if len(labels.shape) == 2 else labels
