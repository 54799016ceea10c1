"""How much of noise, blur, JPEG, brightness and contrast a model bears."""

import functools
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tl_keras.artefact.predictor import Predictor, load
from tl_keras.data.corruptions import CORRUPTIONS, STRENGTHS, corrupted
from tl_keras.evaluation.robustness import robustness_table


def robustness(
    model: str | Path | Predictor, examples: Any, *, tta: str | None = None, seed: int = 0,
    verbose: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The task's first figure on images that are made worse, of five kinds in five strengths.

    Images are made worse in the model's square, after resizing: a strength then means the same to
    the model whatever the size of the file, boxes and masks stay where they are, and the strengths
    are those of ImageNet-C, which is made so.  25 passes of the model, one of the decoder.

    Args:
        model: An artefact.
        examples: ``tl_keras.data.Examples`` with targets.
        tta: As of ``Predictor.predict``.
        seed: Of the noise.
        verbose: Whether progress goes to standard error.

    Returns:
        As of ``robustness_table``.

    Raises:
        InputError: The examples do not fit the model.

    Example:
        >>> robustness("saved_models/photos", held_out)["mean"]  # doctest: +SKIP
        0.71
    """
    predictor = model if isinstance(model, Predictor) else load(model)
    task = predictor.task
    asked = list(itertools.product(CORRUPTIONS, range(1, STRENGTHS + 1)))
    batches = -(-len(examples) // task.batch_size) * (len(asked) + 1)
    with tqdm(total=batches, desc="  made worse", unit="batch", disable=not verbose,
              file=sys.stderr, leave=False) as bar:  # fmt: skip

        def way(kind: str, strength: int, images: np.ndarray, first: int) -> np.ndarray:
            bar.update()
            return corrupted(images, kind, strength, first=first, seed=seed)

        def plain(images: np.ndarray, first: int) -> np.ndarray:
            bar.update()
            return images

        ways = [functools.partial(way, *one) for one in asked]
        truths, (clean, *worse) = predictor.judged_ways(examples, [plain, *ways], tta)
    names = task.names_in(task.prepared(examples, predictor.names), predictor.names)

    def figures(predictions: Any) -> dict[str, Any]:
        return task.headline(task.measure(truths, predictions, names, predictor.settings))

    first, of_clean = next(iter(figures(clean).items()))
    found = dict(zip(asked, (figures(one)[first] for one in worse), strict=True))
    return robustness_table(first, of_clean, found)
