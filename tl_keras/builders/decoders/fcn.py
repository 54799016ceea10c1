"""FCN-8s: a linear reading of three maps, added up; the cheapest decoder."""

import keras

from tl_keras.builders.decoders.steps import refine

_WIDTH = 64


def fcn(maps: dict[int, keras.KerasTensor]) -> tuple[keras.KerasTensor, int]:
    """Decode as FCN-8s does (Long, Shelhamer and Darrell 2015, https://arxiv.org/abs/1411.4038).

    Each map is read by a 1x1 convolution, and coarse readings are added to finer ones at twice the
    size.  The paper reads scores of classes; here 64 numbers are read, normalised over the batch
    so that no map drowns the others, and the classes are told from their sum: the same function
    of the maps for up to 64 classes.

    Args:
        maps: ``stride -> symbolic tensor`` of strides 8, 16, 32.

    Returns:
        (batch, size / 8, size / 8, 64) and the stride, 8.

    Example:
        >>> maps = {s: keras.Input((64 // s, 64 // s, s)) for s in (8, 16, 32)}
        >>> tensor, stride = fcn(maps)
        >>> tensor.shape, stride
        ((None, 8, 8, 64), 8)
    """
    total = None
    for stride in (32, 16, 8):
        own = keras.layers.Conv2D(_WIDTH, 1, use_bias=False, name=f"fcn_{stride}")(maps[stride])
        own = keras.layers.BatchNormalization(momentum=0.9, name=f"fcn_{stride}_norm")(own)
        if total is not None:
            total = refine(total, 2, own.shape[1], f"fcn_up_{stride}")
            own = keras.layers.Add(name=f"fcn_add_{stride}")([total, own])
        total = own
    return total, 8
