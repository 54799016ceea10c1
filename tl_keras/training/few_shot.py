"""How far a handful of images of each class goes: accuracy over many draws of it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.evaluation.fold_figures import fold_figures
from tl_keras.training.closed_form import SOLVERS, closed_form_head

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

#: Draws behind a figure: the mean is then known to a quarter of what one draw varies by.
DRAWS = 20
#: What the interval is, in words that stand beside it.
INTERVAL = "95 % t-interval of the mean over draws from these images"


def accuracy_over_draws(
    features: np.ndarray,
    examples: "Examples",
    shots: int,
    *,
    solvers: Sequence[str] = SOLVERS,
    draws: int = DRAWS,
    seed: int = 0,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, dict[str, Any]]:
    """Draw, compute a head, measure; again and again on features that are there already.

    Draw 0 is that of ``examples.draw(shots, seed)``.  All draws are from the same images, so that
    the interval tells what the choice of the handful is worth, and not what other images would.

    Args:
        features: (N, D) of the examples, by a frozen backbone.
        examples: N of them, each with a label.
        shots: Images of each class.
        solvers: Ways to compute the head, of
            :func:`tl_keras.training.closed_form.closed_form_head`.
        draws: How many; 1 or more.
        seed: Of the draws.
        held_out: Features (M, D) and labels (M,) to measure on; by default each draw is measured
            on what it leaves.

    Returns:
        Solver -> accuracy, 0..1: ``value`` (the mean over draws), ``low`` and ``high``
        (:data:`INTERVAL`), ``sd`` (of one draw), ``values``.

    Raises:
        InputError: A class has too few images.

    Example:
        >>> from tl_keras.data import Examples
        >>> table = Examples(tuple("abcdef"), np.repeat([0, 1], 3), ("x", "y"), tuple("123456"),
        ...                  (None,) * 6)
        >>> found = accuracy_over_draws(np.repeat(np.eye(2), 3, axis=0), table, 2, draws=3)
        >>> found["ridge"]["values"]
        [1.0, 1.0, 1.0]
    """
    from tl_keras.data.splitting import shot_positions

    labels, classes = np.asarray(examples.labels), len(examples.class_names)
    measured = []
    for repeat in range(draws):
        drawn, rest = shot_positions(examples, shots, seed, repeat=repeat, leave=held_out is None)
        seen, truths = (features[rest], labels[rest]) if held_out is None else held_out
        found = {}
        for solver in solvers:
            head = closed_form_head(features[drawn], labels[drawn], classes, solver)
            named = head.probabilities(seen).argmax(axis=1)
            found[solver] = {"value": float((named == truths).mean())}
        measured.append(found)
    return fold_figures(measured, 0.0)
