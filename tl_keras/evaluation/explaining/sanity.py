"""Whether maps depend on what a model learned: its weights are shuffled, from the top down."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tl_keras.backbones.registry import find_backbone
from tl_keras.backbones.stages import stage_map
from tl_keras.errors import InputError
from tl_keras.evaluation.explaining.class_head import class_head
from tl_keras.evaluation.explaining.methods import find_method


def explanation_sanity(
    model: keras.Model, images: Any, classes: Any, method: str = "grad_cam", *,
    after: Sequence[str] | None = None, seed: int = 0,
) -> dict[str, float]:  # fmt: skip
    """How alike maps stay when the weights of a model are shuffled, from the head to the stem.

    A map that stays the same shows edges of the image and nothing of the model (Adebayo et al.
    2018, https://arxiv.org/abs/1810.03292, cascading randomisation).  The values of each kernel
    change places among themselves, so that none is larger than before; biases and the statistics
    of BatchNorm stay.  The model is as it was afterwards.

    Args:
        model: A trained one, as of :func:`~tl_keras.evaluation.explain`.
        images: As there; 10 or more for a steady figure.
        classes: As there.
        method: As there.
        after: Which parts to compare after, of those below; by default after each.  After
            ``("stem",)``, all are shuffled, and it costs two calls of the method.
        seed: Of the shuffling.

    Returns:
        By the part that was shuffled last, ``"head"`` first, then the stages of the base from the
        top, the mean over the images of Spearman's rank correlation of the maps before and after:
        1 the same, 0 nothing in common.  A map without any variation has 0 in common with any.

    Raises:
        InputError: As of :func:`~tl_keras.evaluation.explain`, or there is no such part.

    Example:
        >>> from tl_keras.builders.classifier import build_classifier
        >>> model = build_classifier("mobilenet_025", 3, image_size=32, weights=None)
        >>> images = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3))
        >>> list(explanation_sanity(model, images, [0, 1], "occlusion"))
        ['head', 'stage5', 'stage4', 'stage3', 'stage2', 'stem']
    """
    find = find_method(method).find
    parts = _parts(model)
    wanted = list(parts if after is None else after)
    if not wanted or not set(wanted) <= set(parts):
        raise InputError(f"after={after!r} names no parts; give some of {', '.join(parts)}")
    before = find(model, images, classes)
    kept = [[_values(kernel) for kernel in kernels] for kernels in parts.values()]
    rng = np.random.default_rng(seed)
    found = {}
    try:
        for name, kernels in parts.items():
            for kernel in kernels:
                values = _values(kernel)
                kernel.assign(rng.permutation(values.ravel()).reshape(values.shape))
            if name not in wanted:
                continue
            maps = find(model, images, classes)
            likeness = [rank_correlation(*pair) for pair in zip(before, maps, strict=True)]
            found[name] = float(np.mean(likeness))
    finally:
        for kernels, values in zip(parts.values(), kept, strict=True):
            for kernel, value in zip(kernels, values, strict=True):
                kernel.assign(value)
    return found


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation of the values of two maps; 0 where one of them is even.

    Example:
        >>> rank_correlation(np.array([1, 2, 3, 4]), np.array([10, 20, 90, 91]))
        1.0
    """
    ranks = [_ranks(values) for values in (one, other)]
    if not all(rank.any() for rank in ranks):
        return 0.0
    return float(
        round(ranks[0] @ ranks[1] / np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()), 9)
    )


def _values(variable: Any) -> np.ndarray:
    """A copy, which later assignments leave alone."""
    return np.array(keras.ops.convert_to_numpy(variable))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks less their mean, float64; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place.ravel()]
    return ranks - ranks.mean()


def _parts(model: keras.Model) -> dict[str, list[Any]]:
    """The kernels by part, from the head down."""
    body, dense = class_head(model)
    base = find_backbone(body)
    stages = {stage.name: stage.layers for stage in reversed(stage_map(base).stages)}
    own = {id(variable) for variable in base.variables}
    above = [*dense.variables, *(v for v in body.variables if id(v) not in own)]
    parts = {"head": above} | {
        name: [variable for layer in layers for variable in layer.variables]
        for name, layers in stages.items()
    }
    return {
        name: [variable for variable in variables if len(variable.shape) > 1]
        for name, variables in parts.items()
    }
