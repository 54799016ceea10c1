"""Plain figures of a picture's pixels, which tell a drawing from a photograph without a network."""

import numpy as np

from tl_keras.data.checking.hashing import grey

#: Names of the figures, in their order.
FIGURES = (
    "brightness",
    "contrast",
    "colourfulness",
    "entropy",
    "detail",
    "flat_share",
    "commonest_colour",
    "colours",
    "edges",
)

#: Differences of each that say nothing: a set whose pictures differ by less has no outliers in it.
JUST_SEEN = np.array([8, 4, 4, 0.25, 0.2, 0.04, 0.04, 2, 0.3], np.float32)

_FLAT, _EDGE = 3, 40  # grey levels from pixel to pixel
_GREYS, _LEVELS = 32, 16  # bins of a histogram; levels of each colour
_OPPONENT = 0.3


def pixel_figures(pixels: np.ndarray) -> np.ndarray:
    """Brightness, contrast, colour and structure of a small picture.

    Colourfulness as Hasler & Süsstrunk, Measuring Colourfulness in Natural Images, 2003; entropy of
    the grey histogram in bits; detail: log of the mean gradient; the share of flat pixels, of the
    commonest of 4096 colours and (log) of edges; the root of the number of colours.

    Args:
        pixels: uint8 (H, W, 3), RGB, 0..255, all of the same size to be comparable.

    Returns:
        float32 (9,), in the order of :data:`FIGURES`.

    Example:
        >>> white = pixel_figures(np.full((64, 64, 3), 255, np.uint8))
        >>> white[FIGURES.index("flat_share")].item(), white[FIGURES.index("contrast")].item()
        (1.0, 0.0)
    """
    light = grey(pixels)
    red, green, blue = (pixels[..., k].astype(np.float32) for k in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    colour = np.hypot(red_green.std(), yellow_blue.std())
    colour += _OPPONENT * np.hypot(red_green.mean(), yellow_blue.mean())
    across, down = np.diff(light, axis=1)[:-1], np.diff(light, axis=0)[:, :-1]
    gradient = np.hypot(across, down)
    shares = np.bincount((light.ravel() * _GREYS / 256).astype(int), minlength=_GREYS) / light.size
    shares = shares[shares > 0]
    levels = (pixels // (256 // _LEVELS)).astype(int)
    counts = np.bincount((levels @ (_LEVELS**2, _LEVELS, 1)).ravel())
    return np.array(
        [
            light.mean(),
            light.std(),
            colour,
            -(shares * np.log2(shares)).sum(),
            np.log(gradient.mean() + 0.5),
            (gradient < _FLAT).mean(),
            counts.max() / light.size,
            np.sqrt((counts > 0).sum()),
            np.log((gradient > _EDGE).mean() + 0.005),
        ],
        np.float32,
    )


def robust_z(values: np.ndarray, least: np.ndarray | float = 1e-6) -> np.ndarray:
    """Distance from the median in robust standard deviations.

    Iglewicz & Hoaglin, How to Detect and Handle Outliers, 1993: the "modified z-score".

    Args:
        values: (N,) or (N, F); each column by itself.
        least: of the standard deviation, for each column.

    Returns:
        As many; 0 where more than half of the values are the same and this is one of them.

    Example:
        >>> robust_z(np.array([1.0, 2.0, 3.0, 4.0, 100.0])).round(1).tolist()
        [-1.3, -0.7, 0.0, 0.7, 65.4]
    """
    centred = values - np.median(values, axis=0)
    deviation = 1.4826 * np.median(np.abs(centred), axis=0)
    return centred / np.maximum(deviation, least)
