"""A heat map of an image beside its picture: where the answer was read off."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tl_keras.evaluation.drawing import PANEL_SIDE, Panel
from tl_keras.evaluation.explaining.grad_cam import grad_cam
from tl_keras.evaluation.picture_colours import STRIP
from tl_keras.evaluation.picture_layout import compose
from tl_keras.evaluation.picture_words import name_of


def class_heat(
    model: keras.Model, images: Any, probabilities: Any, names: Sequence[str]
) -> list[tuple[np.ndarray, str]]:
    """What speaks for the most probable class of each image, and a title that names it.

    Args:
        model: As of :func:`~tl_keras.evaluation.explain`.
        images: (N, S, S, 3), 0..255.
        probabilities: (N, C).
        names: The C names.

    Returns:
        For each image a map float32 (S, S), 0..1, and words such as ``"seen for dog 0.93"``.
    """
    rows = np.asarray(probabilities)
    answers = rows.argmax(axis=1)
    maps = grad_cam(model, images, answers)
    return [
        (heat, f"seen for {name_of(names, answer)} {row[answer]:.2f}")
        for heat, answer, row in zip(maps, answers, rows, strict=True)
    ]


def with_heat(
    picture: np.ndarray, image: Any, heat: np.ndarray, title: str, *, side: int = PANEL_SIDE
) -> np.ndarray:
    """Puts an image with a heat map over it beside a picture of the same image.

    The image is grey under it; what is hot is yellow and what is not stays dark (the colours of
    inferno, which the colour-blind and grey prints order alike).

    Args:
        picture: uint8 (H', W', 3), of ``localization_picture`` and its kin.
        image: uint8 (H, W, 3).
        heat: float (H, W), 0..1, such as from :func:`~tl_keras.evaluation.explain`.
        title: Above it.
        side: Longer side of the image as it is drawn, px.

    Returns:
        uint8 (height, width, 3).

    Example:
        >>> shown = with_heat(
        ...     np.zeros((100, 200, 3), np.uint8), np.zeros((64, 64, 3), np.uint8),
        ...     np.ones((64, 64)), "dog", side=64,
        ... )
        >>> shown.shape[0], shown.shape[1] > 264
        (100, True)
    """
    panel = Panel(image, title, side)
    panel.fade(1.0)
    panel.heat(heat)
    beside = compose([panel])
    height = max(len(picture), len(beside))
    sides = [np.full((height, one.shape[1], 3), STRIP, np.uint8) for one in (picture, beside)]
    for ground, one in zip(sides, (picture, beside), strict=True):
        ground[: len(one)] = one
    return np.concatenate(sides, axis=1)
