"""Give the BatchNorm layers of a base the statistics of given images."""

from typing import Any

import keras

from tl_keras.backbones.registry import find_backbone


def calibrate_batch_norm(model: keras.Model, images: Any) -> None:
    """Set the moving statistics of a base's BatchNorm layers to those of one batch.

    Without it, a base on random weights returns features that shrink from layer to layer until a
    head learns nothing of them; with it, it is a fair baseline (data-dependent initialization:
    Krähenbühl et al. 2016, arXiv:1511.06856).  Nothing but the statistics changes.

    Args:
        model: A model of ``build_classifier``.
        images: The batch, (N, S, S, 3) RGB 0..255; 32 or more give steady statistics.

    Example:
        >>> calibrate_batch_norm(model, images)  # doctest: +SKIP
    """
    norms = [
        layer
        for layer in find_backbone(model)._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    before = [(layer.trainable, layer.momentum) for layer in norms]
    for layer in norms:
        layer.trainable, layer.momentum = True, 0.0
    model(keras.ops.convert_to_tensor(images), training=True)
    for layer, (trainable, momentum) in zip(norms, before, strict=True):
        layer.trainable, layer.momentum = trainable, momentum
