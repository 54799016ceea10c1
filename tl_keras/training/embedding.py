"""What a pretrained base sees in pictures: one vector each."""

import os
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.backbones.bundled import bundled_backbones
from tl_keras.builders.classifier import build_classifier
from tl_keras.errors import InputError
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.feature_extraction import FeatureExtraction

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples


def embed(
    examples: "Examples",
    *,
    backbone: str | None = None,
    weights: str | None = None,
    image_size: int | None = None,
    batch_size: int = 32,
    resize: str = "crop",
    cache: FeatureCache | str | os.PathLike | None = None,
    verbose: bool = False,
) -> np.ndarray:
    """Features of a table's pictures: a frozen base and global average pooling.

    Args:
        examples: the table; one picture or more.
        backbone: A name of ``list_backbones``; by default the one that ships.
        weights: As for ``build_backbone``; by default the shipped ones for the shipped base,
            ``"imagenet"`` for any other.
        image_size: Side of the square, px; by default the one the weights were made for.
        batch_size: Pictures computed at a time.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        cache: A folder to keep features in, or a cache; by default they are not kept.
        verbose: Whether progress goes to standard error.

    Returns:
        float32 (N, D).

    Raises:
        InputError: The table is empty, a picture cannot be read, or an argument cannot be used.

    Example:
        >>> import tl_keras as tl
        >>> examples = tl.data.from_folder("photos/")  # doctest: +SKIP
        >>> findings = tl.data.check(examples, features=tl.embed)  # doctest: +SKIP
    """
    if not len(examples):
        raise InputError("no pictures to embed; give a table with one or more")
    shipped = next(iter(bundled_backbones()))
    weights = weights or ("bundled" if backbone in (None, shipped) else "imagenet")
    model = build_classifier(backbone or shipped, 2, image_size=image_size, weights=weights)
    extraction = FeatureExtraction(
        model,
        image_size=model.input_shape[1],
        batch_size=batch_size,
        resize=resize,
        cache=cache if cache is None or isinstance(cache, FeatureCache) else FeatureCache(cache),
        verbose=verbose,
    )
    return np.asarray(extraction.run(examples).views[0], "float32")
