"""From a bottom-up instance segmenter's maps to single things."""

import cv2
import numpy as np

from tl_keras.data.instances import Instances
from tl_keras.errors import InputError

_PIXELS_AT_ONCE = 65536  # times the number of centres: what the distances take in memory


def group_instances(
    prediction: np.ndarray,
    *,
    threshold: float = 0.1,
    window: int = 7,
    most: int = 200,
    smallest: int = 4,
) -> Instances:
    """Make things of classes, centres and offsets.

    As Panoptic-DeepLab does (Cheng et al. 2020, https://arxiv.org/abs/1911.10194, section 3.3):
    centres are the pixels whose heat is the highest of their window and above a threshold; every
    pixel that is not background goes to the centre nearest to where its offset points; a thing's
    class is that of most of its pixels.  Its score is its centre's heat times the mean probability
    of its class over its pixels.

    Args:
        prediction: float (H, W, C + 4), as ``build_instance_segmenter`` returns for one image.
        threshold: Least heat of a centre.
        window: Side of the window, px, odd; two centres are further apart than half of it.
        most: Largest number of centres; those of least heat are left out.
        smallest: Least number of pixels of a thing; pixels of smaller ones belong to none.

    Returns:
        The things, by falling score.

    Raises:
        InputError: The prediction's shape or an argument cannot be used.

    Example:
        >>> maps = np.zeros((8, 8, 5), np.float32)
        >>> maps[..., 0] = 1.0                       # background
        >>> maps[2:6, 2:6, :2] = (0.1, 0.9)          # a thing of class 0 ...
        >>> maps[4, 4, 2] = 0.8                      # ... with its centre
        >>> found = group_instances(maps)
        >>> len(found), int(found.masks[0].sum()), round(float(found.scores[0]), 2)
        (1, 16, 0.72)
    """
    prediction = np.asarray(prediction, np.float32)
    if prediction.ndim != 3 or prediction.shape[-1] < 5:
        raise InputError(
            f"a prediction of shape {prediction.shape}; expected (H, W, classes + 4), of one image"
        )
    if window < 1 or window % 2 == 0 or most < 1:
        raise InputError(
            f"window={window!r} and most={most!r}; give an odd window and at least one centre"
        )
    probabilities, heat, ways = prediction[..., :-3], prediction[..., -3], prediction[..., -2:]
    labels = probabilities.argmax(axis=-1)
    rows, columns = np.nonzero(labels)
    centres = _centres(heat, threshold, window, most)
    if not len(centres) or not len(rows):
        return Instances(np.zeros(heat.shape, np.int32), np.zeros(0, np.int32), np.zeros(0, "f4"))
    points = np.stack([columns, rows], axis=1) + ways[rows, columns]
    owner = _nearest(points, centres[:, ::-1])
    return _instances(
        owner, rows, columns, labels[rows, columns], probabilities, heat[tuple(centres.T)], smallest
    )


def _centres(heat: np.ndarray, threshold: float, window: int, most: int) -> np.ndarray:
    """Rows and columns of centres, (K, 2), by falling heat."""
    highest = cv2.dilate(heat, np.ones((window, window), np.uint8))
    rows, columns = np.nonzero((heat == highest) & (heat > threshold))
    order = np.argsort(-heat[rows, columns], kind="stable")[: 4 * most]
    centres = np.stack([rows, columns], axis=1)[order]
    # Equal heat side by side (an even stride's two middle pixels) is one centre: the first.
    apart = np.abs(centres[:, None] - centres[None]).max(axis=-1) > window // 2
    twice = (~apart & np.tri(len(centres), k=-1, dtype=bool)).any(axis=1)
    return centres[~twice][:most]


def _nearest(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Number of the nearest centre of each point."""
    owner = np.empty(len(points), np.int64)
    # |p - c|² without |p|², which is the same for all centres.
    squares = (centres.astype(np.float64) ** 2).sum(axis=1)
    for start in range(0, len(points), _PIXELS_AT_ONCE):
        some = points[start : start + _PIXELS_AT_ONCE].astype(np.float64)
        owner[start : start + len(some)] = (squares - 2 * some @ centres.T).argmin(axis=1)
    return owner


def _instances(
    owner: np.ndarray, rows: np.ndarray, columns: np.ndarray, labels: np.ndarray,
    probabilities: np.ndarray, heat: np.ndarray, smallest: int,
) -> Instances:  # fmt: skip
    count, classes = len(heat), probabilities.shape[-1]
    votes = np.bincount(owner * classes + labels, minlength=count * classes)
    votes = votes.reshape(count, classes)
    area, winner = votes.sum(axis=1), votes.argmax(axis=1)
    given = probabilities[rows, columns, winner[owner]].astype(np.float64)
    scores = heat * np.bincount(owner, given, count) / np.maximum(area, 1)
    kept = np.flatnonzero(area >= max(smallest, 1))
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    number = np.zeros(count, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    ids = np.zeros(probabilities.shape[:2], np.int32)
    ids[rows, columns] = number[owner]
    return Instances(
        ids, (winner[kept] - 1).astype(np.int32), scores[kept].astype(np.float32).clip(0, 1)
    )
