"""Pictures of classified images: which class is true, which was predicted."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tl_keras.evaluation.drawing import PANEL_SIDE, Panel
from tl_keras.evaluation.picture_layout import compose
from tl_keras.evaluation.picture_words import name_of


def classification_picture(
    image: Any, truth: Any, prediction: Any, names: Sequence[str], *, side: int = PANEL_SIDE
) -> np.ndarray:
    """Draws an image under the name of its class, or of the predicted one where none is known.

    Args:
        image: uint8 (H, W, 3).
        truth: The class, or None.
        prediction: (C,), probabilities of the classes.
        names: The C names.
        side: Longer side of the image as it is drawn, px.

    Returns:
        uint8 (H', W', 3).

    Example:
        >>> shown = classification_picture(
        ...     np.zeros((96, 96, 3), np.uint8), 1, [0.8, 0.2], ["cat", "dog"]
        ... )
        >>> shown.dtype, shown.shape[1]
        (dtype('uint8'), 376)
    """
    answer = int(np.argmax(prediction))
    said = f"predicted: {name_of(names, answer)} {float(prediction[answer]):.2f}"
    if truth is not None:
        said = f"true: {name_of(names, int(truth))}"
    return compose([Panel(image, said, side)])
