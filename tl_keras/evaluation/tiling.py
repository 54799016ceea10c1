"""Prediction of pictures larger than a model's input, tile by tile."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tl_keras.errors import InputError

_GRID = 32  # px: the coarsest stride of a base, on which tiles must lie to see the same cells


def predict_tiled(
    predict: Callable[[np.ndarray], Any],
    image: np.ndarray,
    tile_size: int,
    *,
    margin: int | None = None,
    batch_size: int = 8,
) -> np.ndarray:
    """Predict every pixel of a picture of any size from overlapping tiles.

    Each tile's outer margin is thrown away (the overlap-tile strategy of U-Net, Ronneberger et al.
    2015, https://arxiv.org/abs/1505.04597), and the picture is mirrored at its borders to give
    those a margin too.  Tiles lie on multiples of 32 px of the picture, so that every pixel falls
    on the same place of the base's cells whatever the tile size.  The result is therefore the same
    for any tile sizes (multiples of 32) with one margin, if the margin covers the part of the
    picture that a pixel's prediction depends on.  Pretrained bases look further than any margin,
    less the farther away; ones that pool the whole image (squeeze-and-excite, the image mean of
    DeepLabV3+) look at the whole tile.  There a wider margin makes seams fainter, not absent.

    Args:
        predict: Of (N, tile_size, tile_size, 3), float32 0..255, the maps (N, tile_size,
            tile_size, C): such as ``model.predict_on_batch``.
        image: (H, W, 3) RGB 0..255, of any size.
        tile_size: Side of a tile, px: the model's input.
        margin: Least px thrown away on each side, rounded up to a multiple of 32; by default a
            quarter of the tile.  Half the tile's pixels a side are then kept.
        batch_size: Tiles at once.

    Returns:
        float32 (H, W, C).

    Raises:
        InputError: The image is none, or the margin leaves nothing of a tile.

    Example:
        >>> picture = np.random.default_rng(0).uniform(0, 255, (150, 70, 3))
        >>> bool(np.allclose(predict_tiled(lambda x: x / 2, picture, 96), picture / 2))
        True
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise InputError(f"an image of shape {image.shape}; expected (height, width, 3)")
    margin = _whole_cells(tile_size / 4 if margin is None else margin)
    step = (tile_size - 2 * margin) // _GRID * _GRID
    if margin < 0 or step < _GRID or batch_size < 1:
        raise InputError(
            f"a margin of {margin} px leaves less than {_GRID} px of a tile of {tile_size}; give a "
            f"smaller margin (a multiple of {_GRID}), or a model of a larger image size"
        )
    rows, columns = (math.ceil(side / step) for side in image.shape[:2])
    whole = np.pad(
        image,
        [
            (margin, (count - 1) * step + tile_size - margin - side)
            for count, side in zip((rows, columns), image.shape[:2], strict=True)
        ]
        + [(0, 0)],
        mode="symmetric",
    )
    result: np.ndarray | None = None
    places = [(row * step, column * step) for row in range(rows) for column in range(columns)]
    for some in _batches(places, batch_size):
        tiles = np.stack([whole[y : y + tile_size, x : x + tile_size] for y, x in some])
        maps = np.asarray(predict(tiles.astype(np.float32)))
        if maps.shape[:3] != tiles.shape[:3]:
            raise InputError(
                f"tiles of shape {tiles.shape} gave maps of shape {maps.shape}; expected "
                "(tiles, tile_size, tile_size, C), of a model of this tile size"
            )
        if result is None:
            result = np.empty((*image.shape[:2], maps.shape[-1]), np.float32)
        for (y, x), kept in zip(some, maps[:, margin:, margin:], strict=True):
            place = result[y : y + step, x : x + step]
            place[:] = kept[: place.shape[0], : place.shape[1]]
    return result


def _whole_cells(margin: float) -> int:
    return math.ceil(margin / _GRID) * _GRID


def _batches(places: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
