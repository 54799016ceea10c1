"""How far images are from what a base was pretrained on, by its own memory of that: BatchNorm."""

import keras
import numpy as np
from keras import ops

from tl_keras.backbones.preprocessing import apply_preprocessing
from tl_keras.backbones.registry import find_backbone, get_backbone

NEAR, FAR = 0.02, 0.08
"""Below the first images are near to the pretraining, above the second far from it.

Measured with 128 images each, MobileNetV2 1.0 and 0.35 (128 px), MobileNet 0.25 and the bundled
base (``tests/test_advise.py`` repeats it for the order): photographs of insects 0.006 to 0.014 and
of pets 0.009 to 0.015, products on white 0.029 to 0.045, brain scans 0.035 to 0.061, surfaces of
magnetic tiles 0.11 to 0.18, noise 0.14 to 0.23.  In this order on each of the four bases but that
insects and pets changed places on the last, which saw neither.
"""

COMPARED = (
    "photographs of animals 0.01, products on white 0.03, brain scans 0.05, magnetic tiles 0.14, "
    "noise 0.2"
)
"""What was measured, in short."""

_BATCH = 32


def closeness_word(distance: float) -> str:
    """A distance in words.

    Args:
        distance: Of :func:`distance_from_pretraining`.

    Example:
        >>> closeness_word(0.01), closeness_word(0.05), closeness_word(0.14)
        ('near to', 'some way off', 'far from')
    """
    if distance < NEAR:
        return "near to"
    return "far from" if distance > FAR else "some way off"


def distance_from_pretraining(model: keras.Model, images: np.ndarray) -> float | None:
    """How differently the layers of a base are excited by images than they were in pretraining.

    The pretraining images are not needed: each BatchNorm layer holds mean and variance of its
    inputs over them.  Mean and variance over the given images are compared with those, channel by
    channel, as two normal distributions, by the squared Hellinger distance (1 less the
    Bhattacharyya coefficient; Bhattacharyya 1943): 0 where they are the same, 1 where they do not
    overlap.  The result is the mean over the channels of each layer, then over the layers.

    That the stored statistics tell one domain from another is what Li et al. 2016 (Revisiting
    Batch Normalization For Practical Domain Adaptation, arXiv:1603.04779) rest on.  Few images
    differ by chance: 16 of ``pets`` gave 0.018, 128 gave 0.015.

    Args:
        model: Of ``build_classifier`` and its kin, its base as it was pretrained.
        images: (N, S, S, 3) of the model's size, RGB 0..255; a hundred are enough.

    Returns:
        0..1; None where the base has no BatchNorm layer, as ConvNeXt and VGG have none.

    Example:
        >>> distance_from_pretraining(model, images)  # doctest: +SKIP
        0.007
    """
    base = find_backbone(model)
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return None
    moments = []
    for norm in norms:
        axes = [axis for axis in range(1, len(norm.input.shape)) if axis != norm.axis % 4]
        moments += [ops.mean(norm.input, axes), ops.mean(ops.square(norm.input), axes)]
    pixels = keras.Input(model.input_shape[1:])
    inside = apply_preprocessing(get_backbone(base.name), pixels)
    run = keras.Model(pixels, keras.Model(base.input, moments)(inside))
    if keras.backend.backend() == "jax":  # which compiles each operation of a mere call alone
        run = run.predict_on_batch
    batches = [run(images[row : row + _BATCH]) for row in range(0, len(images), _BATCH)]
    found = [
        np.concatenate([ops.convert_to_numpy(batch[at]) for batch in batches])
        for at in range(len(moments))
    ]
    means = [rows.mean(axis=0, dtype="float64") for rows in found]
    distances = [
        _hellinger(mean, np.maximum(square - mean**2, 0), norm)
        for norm, mean, square in zip(norms, means[::2], means[1::2], strict=True)
    ]
    return float(np.mean(distances))


def _hellinger(mean: np.ndarray, variance: np.ndarray, norm: keras.layers.Layer) -> float:
    """Mean squared Hellinger distance of a layer's channels, of normal distributions."""
    before = [ops.convert_to_numpy(w) for w in (norm.moving_mean, norm.moving_variance)]
    # As the layer itself does, so that channels that are never excited do not count.
    variance, was = variance + norm.epsilon, before[1] + norm.epsilon
    both = variance + was
    overlap = np.sqrt(2 * np.sqrt(variance * was) / both)
    overlap *= np.exp(-((mean - before[0]) ** 2) / (4 * both))
    return float((1 - overlap).mean())
