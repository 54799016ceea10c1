"""DeepLabV3+: one map seen at several widths at once, sharpened by a fine one."""

import keras

from tl_keras.builders.decoders.steps import convolve, refine

_WIDTH, _FINE_WIDTH = 128, 48
_RATES = (6, 12, 18)


def deeplabv3plus(maps: dict[int, keras.KerasTensor]) -> tuple[keras.KerasTensor, int]:
    """Decode as DeepLabV3+ does (Chen et al. 2018, https://arxiv.org/abs/1802.02611).

    Atrous spatial pyramid pooling (a 1x1 convolution, 3x3 convolutions of dilation 6, 12 and 18,
    and the mean of the image) at stride 16, brought to stride 4 and put beside 48 channels read
    from there; two 3x3 convolutions follow.  The paper keeps the base's last stage at stride 16
    by dilating it, which no base of the registry allows once it is built: its map of stride 32
    is brought to stride 16 and put beside the one that is there.  Convolutions are separable, as in
    the paper's own faster form, and 128 wide where the paper has 256.

    Args:
        maps: ``stride -> symbolic tensor`` of strides 4, 16, 32.

    Returns:
        (batch, size / 4, size / 4, 128) and the stride, 4.

    Example:
        >>> maps = {s: keras.Input((64 // s, 64 // s, s)) for s in (4, 16, 32)}
        >>> tensor, stride = deeplabv3plus(maps)
        >>> tensor.shape, stride
        ((None, 16, 16, 128), 4)
    """
    cells = maps[16].shape[1]
    last = refine(maps[32], 2, cells, "aspp_up")
    x = keras.layers.Concatenate(name="aspp_in")([maps[16], last])
    branches = [convolve(x, _WIDTH, "aspp_1x1", kernel=1), _mean(x, cells)]
    for rate in _RATES:
        branches.append(convolve(x, _WIDTH, f"aspp_rate_{rate}", dilation=rate, separable=True))
    x = keras.layers.Concatenate(name="aspp")(branches)
    x = convolve(x, _WIDTH, "aspp_out", kernel=1)

    fine = convolve(maps[4], _FINE_WIDTH, "deeplab_fine", kernel=1)
    x = refine(x, 4, fine.shape[1], "deeplab_up")
    x = keras.layers.Concatenate(name="deeplab_join")([x, fine])
    x = convolve(x, _WIDTH, "deeplab_1", separable=True)
    return convolve(x, _WIDTH, "deeplab_2", separable=True), 4


def _mean(x: keras.KerasTensor, cells: int) -> keras.KerasTensor:
    """The image's mean in every cell; without BatchNorm, which has one value per image here."""
    x = keras.layers.GlobalAveragePooling2D(keepdims=True, name="aspp_mean")(x)
    x = keras.layers.Conv2D(_WIDTH, 1, activation="relu", name="aspp_mean_1x1")(x)
    return refine(x, cells, cells, "aspp_mean_up", smooth=False)
