"""What was found against the defaults, on images that chose nothing."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.evaluation.intervals import Figure, figure, proportion
from tl_keras.evaluation.resampled import mean_over_images, resample_weights
from tl_keras.selection.paired import sign_flip
from tl_keras.selection.search_parameters import Settings
from tl_keras.selection.tuned_recipe import recipe_of
from tl_keras.selection.tuning_trial import Trainer

REPEATS = 3
"""Trainings of each side, by seeds that the search did not use."""


def compare_on_final(
    trainer: Trainer, best: Settings, defaults: Settings, seed: int, folder: Path,
    told: Callable[[str], None],
) -> dict[str, Any]:  # fmt: skip
    """Train both sides anew and compare them image by image.

    A search sees its validation part again and again, so the best figure there flatters; and one
    seed's luck is part of it.  So both sides are trained by other seeds and measured on the part
    that chose nothing.  Each training is kept in ``folder`` and not done again.

    Args:
        trainer: Trains.
        best: The settings that were found.
        defaults: Those they are compared with.
        seed: Of the search.
        folder: Of this comparison.
        told: Is told what is trained.

    Returns:
        As of :func:`compared`.
    """
    folder.mkdir(exist_ok=True)
    sides = {}
    for name, settings in (("the defaults", defaults), ("the best", best)):
        found = []
        for number in range(1, REPEATS + 1):
            told(f"{name}, training {number} of {REPEATS}")
            found.append(_right(trainer, settings, (seed + number) % 2**32, folder))
        sides[name] = np.sum(found, axis=0)
    return compared(sides["the best"], sides["the defaults"], REPEATS)


def compared(best: np.ndarray, defaults: np.ndarray, trainings: int) -> dict[str, Any]:
    """Two sides over the same images.

    Args:
        best: How many trainings named each image rightly, (N,).
        defaults: The same of the other side.
        trainings: Of each side.

    Returns:
        ``best`` and ``defaults`` (accuracy, mean over seeds, with an interval over images),
        ``difference`` (the same, paired), ``chance`` (p-value of the difference, by
        :func:`tl_keras.selection.paired.sign_flip`), ``images``, ``seeds``.

    Example:
        >>> found = compared(np.ones(50), np.repeat([0, 1], 25), 1)
        >>> found["difference"]["value"], found["difference"]["low"] > 0, found["chance"] < 0.001
        (0.5, True, True)
    """
    chance = sign_flip(np.asarray(best - defaults).round())
    best, defaults = best / trainings, defaults / trainings
    weights = resample_weights(len(best))
    # The interval is made for shares: from -1..1 to 0..1 and back.
    moved = mean_over_images((best - defaults + 1) / 2, weights)
    limits = {key: np.nan if one is None else 2 * one - 1 for key, one in moved.items()}
    return {
        "best": _share(best, weights),
        "defaults": _share(defaults, weights),
        "difference": figure(limits["value"], limits["low"], limits["high"]),
        "chance": chance,
        "images": len(best),
        "seeds": trainings,
    }


def _share(right: np.ndarray, weights: np.ndarray) -> Figure:
    if set(np.unique(right)) <= {0.0, 1.0}:
        return proportion(int(right.sum()), len(right))
    return mean_over_images(right, weights)


def _right(trainer: Trainer, settings: Settings, seed: int, folder: Path) -> np.ndarray:
    said = json.dumps([settings, seed, trainer.data.fingerprint], sort_keys=True)
    file = folder / f"{hashlib.sha256(said.encode()).hexdigest()[:24]}.json"
    if file.exists():
        return np.array(json.loads(file.read_text())["right"], bool)
    right = trainer.right(trainer.train(settings, recipe_of(settings), seed))
    partial = file.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(
        json.dumps({"settings": settings, "seed": seed, "right": right.astype(int).tolist()})
    )
    partial.replace(file)
    return right
