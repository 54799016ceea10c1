"""The semantic branch of Panoptic FPN: a feature pyramid whose levels are added up."""

import keras

from tl_keras.builders.decoders.steps import convolve, refine

_WIDTH = 64


def fpn(maps: dict[int, keras.KerasTensor]) -> tuple[keras.KerasTensor, int]:
    """Decode as Panoptic FPN does (Kirillov et al. 2019, https://arxiv.org/abs/1901.02446).

    A feature pyramid joins the maps top-down (Lin et al. 2017, https://arxiv.org/abs/1612.03144);
    each level then goes to stride 4 by steps of a 3x3 convolution and a doubling, and the levels
    are added.  The paper's widths (256 and 128) fit a ResNet; here both are 64, and the
    convolutions of the steps are separable.

    Args:
        maps: ``stride -> symbolic tensor`` of strides 4, 8, 16, 32.

    Returns:
        (batch, size / 4, size / 4, 64) and the stride, 4.

    Example:
        >>> maps = {s: keras.Input((64 // s, 64 // s, s)) for s in (4, 8, 16, 32)}
        >>> tensor, stride = fpn(maps)
        >>> tensor.shape, stride
        ((None, 16, 16, 64), 4)
    """
    above, levels = None, []
    for stride in (32, 16, 8, 4):
        own = convolve(maps[stride], _WIDTH, f"fpn_lateral_{stride}", kernel=1)
        if above is not None:
            above = refine(above, 2, own.shape[1], f"fpn_up_{stride}", smooth=False)
            own = keras.layers.Add(name=f"fpn_join_{stride}")([above, own])
        above = own
        levels.append(_to_stride_4(own, stride, maps))
    return keras.layers.Add(name="fpn_sum")(levels), 4


def _to_stride_4(
    x: keras.KerasTensor, stride: int, maps: dict[int, keras.KerasTensor]
) -> keras.KerasTensor:
    name = f"fpn_level_{stride}"
    x = convolve(x, _WIDTH, f"{name}_at_{stride}", separable=True)
    while stride > 4:
        stride //= 2
        x = refine(x, 2, maps[stride].shape[1], f"{name}_to_{stride}")
        if stride > 4:
            x = convolve(x, _WIDTH, f"{name}_at_{stride}", separable=True)
    return x
