"""The methods of explaining by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.explaining.grad_cam import grad_cam, grad_cam_plus_plus
from tl_keras.evaluation.explaining.integrated_gradients import integrated_gradients
from tl_keras.evaluation.explaining.occlusion import occlusion


class Method(NamedTuple):
    """A way to find what in an image speaks for a class.

    Attributes:
        find: From a model, images (N, S, S, 3) and classes (N,) to float32 (N, S, S), 0..1.
        title: Its name, to show.
    """

    find: Callable[..., np.ndarray]
    title: str


METHODS: dict[str, Method] = {
    "grad_cam": Method(grad_cam, "Grad-CAM"),
    "grad_cam_plus_plus": Method(grad_cam_plus_plus, "Grad-CAM++"),
    "integrated_gradients": Method(integrated_gradients, "integrated gradients"),
    "occlusion": Method(occlusion, "occlusion"),
}


def explain(
    model: keras.Model, images: Any, classes: Any, method: str = "grad_cam"
) -> np.ndarray:  # fmt: skip
    """What in images speaks for a class, by one of the methods with its own defaults.

    Args:
        model: Of ``build_classifier``, ``build_tagger`` or ``build_localizer``, on any base.
        images: (N, S, S, 3) RGB, 0..255, of the model's size.
        classes: int (N,), the class, or tag, to look for in each.
        method: A name of :data:`METHODS`.

    Returns:
        float32 (N, S, S), 0..1.

    Raises:
        InputError: There is no such method, or as of its function.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> explain(model, np.zeros((2, 32, 32, 3)), [0, 1], "occlusion").shape
        (2, 32, 32)
    """
    return find_method(method).find(model, images, classes)


def find_method(name: str) -> Method:
    """The method of that name.

    Raises:
        InputError: There is none.

    Example:
        >>> find_method("grad_cam_plus_plus").title
        'Grad-CAM++'
    """
    if name not in METHODS:
        raise InputError(f"method {name!r} is unknown; give one of {', '.join(METHODS)}")
    return METHODS[name]
