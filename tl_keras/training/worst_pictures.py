"""Pictures of the images that a model did worst on, with what it said of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from tl_keras.evaluation.drawing import PANEL_SIDE
from tl_keras.evaluation.worst_images import Judged
from tl_keras.tasks.task import Task

_SHOWN = 12
_NARROW = 244  # px: three panels side by side are as wide as a report shows


class Worst(NamedTuple):
    """One of the worst images.

    Attributes:
        judged: Its number, and what is wrong.
        truth: What is true of it.
        prediction: What the model says, at its temperature if it has one.
    """

    judged: Judged
    truth: Any
    prediction: Any


def worst_of(
    task: Task, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
    settings: Mapping[str, Any],
) -> list[Worst]:  # fmt: skip
    """The images to show, at most twelve, the worst first; none for tasks that show none.

    Args:
        task: What the model learned.
        truths: Of each image.
        predictions: Of each image.
        names: Of what is told apart.
        settings: Of the model.
    """
    judged = task.worst(truths, predictions, names, settings)[:_SHOWN]
    said = task.scaled(predictions, settings)
    return [Worst(one, truths[one.index], said[one.index]) for one in judged]


def draw_worst(
    task: Task, model: keras.Model, worst: Sequence[Worst], read: Callable[[int], np.ndarray],
    names: Sequence[str], settings: Mapping[str, Any],
) -> list[np.ndarray]:  # fmt: skip
    """A picture of each: truth, prediction, and where the answer was read off.

    Args:
        task: What the model learned.
        model: The final one.
        worst: Of :func:`worst_of`.
        read: From the number of an image to its pixels, uint8 (S, S, 3).
        names: Of what is told apart.
        settings: Of the model.

    Returns:
        uint8 (height, width, 3) each.

    Raises:
        InputError: An image cannot be read any more.
    """
    if not worst:
        return []
    images = [read(one.judged.index) for one in worst]
    evidence = task.evidence(model, np.stack(images), [one.prediction for one in worst], names)
    side = _NARROW if evidence else PANEL_SIDE
    pictures = [
        task.picture(image, one.truth, one.prediction, names, settings, side)
        for image, one in zip(images, worst, strict=True)
    ]
    if not evidence:
        return pictures
    from tl_keras.evaluation.heat_pictures import with_heat

    return [
        with_heat(picture, image, *found, side=side)
        for picture, image, found in zip(pictures, images, evidence, strict=True)
    ]
