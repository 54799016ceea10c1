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
    features, labels = predict_batches(
        features_model(model), batches, f"features of {what}", verbose
    )
    return features.astype("float32", copy=False), labels


def predict_batches(
    model: keras.Model, batches: Any, what: str, verbose: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Run a model over a data set once.

    Args:
        model: Any model of one input and one output.
        batches: Iterable of (images, labels) with a length, unshuffled.
        what: Named in the progress bar.
        verbose: Whether a progress bar is shown on standard error.

    Returns:
        Outputs (N, …) and labels, int32 (N,).

    Raises:
        InputError: A file cannot be read any more.
    """
    outputs, labels = [], []
    bar = tqdm(
        range(len(batches)), desc=f"  {what}", unit="batch", disable=not verbose,
        file=sys.stderr, leave=False,
    )  # fmt: skip
    iterator = iter(batches)
    with reading_errors():
        for _ in bar:
            images, targets = next(iterator)
            outputs.append(np.asarray(model.predict_on_batch(images)))
            labels.append(np.asarray(targets, "int32"))
    return np.concatenate(outputs), np.concatenate(labels)
