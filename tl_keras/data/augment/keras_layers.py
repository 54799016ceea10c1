"""The presets as Keras' own layers, for those who want them inside the model or on the device."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import keras

from tl_keras.data.augment.change import Operation
from tl_keras.data.augment.movements import Affine, Crop, Flip
from tl_keras.data.augment.paints import Tone
from tl_keras.data.augment.presets import preset
from tl_keras.errors import InputError


def augmentation_layers(name: str, seed: int | None = None) -> keras.Sequential:
    """A preset made of Keras' ``Random*`` layers, for ``build_classifier(augmentation=...)``.

    The same kinds of change in about the same ranges, not the same draws, and not a function of
    (seed, epoch, index).  A crop becomes a zoom about the centre after a shift; each movement
    resamples once more.  On a CPU it takes 10 to 17 times the time of the pipeline's own
    (``benchmarks/augmentation.py``); on an accelerator it runs there, and no core of the CPU has
    to.  In Keras 3.15.1 a model that is called or exported with these layers inside runs what
    follows them in training mode: save ``without_augmentation(model)``.

    Args:
        name: A preset whose operations all have a layer: ``light``, ``standard``, ``medical``.
        seed: Of the layers' draws; None: another one in every run.

    Returns:
        ``keras.Sequential`` named ``"augmentation"``, images 0..255 (B, H, W, 3) to float images
        0..255.

    Raises:
        InputError: The preset is unknown or empty, or an operation of it has no layer in Keras.

    Example:
        >>> layers = augmentation_layers("light", seed=0)
        >>> [type(layer).__name__ for layer in layers.layers]
        ['RandomTranslation', 'RandomZoom', 'RandomFlip', 'RandomBrightness', 'RandomContrast']
    """
    chosen = preset(name)
    if chosen.mixing is not None:
        raise InputError(
            f"{name!r} mixes images and targets, which no layer inside a model can; use "
            "Examples.dataset(augment=...)"
        )
    if not chosen.operations:
        raise InputError(f"the preset {name!r} changes nothing; build the model without layers")
    # With one seed for all, the draws of one layer would follow from those of another.
    seeds = itertools.repeat(None) if seed is None else itertools.count(seed)
    layers = []
    for operation in chosen.operations:
        made = _layers(operation, seeds)
        if made is None:
            raise InputError(
                f"{type(operation).__name__} of the preset {name!r} has no layer in Keras that "
                "does the same; use Examples.dataset(augment=...), or light, standard or medical"
            )
        layers += made
    return keras.Sequential(layers, name="augmentation")


@functools.singledispatch
def _layers(operation: Operation, seeds: Iterator) -> list[keras.Layer] | None:
    return None


@_layers.register
def _(operation: Crop, seeds: Iterator) -> list[keras.Layer]:
    side = operation.area[0] ** 0.5
    margin = (1 - side) / 2
    zoom = (side - 1, 0.0)
    return [
        keras.layers.RandomTranslation(margin, margin, fill_mode="nearest", seed=next(seeds)),
        keras.layers.RandomZoom(
            zoom, None if operation.aspect == (1.0, 1.0) else zoom, seed=next(seeds)
        ),
    ]


@_layers.register
def _(operation: Flip, seeds: Iterator) -> list[keras.Layer] | None:
    modes = {(0.5, 0.0): "horizontal", (0.0, 0.5): "vertical", (0.5, 0.5): None}
    chances = (operation.left_right, operation.up_down)
    if chances not in modes:
        return None
    return [keras.layers.RandomFlip(modes[chances] or "horizontal_and_vertical", seed=next(seeds))]


@_layers.register
def _(operation: Affine, seeds: Iterator) -> list[keras.Layer] | None:
    if operation.shear:  # RandomShear of 3.15.1 cannot be loaded again
        return None
    made = functools.partial(_extended, seeds)
    layers: list[keras.Layer] = []
    if operation.rotate:
        layers.append(made(keras.layers.RandomRotation, operation.rotate / 360))
    if operation.zoom != (1.0, 1.0):
        nearest, farthest = 1 / operation.zoom[1] - 1, 1 / operation.zoom[0] - 1
        layers.append(made(keras.layers.RandomZoom, (nearest, farthest)))
    if operation.across or operation.down:
        layers.append(made(keras.layers.RandomTranslation, operation.down, operation.across))
    return layers


def _extended(seeds: Iterator, layer: type[keras.Layer], *factors: Any) -> keras.Layer:
    return layer(*factors, fill_mode="nearest", seed=next(seeds))


@_layers.register
def _(operation: Tone, seeds: Iterator) -> list[keras.Layer]:
    layers: list[keras.Layer] = []
    if operation.saturation:  # Keras' factor f multiplies by f / (1 - f)
        # First, since it leaves the range (to -47 in 3.15.1), into which the others clip.
        ends = (1 - operation.saturation, 1 + operation.saturation)
        factor = tuple(end / (1 + end) for end in ends)
        layers.append(keras.layers.RandomSaturation(factor, seed=next(seeds)))
    if operation.brightness:  # Keras adds a share of the range; at mid-grey that is the same
        layers.append(keras.layers.RandomBrightness(operation.brightness / 2, seed=next(seeds)))
    if operation.contrast:
        layers.append(keras.layers.RandomContrast(operation.contrast, seed=next(seeds)))
    return layers
