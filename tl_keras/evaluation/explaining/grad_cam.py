"""Where in an image a class was seen, by the base's last map: Grad-CAM and Grad-CAM++."""

from collections.abc import Callable
from typing import Any

import cv2
import keras
import numpy as np

from tl_keras.evaluation.explaining.class_head import cut_at_map
from tl_keras.evaluation.explaining.given import at_once, checked, up_to_one


def grad_cam(model: keras.Model, images: Any, classes: Any) -> np.ndarray:
    """Which parts of images speak for a class, by the last feature map of the base.

    The channels of the map are weighed by how much the class's score (before softmax or sigmoid)
    grows with them on average over the cells, and what is left of their sum above zero is shown
    (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391).  The map is that of the last stage of
    the base's stage map; its cells are laid where their receptive fields are centred, and
    interpolated in between, so a cell of 32 px is as exact as it gets.

    Args:
        model: Of ``build_classifier``, ``build_tagger`` or ``build_localizer``, on any base, built
            here or reloaded.
        images: (N, S, S, 3) RGB, 0..255, of the model's size.
        classes: int (N,), the class, or tag, to look for in each.

    Returns:
        float32 (N, S, S), 0..1, the highest value of each image being 1; all 0 where nothing speaks
        for the class.

    Raises:
        InputError: The model's class head does not read one vector an image, the arguments do not
            fit it, or the backend is neither TensorFlow nor JAX.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=64, weights=None)
        >>> grad_cam(model, np.zeros((2, 64, 64, 3)), [0, 2]).shape
        (2, 64, 64)
    """
    return _by_map(model, images, classes, _mean_slopes)


def grad_cam_plus_plus(model: keras.Model, images: Any, classes: Any) -> np.ndarray:
    """As :func:`grad_cam`, with weights that do not fade when a class fills many cells, or few.

    A channel's weight is the sum over its cells of the slope where that is above zero, each
    multiplied by ``alpha = g^2 / (2 g^2 + g^3 sum(A))``, of the score's slope ``g`` and the
    channel's values ``A`` (Chattopadhay et al. 2018, https://arxiv.org/abs/1710.11063, equation 19
    of a score behind an exponential, whose own factor is the same for all channels and falls out).
    The paper's maps come out of a ReLU; of others, values below zero are left out of the sum, or
    alpha would have poles.  No weight is below zero, so nothing speaks against a class: maps of two
    classes are more alike than those of :func:`grad_cam`.

    Args:
        model: As of :func:`grad_cam`.
        images: Likewise.
        classes: Likewise.

    Returns:
        float32 (N, S, S), 0..1, as of :func:`grad_cam`.

    Raises:
        InputError: As of :func:`grad_cam`.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=64, weights=None)
        >>> grad_cam_plus_plus(model, np.zeros((2, 64, 64, 3)), [0, 2]).shape
        (2, 64, 64)
    """
    return _by_map(model, images, classes, _damped_slopes)


def _mean_slopes(slopes: np.ndarray, maps: np.ndarray) -> np.ndarray:
    return slopes.mean(axis=(1, 2))


def _damped_slopes(slopes: np.ndarray, maps: np.ndarray) -> np.ndarray:
    above = np.maximum(slopes, 0.0)
    sums = np.maximum(maps, 0.0).sum(axis=(1, 2), keepdims=True)
    # g^2 cancels: alpha is 1 / (2 + g sum(A)), and is only wanted where g is above zero.
    return (above / (2.0 + above * sums)).sum(axis=(1, 2))


def _by_map(
    model: keras.Model, images: Any, classes: Any,
    weigh: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:  # fmt: skip
    """Maps of the channels' sum, weighed by what is made of slopes and values (N, h, w, K)."""
    cut = cut_at_map(model)
    images, classes = checked(model, cut.head.dense.units, images, classes)
    slopes_of = cut.head.slopes()
    size = images.shape[1]
    found = np.zeros(images.shape[:3], "float32")
    step = at_once(size)
    for start in range(0, len(images), step):
        some = slice(start, start + step)
        maps = _maps(cut.front, images[some])
        slopes = slopes_of(maps, classes[some])
        values = keras.ops.convert_to_numpy(maps).astype("float32")
        sums = np.einsum("nk,nhwk->nhw", weigh(slopes, values), values)
        for row, cells in enumerate(sums, start=start):
            found[row] = up_to_one(_on_image(np.maximum(cells, 0.0), size, cut.centre, cut.stride))
    return found


def _maps(front: keras.Model, images: np.ndarray) -> Any:
    if keras.backend.backend() == "jax":  # which compiles each operation of a mere call alone
        return keras.ops.convert_to_tensor(front.predict_on_batch(images))
    return front(images, training=False)  # quicker here than tracing a function for a few images


def _on_image(cells: np.ndarray, size: int, centre: float, stride: int) -> np.ndarray:
    """A map (h, w) at the size of the image, interpolated between the centres of its cells."""
    place = ((np.arange(size) + 0.5 - centre) / stride).astype("float32")
    across, down = np.meshgrid(place, place)
    return cv2.remap(cells, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
