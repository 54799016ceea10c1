"""Decoders: from a base's maps of several strides to one fine map, each meeting any base.

A decoder is a function from ``{stride: symbolic tensor}``, as
``tl_keras.backbones.pyramid.pyramid_features`` returns, to ``(tensor, stride)``: the map that
pixels are told from, and the image pixels per cell of it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from tl_keras.builders.decoders.deeplabv3plus import deeplabv3plus
from tl_keras.builders.decoders.fcn import fcn
from tl_keras.builders.decoders.fpn import fpn
from tl_keras.builders.decoders.unet import unet
from tl_keras.errors import InputError

__all__ = ["DECODERS", "Decoder", "get_decoder"]

Maps = dict[int, keras.KerasTensor]


@dataclass(frozen=True)
class Decoder:
    """A decoder and what it reads.

    Attributes:
        decode: ``decode(maps) -> (tensor, stride)``.
        strides: Strides of the maps that it needs.
    """

    decode: Callable[[Maps], tuple[keras.KerasTensor, int]]
    strides: tuple[int, ...]


DECODERS: dict[str, Decoder] = {
    "unet": Decoder(unet, (4, 8, 16, 32)),
    "fcn": Decoder(fcn, (8, 16, 32)),
    "deeplabv3plus": Decoder(deeplabv3plus, (4, 16, 32)),
    "fpn": Decoder(fpn, (4, 8, 16, 32)),
}
"""By name."""


def get_decoder(name: str) -> Decoder:
    """The decoder of that name.

    Raises:
        InputError: There is none of that name.

    Example:
        >>> get_decoder("fcn").strides
        (8, 16, 32)
    """
    if name not in DECODERS:
        raise InputError(f"decoder={name!r} is unknown; give one of {', '.join(DECODERS)}")
    return DECODERS[name]
