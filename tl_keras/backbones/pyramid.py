"""Feature maps of a base at several strides, for heads that say where things are."""

from collections.abc import Sequence

import keras

from tl_keras.backbones.alignment import first_centres
from tl_keras.backbones.stages import stage_map
from tl_keras.errors import InputError

STRIDES = (4, 8, 16, 32)
"""Image pixels per cell of the maps C2..C5 of feature pyramids (Lin et al. 2017,
https://arxiv.org/abs/1612.03144)."""


def pyramid_taps(
    base: keras.Model, strides: Sequence[int] = STRIDES
) -> dict[int, keras.KerasTensor]:
    """The tensors of a base to build a feature pyramid on: the last of each stride.

    Their sizes are the base's own: size / stride rounded up or down, and smaller still where
    convolutions are not padded (Inception, the first of Xception's and NASNet's).
    :func:`pyramid_features` brings them onto one grid.

    Args:
        base: A base of ``build_backbone``, or a functional model of the same kind.
        strides: Image pixels per cell, any of those the base has, in any order.

    Returns:
        ``stride -> tensor`` (batch, rows, columns, channels) of the base's own graph, in the order
        of ``strides``.

    Raises:
        InputError: The base has no map of a stride, or holds it inside a nested model, where it
            cannot be reached from outside.

    Example:
        >>> from tl_keras.backbones.base import build_backbone
        >>> base = build_backbone("mobilenet_025", 64, weights=None)
        >>> {stride: tensor.shape[1:] for stride, tensor in pyramid_taps(base, (8, 32)).items()}
        {8: (8, 8, 64), 32: (2, 2, 256)}
    """
    outputs = {stage.stride: stage.output for stage in stage_map(base)}
    taps = {}
    for stride in strides:
        if stride not in outputs:
            raise InputError(
                f"{base.name} has no feature map of stride {stride}; "
                f"give of {', '.join(map(str, sorted(outputs)))}, or take another backbone"
            )
        if outputs[stride] is None:
            raise InputError(
                f"{base.name} holds its feature map of stride {stride} inside a nested model, "
                "where it cannot be tapped; build the base as one flat functional model"
            )
        taps[stride] = outputs[stride]
    return taps


def pyramid_features(
    base: keras.Model, images: keras.KerasTensor, strides: Sequence[int] = STRIDES
) -> dict[int, keras.KerasTensor]:
    """Apply a base to images and bring its maps of several strides onto one grid.

    The base comes in as one nested layer of its own name, with the maps as outputs (what lies
    behind the coarsest of them is left out), so that ``find_backbone``, ``freeze`` and staged
    unfreezing work on the model around it.

    Every map has ``ceil(size / stride)`` cells a side, and the cell of row r and column c is the
    one whose receptive field is centred nearest to that square of the image: maps shifted or cut by
    unpadded convolutions get rows and columns of zeros before and behind
    (:func:`tl_keras.backbones.alignment.first_centres` says how many).  What is left is up to half
    a cell, as in any convolutional network.

    Args:
        base: A base of ``build_backbone``.
        images: Symbolic preprocessed images (batch, size, size, 3) of the base's size.
        strides: As in :func:`pyramid_taps`.

    Returns:
        ``stride -> symbolic tensor`` (batch, ceil(size / stride), ceil(size / stride), channels).

    Raises:
        InputError: As in :func:`pyramid_taps`.

    Example:
        >>> from tl_keras.backbones.base import build_backbone
        >>> image = keras.Input((75, 75, 3))
        >>> base = build_backbone("inception_v3", 75, weights=None)
        >>> pyramid_taps(base, (8, 32))[32].shape, pyramid_features(base, image, (8, 32))[32].shape
        ((None, 1, 1, 2048), (None, 3, 3, 2048))
    """
    taps = pyramid_taps(base, strides)
    centres = first_centres(base)
    inner = keras.Model(base.input, list(taps.values()), name=base.name)
    inner.trainable = base.trainable
    found = inner(images)
    found = found if isinstance(found, (list, tuple)) else [found]
    return {
        stride: _on_grid(tensor, stride, images.shape[1], centres[id(taps[stride])])
        for stride, tensor in zip(taps, found, strict=True)
    }


def _on_grid(tensor: keras.KerasTensor, stride: int, size: int, centre: float) -> keras.KerasTensor:
    """Pad or crop so that the first cell is the one centred nearest to stride / 2."""
    cells = -(-size // stride)
    before = _nearest((centre - stride / 2) / stride)
    after = cells - tensor.shape[1] - before
    if before > 0 or after > 0:
        sides = (max(before, 0), max(after, 0))
        tensor = keras.layers.ZeroPadding2D((sides, sides), name=f"grid_pad_{stride}")(tensor)
    if before < 0 or after < 0:
        sides = (max(-before, 0), max(-after, 0))
        tensor = keras.layers.Cropping2D((sides, sides), name=f"grid_crop_{stride}")(tensor)
    return tensor


def _nearest(cells: float) -> int:
    """Half a cell is as near as can be, on either side."""
    return int(cells + 0.5) if cells >= 0 else -int(-cells + 0.5)
