"""Learning rates by the stages of a backbone, for ``layer_wise``."""

from collections.abc import Mapping

import keras

from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import stage_map
from tl_keras.errors import InputError


def stage_rates(
    model: keras.Model,
    decay: float = 0.7,
    *,
    table: Mapping[str, float] | None = None,
) -> list[tuple[list[keras.Variable], float]]:
    """Factors of the learning rate for the stages of a model's backbone; the head's is 1.

    Args:
        model: A base, or a model that holds one.
        decay: Factor from each stage to the one below it: the top stage has ``decay``, the lowest
            of n ``decay**n``.  0.65 to 0.75 suits transformers (Clark et al. 2020,
            arXiv:2003.10555, layer by layer).
        table: In place of ``decay``: name of ``stage_map`` -> factor; 1 for stages not named.

    Returns:
        Pairs of variables and factor, one per stage with weights, lowest first.

    Raises:
        InputError: A factor is not above 0, or the backbone has no such stage.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> from tl_keras.optimizers.layer_rates import layer_wise
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> [factor for _, factor in stage_rates(model, 0.5)]
        [0.03125, 0.0625, 0.125, 0.25, 0.5]
        >>> optimizer = layer_wise("adam", stage_rates(model, table={"stem": 0.01}))
    """
    stages = [s for s in stage_map(find_backbone(model)) if any(x.weights for x in s.layers)]
    names = [stage.name for stage in stages]
    if table is None:
        table = {name: decay ** (len(names) - i) for i, name in enumerate(names)}
    unknown = [name for name in table if name not in names]
    if unknown:
        raise InputError(
            f"the backbone has no stage {', '.join(map(repr, unknown))}; give of {', '.join(names)}"
        )
    wrong = {name: factor for name, factor in table.items() if not 0 < factor < float("inf")}
    if wrong:
        raise InputError(f"factors of the learning rate are above 0; got {wrong}")
    return [
        ([v for layer in stage.layers for v in layer.variables], float(table.get(stage.name, 1.0)))
        for stage in stages
    ]
