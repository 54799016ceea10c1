"""The frozen part of a network is computed once per image."""

import sys
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from tl_keras.builders.classifier import features_model
from tl_keras.data.pipeline import reading_errors


def extract_features(
    model: keras.Model, batches: Any, what: str, verbose: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Run the frozen backbone over a data set once.

    Args:
        model: A model of ``build_classifier``.
        batches: Iterable of (images, labels) with a length, unshuffled.
        what: Named in the progress bar.
        verbose: Whether a progress bar is shown on standard error.

    Returns:
        Pooled features, float32 (N, D), and labels, int32 (N,).

    Example:
        >>> x, y = extract_features(model, train.dataset(32, 128), "train")  # doctest: +SKIP
    """
    extractor = features_model(model)
    features, labels = [], []
    bar = tqdm(
        range(len(batches)), desc=f"  features of {what}", unit="batch", disable=not verbose,
        file=sys.stderr, leave=False,
    )  # fmt: skip
    iterator = iter(batches)
    with reading_errors():
        for _ in bar:
            images, targets = next(iterator)
            features.append(np.asarray(extractor.predict_on_batch(images), "float32"))
            labels.append(np.asarray(targets, "int32"))
    return np.concatenate(features), np.concatenate(labels)
