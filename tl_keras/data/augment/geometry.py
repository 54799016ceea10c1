"""Where points go: 3x3 matrices, and moving images, masks and boxes by one of them.

Matrices act on column vectors ``(x, y, 1)`` of continuous coordinates, px, in which pixel ``i``
covers ``i`` to ``i + 1``: the same ones that boxes are in, so that one matrix moves everything.
OpenCV counts from the centres of pixels; the half pixel between is put in and taken out here.
"""

import math

import cv2
import numpy as np

from tl_keras.data.masks import IGNORE

_CENTRES = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
_CORNERS = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])


def shifted(x: float, y: float) -> np.ndarray:
    """The matrix that moves everything by ``x`` to the right and ``y`` down, px."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], "float64")


def scaled(x: float, y: float) -> np.ndarray:
    """The matrix that stretches from the top left corner."""
    return np.diag([x, y, 1.0])


def rotated(degrees: float) -> np.ndarray:
    """The matrix that turns clockwise, as seen, about the top left corner."""
    # Quarter turns have to be exact, and cos(pi / 2) is not.
    cosine, sine = (
        {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}[int(degrees // 90) % 4]
        if degrees % 90 == 0
        else (math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
    )
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]], "float64")


def sheared(x: float, y: float) -> np.ndarray:
    """The matrix that moves ``x`` px to the right for every px down, and ``y`` down likewise."""
    return np.array([[1, x, 0], [y, 1, 0], [0, 0, 1]], "float64")


def about_centre(matrix: np.ndarray, height: int, width: int) -> np.ndarray:
    """The same movement with the centre of the image where the top left corner was.

    Example:
        >>> about_centre(rotated(180), 4, 6) @ [0, 0, 1]
        array([6., 4., 1.])
    """
    return shifted(width / 2, height / 2) @ matrix @ shifted(-width / 2, -height / 2)


def window(x1: float, y1: float, x2: float, y2: float, height: int, width: int) -> np.ndarray:
    """The matrix that enlarges a window, px, to ``height`` x ``width``.

    Example:
        >>> window(2, 0, 4, 2, height=8, width=8) @ [4, 2, 1]
        array([8., 8., 1.])
    """
    return scaled(width / (x2 - x1), height / (y2 - y1)) @ shifted(-x1, -y1)


def to_square(height: int, width: int, size: int, resize: str) -> np.ndarray:
    """What :func:`tl_keras.data.resize_image` does to an image, as a matrix for boxes and masks.

    Args:
        height: Of the image, px.
        width: Of the image, px.
        size: Side of the square, px.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.

    Returns:
        float64 (3, 3).

    Example:
        >>> to_square(100, 300, 50, "crop") @ [200, 100, 1]
        array([50., 50.,  1.])
    """
    if height == width == size:
        return np.eye(3)
    if resize == "stretch":
        return scaled(size / width, size / height)
    if resize == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return window(left, top, width - left, height - top, size, size)
    scale = size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    return shifted(left, top) @ scaled(inner[0] / width, inner[1] / height)


def move_image(image: np.ndarray, matrix: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """An image seen through a matrix, resampled once, linearly.

    What comes in from beyond an edge repeats the pixels of the edge: mirrored content would be
    things that no box or mask knows of.

    Args:
        image: uint8 (H, W, 3).
        matrix: (3, 3) from the image to the result, invertible.
        out: uint8 (height, width, 3) to write to; by default a new one as large as the image.

    Returns:
        ``out``.
    """
    if out is None:
        out = np.empty_like(image)
    return _warped(image, matrix, out, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE, 0)


def move_mask(
    mask: np.ndarray, matrix: np.ndarray, size: tuple[int, int] | None = None
) -> np.ndarray:
    """A mask seen through a matrix, every pixel one of the mask's own.

    Args:
        mask: uint8 (H, W) of classes, or (H, W, K) of things.
        matrix: (3, 3), invertible.
        size: Height and width of the result, px; by default the mask's.

    Returns:
        uint8 (height, width) or (height, width, K).  Beyond the edges there is no class (255), and
        no thing (0).
    """
    out = np.empty((*(size or mask.shape[:2]), *mask.shape[2:]), np.uint8)
    beyond = IGNORE if mask.ndim == 2 else 0
    if mask.ndim == 3 and mask.shape[2] > 4:  # OpenCV fills no more channels than four
        for first in range(0, mask.shape[2], 4):
            part = np.ascontiguousarray(mask[:, :, first : first + 4])
            out[:, :, first : first + 4] = move_mask(part, matrix, size)
        return out
    return _warped(mask, matrix, out, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT, beyond).reshape(
        out.shape
    )


def move_ids(
    ids: np.ndarray, matrix: np.ndarray, size: tuple[int, int] | None = None
) -> np.ndarray:
    """A map of numbers of things seen through a matrix, every pixel one of the map's own.

    Args:
        ids: int16 (H, W), as of :class:`tl_keras.data.instances.Instances`.
        matrix: (3, 3), invertible.
        size: Height and width of the result, px; by default the map's.

    Returns:
        int16 (height, width), each pixel taken where :func:`move_mask` takes its; -1, not known,
        beyond the edges.
    """
    # OpenCV rounds places of int16 otherwise than those of uint8; 255 and 255 make -1.
    halves = ids.view(np.uint8).reshape(*ids.shape, 2)
    parts = [move_mask(np.ascontiguousarray(halves[..., k]), matrix, size) for k in (0, 1)]
    return np.stack(parts, axis=-1).view(np.int16)[..., 0]


def _warped(
    array: np.ndarray, matrix: np.ndarray, out: np.ndarray, how: int, border: int, beyond: int
) -> np.ndarray:
    if not array.size:
        return out
    back = _CENTRES @ np.linalg.inv(matrix) @ _CORNERS
    size = (out.shape[1], out.shape[0])
    options = {"flags": how | cv2.WARP_INVERSE_MAP, "borderMode": border, "borderValue": beyond}
    if back[2, 0] == back[2, 1] == 0:
        return cv2.warpAffine(array, back[:2] / back[2, 2], size, out, **options)
    return cv2.warpPerspective(array, back, size, out, **options)


def move_boxes(
    boxes: np.ndarray, matrix: np.ndarray, height: int, width: int, keep: float = 0.25
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes around where the corners of boxes go, cut off at the edges.

    Args:
        boxes: float32 (M, 4), ``x1, y1, x2, y2``, px.
        matrix: (3, 3).
        height: Of the result, px.
        width: Of the result, px.
        keep: A box of which less than this share of the area is left within the edges is dropped,
            0 <= keep <= 1; one of no area always is.

    Returns:
        float32 (L, 4), and int64 (L,): which of the M they were, in order.

    Example:
        >>> boxes = np.array([[0, 0, 10, 10], [80, 0, 100, 10]], "float32")
        >>> move_boxes(boxes, shifted(50, 0), height=100, width=100)
        (array([[50.,  0., 60., 10.]], dtype=float32), array([0]))
    """
    x, y = boxes[:, [0, 2, 2, 0]].astype("float64"), boxes[:, [1, 1, 3, 3]].astype("float64")
    points = np.stack([x, y, np.ones_like(x)], -1) @ np.asarray(matrix).T
    corners = points[..., :2] / points[..., 2:]
    hull = np.concatenate([corners.min(1), corners.max(1)], -1)
    clipped = np.clip(hull, 0, [width, height, width, height])
    # A box that is turned over has no area, though its hull has one.
    right_way = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(-1)
    left, whole = _areas(clipped), _areas(hull)
    kept = np.flatnonzero(right_way & (left > 0) & (left >= keep * whole))
    return clipped[kept].astype("float32"), kept


def _areas(boxes: np.ndarray) -> np.ndarray:
    return np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)
