"""Which pixels speak for a class: slopes, summed on the way from a plain image."""

from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from tl_keras.errors import InputError
from tl_keras.evaluation.explaining.class_head import class_head
from tl_keras.evaluation.explaining.given import at_once, checked, up_to_one

_BRIGHTEST = 99  # percent; a few single pixels would leave the others dark
_FEW = 20  # images that need no bar


def integrated_gradients(
    model: keras.Model, images: Any, classes: Any, *, steps: int = 32,
    baseline: float | np.ndarray = 0.0,
) -> np.ndarray:  # fmt: skip
    """Which pixels of images speak for a class, compared with a plain image.

    The sum over the three colours of :func:`pixel_attributions`, without what speaks against the
    class.

    Args:
        model: As of :func:`pixel_attributions`, and so are the others.
        images: (N, S, S, 3).
        classes: int (N,).
        steps: On the way from the plain image.
        baseline: The plain image.

    Returns:
        float32 (N, S, S), 0..1; 1 are the brightest hundredth of the pixels of an image, all 0
        where nothing speaks for the class.

    Raises:
        InputError: As of :func:`pixel_attributions`.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> integrated_gradients(model, np.full((1, 32, 32, 3), 99), [1], steps=4).shape
        (1, 32, 32)
    """
    sums = pixel_attributions(
        model, images, classes, steps=steps, baseline=baseline
    ).sum(axis=-1)  # fmt: skip
    maps = np.zeros(sums.shape, "float32")
    for row, heat in enumerate(np.maximum(sums, 0.0)):
        maps[row] = up_to_one(heat, float(np.percentile(heat, _BRIGHTEST)))
    return maps


def pixel_attributions(
    model: keras.Model, images: Any, classes: Any, *, steps: int = 32,
    baseline: float | np.ndarray = 0.0,
) -> np.ndarray:  # fmt: skip
    """How much every value of images raises a class's score over that of a plain image.

    Each value's difference to the plain image, times the mean slope of the score (before softmax or
    sigmoid) on the straight way from there, taken in the middle of ``steps`` equal parts
    (Sundararajan, Taly and Yan 2017, https://arxiv.org/abs/1703.01365).  The attributions of an
    image sum to the difference of the two scores, as near as the steps are small.

    Args:
        model: Of ``build_classifier``, ``build_tagger`` or ``build_localizer``, on any base.
        images: (N, S, S, 3) RGB, 0..255, of the model's size.
        classes: int (N,), the class, or tag, to look for in each.
        steps: Slopes per image, each a pass forth and back.
        baseline: The plain image, 0..255: a grey (0 is black), a colour (3,) or an image (S, S, 3).
            Where an image is like it, nothing is found.

    Returns:
        float32 (N, S, S, 3); above zero what speaks for the class, below what speaks against it.

    Raises:
        InputError: The model's class head does not read one vector an image, the arguments do not
            fit it, or the backend is neither TensorFlow nor JAX.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> pixel_attributions(model, np.full((1, 32, 32, 3), 99), [1], steps=4).shape
        (1, 32, 32, 3)
    """
    head = class_head(model)
    images, classes = checked(model, head.dense.units, images, classes)
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise InputError(f"steps={steps!r} is no whole number of 1 or more; give such as 32")
    plain = _plain(baseline, images.shape[1:])
    slopes_of = head.slopes()
    places = ((np.arange(steps) + 0.5) / steps).astype("float32")[:, None, None, None]
    chunk = at_once(images.shape[1])
    found = np.zeros(images.shape, "float32")
    rows = tqdm(
        range(len(images)), desc="  integrating", unit="image", leave=False,
        disable=len(images) < _FEW,
    )  # fmt: skip
    for row in rows:
        way = images[row].astype("float32") - plain
        for start in range(0, steps, chunk):
            some = places[start : start + chunk]
            same = np.repeat(classes[row : row + 1], len(some))
            found[row] += slopes_of(plain + some * way, same).sum(axis=0)
        found[row] *= way / steps
    return found


def _plain(baseline: Any, shape: tuple[int, ...]) -> np.ndarray:
    try:
        return np.broadcast_to(np.asarray(baseline, "float32"), shape)
    except (TypeError, ValueError) as problem:
        raise InputError(
            f"baseline {np.shape(baseline)} is no image of the model; give a number 0..255, three "
            f"of them, or an array of shape {shape}"
        ) from problem
