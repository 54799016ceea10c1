"""A classifier that no image trained: its last layer's weights are vectors of texts."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from tl_keras.backbones.towers import Towers, open_towers
from tl_keras.builders.prompts import Prompts, prompts_by_class
from tl_keras.builders.unit_vectors import unit_vectors

#: The quickest of KerasHub's presets on a CPU, and the smallest to fetch (151 million parameters).
PRESET = "clip_vit_base_patch32"

# Adam moves a weight by up to the rate in a step, and so a logit of D features by up to the rate
# times the root of D times the features' length: at the recipes' 2e-3 this makes it a quarter,
# whatever D.
_STEP = 0.25 / 2e-3


def build_zero_shot(
    prompts: Prompts,
    model: str | Path | Towers = PRESET,
    *,
    templates: str | Sequence[str] = "plain",
) -> keras.Model:
    """Build image -> preprocessing -> image tower -> unit vector -> Dense of text vectors.

    The probability of a class is the softmax over the classes of its cosine to the image, times
    the sharpness that the towers learned (Radford et al. 2021, arXiv:2103.00020).  A class of
    several texts has the mean of their vectors of length 1, brought to length 1: the ensemble of
    section 3.1.4 there.  SigLIP was trained with a sigmoid for each text; its softmax says which of
    these texts fits best, too, and is as sharp as its sigmoids.

    ``tl_keras.fit(model, train, val, recipe="feature_extraction")`` makes it a linear probe that
    starts from the text weights, as in Wortsman et al. 2022 (arXiv:2109.01903); classes are then
    in the order of ``train.class_names``.

    Args:
        prompts: A text a class, such as ``["a scratched tile", "a flawless tile"]``, or a mapping
            from class names to one text or several; classes are in this order.
        model: A preset of KerasHub by name, handle or folder, as for ``open_towers``, or towers.
        templates: ``"plain"`` (prompts as they are), ``"photo"`` or ``"photos"`` (of
            ``tl_keras.builders.prompts.TEMPLATES``), or texts with ``{}`` in place of a prompt.

    Returns:
        A functional ``keras.Model`` named ``"classifier"``, with the layers of ``build_classifier``
        by name.  Input: (batch, size, size, 3) RGB, 0..255, any dtype.  Output: float32 (batch,
        classes).  The tower is frozen.  Loading it from a file takes KerasHub.

    Raises:
        InputError: The prompts cannot be used, or the preset cannot be had.

    Example:
        >>> model = build_zero_shot(
        ...     ["ant", "bee"], "presets/clip", templates="photo"
        ... )  # doctest: +SKIP
        >>> run = tl.fit(model, train, val, recipe="feature_extraction")  # doctest: +SKIP
    """
    texts = prompts_by_class(prompts, templates)
    towers = model if isinstance(model, Towers) else open_towers(model)
    vectors = class_vectors(towers, list(texts.values()))
    length = _STEP / vectors.shape[-1] ** 0.5
    kernel = towers.sharpness / length * vectors.T
    tower = towers.image
    tower.trainable = False
    image = keras.Input(tower.input_shape[1:], name="image")
    pixels = keras.layers.Rescaling(
        towers.scale, towers.offset, dtype="float32", name="preprocessing"
    )
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="vector")(tower(pixels(image)))
    x = keras.layers.Identity(dtype="float32", name="pooling")(length * unit_vectors(x))
    head = keras.layers.Dense(len(texts), activation="softmax", dtype="float32", name="predictions")
    classifier = keras.Model(image, head(x), name="classifier")
    head.set_weights([kernel, np.zeros(len(texts), "float32")])
    return classifier


def class_vectors(towers: Towers, texts: Sequence[Sequence[str]]) -> np.ndarray:
    """One vector a class, of all its texts.

    Args:
        towers: Of a preset.
        texts: Of each class one or more.

    Returns:
        float32 (classes, D), each row of length 1.

    Example:
        >>> class_vectors(towers, [["an ant"], ["a bee", "a wasp"]]).shape  # doctest: +SKIP
        (2, 512)
    """
    vectors = towers.text_vectors([text for own in texts for text in own])
    ends = np.cumsum([len(own) for own in texts])
    means = np.stack([part.mean(axis=0) for part in np.split(vectors, ends[:-1])])
    return means / np.maximum(np.linalg.norm(means, axis=-1, keepdims=True), 1e-12)
