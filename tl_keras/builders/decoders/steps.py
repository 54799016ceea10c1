"""The two steps that decoders are made of: convolve, and go to a finer grid.

BatchNorm and not a norm over one image's cells: a pixel's class must not depend on what lies far
off, or tiles of a big picture would disagree.  A norm over each cell's channels would do for both,
but learns far slower: mean IoU 0.14 in place of 0.57 after five epochs of the built-in sample set.
Its momentum is 0.9, so that the statistics of a short training have arrived by its end (Keras' 0.99
needs some 500 steps).  ``tl_keras.fit`` holds them still once the base trains.
"""

import keras


def convolve(
    x: keras.KerasTensor, width: int, name: str, *, kernel: int = 3, dilation: int = 1,
    separable: bool = False,
) -> keras.KerasTensor:  # fmt: skip
    """Convolution, batch normalisation, ReLU.

    Args:
        x: Symbolic tensor (batch, rows, columns, channels).
        width: Channels of the result.
        name: Of the convolution; the others' names begin with it.
        kernel: Side of the kernel, cells.
        dilation: Cells between the kernel's taps.
        separable: Whether the kernel is depthwise and then 1x1.

    Returns:
        Symbolic tensor (batch, rows, columns, width).

    Example:
        >>> convolve(keras.Input((5, 5, 24)), 16, "smooth").shape
        (None, 5, 5, 16)
    """
    options = {"padding": "same", "dilation_rate": dilation, "use_bias": False, "name": name}
    if separable:
        # Keras takes a depthwise kernel for one that reads all channels, and draws it so small
        # that the moving variance is still that of its start when a short training ends.
        layer = keras.layers.SeparableConv2D(
            width, kernel, pointwise_initializer="he_normal",
            depthwise_initializer=keras.initializers.RandomNormal(stddev=1 / kernel), **options,
        )  # fmt: skip
    else:
        layer = keras.layers.Conv2D(width, kernel, kernel_initializer="he_normal", **options)
    x = layer(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def refine(
    x: keras.KerasTensor, factor: int, cells: int, name: str, *, smooth: bool = True
) -> keras.KerasTensor:
    """Bring a map to a grid that is finer by a factor, and of a given number of cells a side.

    Cell (0, 0) stays in the corner and what goes beyond the last cells is cut off, so that grids
    of any image size stay one above the other.

    Args:
        x: Symbolic tensor (batch, rows, columns, channels).
        factor: Fine cells per coarse cell.
        cells: Side of the result, at most ``factor`` times that of ``x``.
        name: Of the layers.
        smooth: Bilinear between the centres of cells; else each value is repeated.

    Returns:
        Symbolic tensor (batch, cells, cells, channels).

    Example:
        >>> refine(keras.Input((3, 3, 16)), 2, 5, "up").shape
        (None, 5, 5, 16)
    """
    if factor > 1:
        how = "bilinear" if smooth else "nearest"
        x = keras.layers.UpSampling2D(factor, interpolation=how, name=name)(x)
    surplus = x.shape[1] - cells
    if surplus:
        x = keras.layers.Cropping2D(((0, surplus), (0, surplus)), name=f"{name}_cut")(x)
    return x
