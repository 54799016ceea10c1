"""Measured images whose labels are probably wrong, as the trained model sees them."""

import shlex
from collections.abc import Sequence
from html import escape

import numpy as np

from tl_keras.data.checking.label_errors import Judged, compare_labels
from tl_keras.evaluation.picture_pool import PicturePool

_SHOWN = 24


def doubtful(labels: np.ndarray, probabilities: np.ndarray) -> tuple[list[int], Judged]:
    """Images that confident learning takes for wrongly labelled, the most doubtful first.

    Args:
        labels: Given classes, int (N,), of images that the model did not learn from.
        probabilities: float (N, C).

    Returns:
        Their numbers, and the judgement of all.

    Example:
        >>> labels = np.repeat([0, 1], 10)
        >>> said = np.eye(2)[labels] * 0.8 + 0.1
        >>> labels[7] = 1
        >>> doubtful(labels, said)[0]
        [7]
    """
    judged = compare_labels(probabilities, labels)
    rows = np.flatnonzero(judged.suspects)
    return rows[np.argsort(-judged.scores[rows], kind="stable")].tolist(), judged


def doubts_section(
    labels: np.ndarray, probabilities: np.ndarray, names: Sequence[str], pool: PicturePool
) -> str:
    """The doubtful labels with pictures, and what to do about them.

    Args:
        labels: Given classes, int (N,).
        probabilities: float (N, C).
        names: The C names.
        pool: For the pictures.

    Returns:
        HTML.
    """
    rows, judged = doubtful(labels, probabilities)
    data = pool.images.root
    command = f"tl-keras check {shlex.quote(data) if data else 'DATA'}"
    what = (
        f"<p>By confident learning on the {len(labels):,} images measured on, which the model "
        "did not learn from. Training images are not judged here, for it has learned their labels, "
        f"wrong ones too: <code>{escape(command)}</code> judges those as well, by a head that has "
        "not seen them.</p>"
    )
    if not rows:
        return f"<p>No label looks wrong.</p>{what}"
    figures = "".join(
        pool.figure(
            row,
            f"labelled {names[labels[row]]} ({100 * judged.given[row]:.0f} %), looks like "
            f"{names[judged.others[row]]} ({100 * judged.likely[row]:.0f} %)",
        )
        for row in rows[:_SHOWN]
    )
    few = f", the most doubtful {_SHOWN} are shown" if len(rows) > _SHOWN else ""
    return (
        f"<p>{len(rows):,} of {len(labels):,} labels may be wrong{few}. Look at each: where the "
        "label is wrong, correct it and train again; where it is right, the picture is a hard one "
        f'that the model has to learn.</p><div class="thumbs">{figures}</div>{what}'
    )
