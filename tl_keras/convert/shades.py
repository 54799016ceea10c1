"""Values to grey levels, and fields of any shape to a square of pixels."""

import cv2
import numpy as np


def to_grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Maps ``low..high`` to 0..255, linearly; what lies beyond is cut off.

    Args:
        values: float array of any shape.
        low: becomes 0.
        high: becomes 255; above ``low``.

    Returns:
        uint8 array of the same shape.

    Example:
        >>> to_grey(np.array([-2.0, 0.0, 1.0]), -1.0, 1.0).tolist()
        [0, 128, 255]
    """
    return np.clip(np.rint((values - low) * (255 / (high - low))), 0, 255).astype(np.uint8)


def to_square(field: np.ndarray, size: int) -> np.ndarray:
    """Stretches a field to a square: averages where it shrinks, interpolates where it grows.

    Args:
        field: float or uint8 array (H, W) or (H, W, 3).
        size: side of the square, px.

    Returns:
        float32 or uint8 array (size, size) or (size, size, 3).

    Example:
        >>> to_square(np.eye(4, dtype=np.float32), 2).tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    if field.dtype != np.uint8:
        field = field.astype(np.float32, copy=False)
    # One direction at a time: INTER_AREA enlarges without interpolating.
    for axis, there in ((1, field.shape[1]), (0, field.shape[0])):
        target = (size, field.shape[0]) if axis else (field.shape[1], size)
        way = cv2.INTER_AREA if there > size else cv2.INTER_LINEAR
        field = cv2.resize(field, target, interpolation=way)
    return field
