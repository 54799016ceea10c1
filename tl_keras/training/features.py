"""The frozen part of a network is computed once per image."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from tl_keras.builders.classifier import features_model
from tl_keras.data.pipeline import reading_errors
from tl_keras.training.extractor_runtimes import keras_run


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
        Pooled features, float32 (N, D), and targets, as the batches carry them.

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
        Outputs (N, …) and targets.

    Raises:
        InputError: A file cannot be read any more.
    """
    outputs, labels = [], []
    for rows, targets in run_batches(keras_run(model), batches, what, verbose):
        outputs.append(rows)
        labels.append(targets)
    return np.concatenate(outputs), np.concatenate(labels)


def run_batches(
    run: Callable[[Any], np.ndarray], batches: Any, what: str, verbose: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Run a function over a data set once.

    Args:
        run: From a batch of images to an array of as many rows.
        batches: Iterable of (images, labels) with a length, unshuffled.
        what: Named in the progress bar.
        verbose: Whether a progress bar is shown on standard error.

    Yields:
        For each batch rows (B, …) and its targets.

    Raises:
        InputError: A file cannot be read any more.
    """
    bar = tqdm(
        range(len(batches)), desc=f"  {what}", unit="batch", disable=not verbose,
        file=sys.stderr, leave=False,
    )  # fmt: skip
    iterator = iter(batches)
    for _ in bar:
        with reading_errors():
            images, targets = next(iterator)
        yield run(images), np.asarray(targets)
