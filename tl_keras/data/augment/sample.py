"""An image with what lies on it: boxes and a mask that have to move when it moves."""

from dataclasses import dataclass

import numpy as np

from tl_keras.errors import InputError


@dataclass(frozen=True, eq=False)
class Sample:
    """One image and its targets, all in the image's own pixels.

    Attributes:
        image: uint8 (H, W, 3), RGB, 0..255.
        boxes: float32 (M, 4): ``x1, y1, x2, y2`` in px from the top left corner, far edges
            exclusive (a box around the whole image is ``0, 0, W, H``), or None.
        mask: uint8 (H, W), a class by pixel with 255 for "ignore", or (H, W, K), K things of 0
            and 1 (or 255), or None.

    Raises:
        InputError: Shapes or dtypes are others, or do not fit each other.

    Example:
        >>> Sample(np.zeros((4, 6, 3), np.uint8), boxes=np.array([[0, 0, 6, 4]], "float32")).size
        (4, 6)
    """

    image: np.ndarray
    boxes: np.ndarray | None = None
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        image, boxes, mask = self.image, self.boxes, self.mask
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InputError(
                f"a sample's image is {image.dtype} {image.shape}; give uint8 (height, width, 3)"
            )
        if boxes is not None and (boxes.dtype != np.float32 or boxes.shape[1:] != (4,)):
            raise InputError(
                f"a sample's boxes are {boxes.dtype} {boxes.shape}; give float32 (M, 4), xyxy px"
            )
        if mask is not None and (
            mask.dtype != np.uint8 or mask.ndim not in (2, 3) or mask.shape[:2] != image.shape[:2]
        ):
            raise InputError(
                f"a sample's mask is {mask.dtype} {mask.shape}; give uint8 "
                f"{image.shape[:2]} or {(*image.shape[:2], 'K')}, as large as the image"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.image.shape[:2]
