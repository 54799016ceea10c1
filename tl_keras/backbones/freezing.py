"""Which stages of a backbone train.

BatchNorm policy (Keras' transfer-learning guide,
https://keras.io/guides/transfer_learning/): BatchNormalization layers stay frozen when their stage
is unfrozen, so that their moving statistics do not move and they run in inference mode; pass
``train_batch_norm=True`` to train them with their stage.

EfficientNets drop whole residual branches at random (stochastic depth,
https://arxiv.org/abs/1603.09382) whenever a model is trained through them, frozen or not; features
computed beforehand by ``features_model`` are free of it.  No other base has a random layer.

Keras saves one ``trainable`` flag per nested model: in a reloaded ``.keras`` file a partly frozen
base comes back wholly trainable.  Call these functions again before training on.
"""

import math
from collections.abc import Sequence

import keras

from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import Stage, stage_map
from tl_keras.errors import InputError


def freeze(
    model: keras.Model,
    stages: int | float | str | Sequence[str] = "all",
    *,
    train_batch_norm: bool = False,
) -> list[str]:
    """Freeze stages of a model's backbone, and make all its others trainable.

    Args:
        model: A base, or a model that holds one.
        stages: An int: the first so many; a float in 0..1: the first such fraction, rounded half
            up to whole stages; ``"all"``; or names of ``stage_map``.  Stages without weights
            (VGG ends in one) are not counted.
        train_batch_norm: Whether BatchNorm layers train with their stage.

    Returns:
        Names of the stages that are trainable now.

    Raises:
        InputError: ``stages`` names none, or more than there are.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> freeze(model, 3)
        ['stage4', 'stage5']
    """
    base = find_backbone(model)
    weighted = _weighted(base)
    names = [stage.name for stage in weighted]
    frozen = set(_chosen(names, stages, base.name))
    return _train_only(base, weighted, set(names) - frozen, train_batch_norm)


def unfreeze(
    model: keras.Model,
    stages: int | float | str | Sequence[str] = "all",
    *,
    train_batch_norm: bool = False,
) -> list[str]:
    """Make stages of a model's backbone trainable, and freeze all its others.

    Args:
        model: A base, or a model that holds one.
        stages: As in :func:`freeze`, but an int or a float counts from the output: the last so
            many.
        train_batch_norm: Whether BatchNorm layers train with their stage.

    Returns:
        Names of the stages that are trainable now.

    Raises:
        InputError: ``stages`` names none, or more than there are.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> unfreeze(model, 1), unfreeze(model, 0.5), unfreeze(model, ["stem"])
        (['stage5'], ['stage3', 'stage4', 'stage5'], ['stem'])
    """
    base = find_backbone(model)
    weighted = _weighted(base)
    names = [stage.name for stage in weighted]
    chosen = set(_chosen(names[::-1], stages, base.name))
    return _train_only(base, weighted, chosen, train_batch_norm)


def trainable_stages(model: keras.Model) -> list[str]:
    """Names of the backbone's stages of which anything trains, in order.

    Args:
        model: A base, or a model that holds one.

    Returns:
        Names of ``stage_map``.

    Raises:
        InputError: The model holds no backbone.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> trainable_stages(build_classifier("mobilenet_025", 3, image_size=32, weights=None))
        []
    """
    base = find_backbone(model)
    return [
        stage.name
        for stage in stage_map(base)
        if base.trainable and any(layer.trainable_weights for layer in stage.layers)
    ]


def _weighted(base: keras.Model) -> list[Stage]:
    return [stage for stage in stage_map(base) if any(layer.weights for layer in stage.layers)]


def _chosen(
    names: list[str], stages: int | float | str | Sequence[str], backbone: str
) -> list[str]:
    """Resolve an int, a float, "all" or names against names in order of preference."""
    if isinstance(stages, str):
        stages = names if stages == "all" else [stages]
    if isinstance(stages, bool) or not isinstance(stages, (int, float, Sequence)):
        raise InputError(
            f"stages={stages!r} chooses none; give a count, a fraction, names or 'all'"
        )
    if isinstance(stages, int):
        if not 0 <= stages <= len(names):
            raise InputError(
                f"{backbone} has {len(names)} stages, not {stages}; give 0 to {len(names)}"
            )
        return names[:stages]
    if isinstance(stages, float):
        if not 0 <= stages <= 1:
            raise InputError(f"the fraction of stages {stages} is not in 0..1; give 0.0 to 1.0")
        return names[: math.floor(stages * len(names) + 0.5)]
    unknown = [name for name in stages if name not in names]
    if unknown:
        raise InputError(
            f"{backbone} has no stage {', '.join(map(repr, unknown))}; "
            f"give of {', '.join(sorted(names))}"
        )
    return list(stages)


def _train_only(
    base: keras.Model, weighted: list[Stage], names: set[str], train_batch_norm: bool
) -> list[str]:
    # Setting a model's flag sets that of all it holds, so the base goes first.
    base.trainable = bool(names)
    if names:
        for stage in weighted:
            for layer in stage.layers:
                held_back = isinstance(layer, keras.layers.BatchNormalization)
                layer.trainable = stage.name in names and (train_batch_norm or not held_back)
    return [stage.name for stage in weighted if stage.name in names]
