"""U-Net: coarse to fine, each finer map of the base joined in full."""

import keras

from tl_keras.builders.decoders.steps import convolve, refine

_WIDTHS = {16: 128, 8: 64, 4: 32}


def unet(maps: dict[int, keras.KerasTensor]) -> tuple[keras.KerasTensor, int]:
    """Decode as U-Net does (Ronneberger, Fischer and Brox 2015, https://arxiv.org/abs/1505.04597).

    The coarsest map is brought to 128 channels.  At every stride the coarser result then goes to
    the finer grid, the base's own map is put beside it, and two 3x3 convolutions follow.  It ends
    at stride 4: strides 2 and 1 would cost more than a small base itself.

    Args:
        maps: ``stride -> symbolic tensor`` of strides 4, 8, 16, 32.

    Returns:
        (batch, size / 4, size / 4, 32) and the stride, 4.

    Example:
        >>> maps = {s: keras.Input((64 // s, 64 // s, s)) for s in (4, 8, 16, 32)}
        >>> tensor, stride = unet(maps)
        >>> tensor.shape, stride
        ((None, 16, 16, 32), 4)
    """
    x = convolve(maps[32], _WIDTHS[16], "unet_32", kernel=1)
    for stride, width in _WIDTHS.items():
        own = maps[stride]
        x = refine(x, 2, own.shape[1], f"unet_up_{stride}")
        x = keras.layers.Concatenate(name=f"unet_join_{stride}")([x, own])
        x = convolve(x, width, f"unet_{stride}_1")
        x = convolve(x, width, f"unet_{stride}_2")
    return x, 4
