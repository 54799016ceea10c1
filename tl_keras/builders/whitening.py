"""PCA-whitening of embeddings, put into the embedder itself."""

from typing import Any

import keras
import numpy as np

from tl_keras.builders.arguments import whole
from tl_keras.builders.embedder import as_embedder, vectors_of
from tl_keras.errors import InputError

# Variances below this share of the largest are rounding errors of float32 vectors.
_LEAST_SHARE = 1e-9


def with_whitening(model: keras.Model, vectors: Any, dimension: int | None = None) -> keras.Model:
    """Centre, decorrelate and scale an embedder's vectors, then bring them back to length 1.

    Directions that many features repeat then count once (Jégou and Chum 2012, "Negative evidences
    and co-occurences in image retrieval: the benefit of PCA and whitening",
    https://doi.org/10.1007/978-3-642-33709-3_55).  It needs no labels.  The last directions are
    mostly noise, and whitening makes them as loud as the others: a ``dimension`` of half or less
    often finds better neighbours, and a set as large as can be should teach it.

    Args:
        model: Of ``build_embedder`` or ``embedder_of``.
        vectors: float (N, D), what the model says of many images, none of them those to be
            measured on; N > dimension.
        dimension: Length K of the new vectors, 2 to D, those of most variance; by default D.

    Returns:
        A ``keras.Model`` named ``"embedder"`` over the same layers, with a Dense layer
        ``"whitening"``, which does not train, and a norm after it.  Output: float32 (batch, K).

    Raises:
        InputError: The model is no embedder or is whitened already, or the vectors are not its
            own, or not enough for so many dimensions.

    Example:
        >>> from tl_keras.builders.embedder import build_embedder
        >>> model = build_embedder("mobilenet_025", 4, image_size=32, weights=None)
        >>> vectors = np.random.default_rng(0).normal(size=(50, 4))
        >>> with_whitening(model, vectors, 2).output_shape
        (None, 2)
    """
    ready = vectors_of(model)
    width = ready.shape[-1]
    if any(layer.name == "whitening" for layer in model.layers):
        raise InputError("the embedder is whitened already; give the one from before")
    vectors = np.asarray(vectors, "float64")
    if vectors.ndim != 2 or vectors.shape[1] != width or not np.isfinite(vectors).all():
        raise InputError(
            f"vectors of shape {vectors.shape} are none of this embedder, or hold NaN; give "
            f"model.predict(images), finite, (N, {width})"
        )
    if dimension is None:
        dimension = width
    dimension = whole(dimension, 2, "dimension", f"give 2 to {width}")
    if dimension > width:
        raise InputError(f"dimension={dimension} is more than the embedder's; give 2 to {width}")
    mean = vectors.mean(0) if len(vectors) else np.zeros(width)
    centred = vectors - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / max(len(vectors), 1))
    variances, directions = variances[::-1], directions[:, ::-1]
    enough = int((variances > max(variances[0], 1e-30) * _LEAST_SHARE).sum())
    if enough < dimension:
        raise InputError(
            f"{len(vectors)} vectors vary in {enough} directions, too few for {dimension}; give "
            f"more of them{f', or dimension={enough} or less' if enough >= 2 else ''}"
        )
    kernel = directions[:, :dimension] / np.sqrt(variances[:dimension])
    dense = keras.layers.Dense(dimension, dtype="float32", name="whitening", trainable=False)
    whitened = dense(ready)
    dense.set_weights([kernel.astype("float32"), (-mean @ kernel).astype("float32")])
    return as_embedder(model.input, whitened)
