"""How long the frozen backbone takes for an image, here and now."""

import time

import keras
import numpy as np

from tl_keras.builders.classifier import features_model


def forward_seconds(model: keras.Model, batch_size: int = 16) -> float:
    """Seconds per image of a forward pass through the backbone, by Keras' own runtime.

    The fastest of three batches after one that compiles.  Training uses Keras whatever the
    features were extracted with, so that the speed of the extraction says little about it.

    Args:
        model: A model of ``build_classifier``.
        batch_size: Images in a step.

    Returns:
        Seconds; reading images is not counted.

    Example:
        >>> forward_seconds(model)  # doctest: +SKIP
        0.012
    """
    run = features_model(model).predict_on_batch
    images = np.zeros((batch_size, *model.input_shape[1:]), "uint8")
    run(images)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        run(images)
        times.append(time.perf_counter() - began)
    return min(times) / batch_size
