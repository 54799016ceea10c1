"""How many things of an image a model makes room for."""

from collections.abc import Iterable

from tl_keras.data.checking.boxes import MANY

LEAST = 100
"""Room that every model has: COCO counts the best hundred answers of an image."""


def room_for(counts: Iterable[int]) -> int:
    """Room for half as many again as the fullest training image has, for others may be fuller.

    Args:
        counts: Things of each training image.

    Returns:
        From :data:`LEAST` to ``MANY`` of ``tl_keras.data.checking.boxes``, whole tens: time and
        memory grow with it.

    Example:
        >>> room_for([3, 40]), room_for([3, 114]), room_for([9_999])
        (100, 180, 500)
    """
    wanted = -(-max(counts, default=0) * 3 // 20) * 10
    return min(max(wanted, LEAST), MANY)
