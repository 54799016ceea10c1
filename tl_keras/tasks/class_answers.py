"""What a classifier says of images, and how that is put in a line."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tl_keras.tasks.task import ranked

_MOST_SAID = 5  # classes of a set that are printed


class Prediction(NamedTuple):
    """What the model says of one image.

    Attributes:
        source: The path as given, or ``"array 0"``, ``"bytes 0"`` with its position.
        class_name: The most probable class.
        probability: Of that class, in [0, 1], at the model's temperature.
        probabilities: Of every class by name.
        classes: The likeliest first, so many that the true class is among them as often as the
            model's ``coverage`` promises; None where it promises nothing.
        abstains: Whether it is too unsure to answer, so that of all images no more get a wrong
            answer than ``coverage`` leaves; None where it promises nothing.
        unlike: Whether it is like nothing that the model was trained on; None where the model does
            not know.
        typical: The shares of images held out in training that were as strange as this one, or
            stranger: by ``"neighbours"``, the distance from the training images, which decides
            about ``unlike``; and by ``"energy"``, how little the logits say.  None likewise.

    Example:
        >>> Prediction("1.jpg", "ant", 0.6, {"ant": 0.6, "bee": 0.4}, ("ant", "bee"), True).abstains
        True
    """

    source: str
    class_name: str
    probability: float
    probabilities: dict[str, float]
    classes: tuple[str, ...] | None = None
    abstains: bool | None = None
    unlike: bool | None = None
    typical: dict[str, float] | None = None


def class_answers(
    sources: Sequence[str], probabilities: Any, names: Sequence[str], settings: Mapping[str, Any]
) -> list[Prediction]:
    """The most probable class of each image, its set, and whether the model is sure enough.

    Args:
        sources: Names of the images.
        probabilities: float (N, C), at the temperature of the settings.
        names: Of the classes.
        settings: Of the model, as of ``tuned_promises``; empty where it promises nothing.

    Example:
        >>> limits = {"set_threshold": 0.3, "abstain_below": 0.5}
        >>> (found,) = class_answers(["1.jpg"], [[0.6, 0.4]], ["ant", "bee"], limits)
        >>> found.classes, found.abstains
        (('ant', 'bee'), False)
    """
    from tl_keras.evaluation.conformal import prediction_sets

    rows = np.asarray(probabilities)
    limit, least = settings.get("set_threshold"), settings.get("abstain_below")
    sets = [None] * len(rows) if limit is None else prediction_sets(rows, limit)
    found = []
    for source, row, inside in zip(sources, rows, sets, strict=True):
        order = np.argsort(-row, kind="stable")
        found.append(
            Prediction(
                source,
                names[int(order[0])],
                float(row.max()),
                dict(zip(names, map(float, row), strict=True)),
                None if inside is None else tuple(names[k] for k in order if inside[k]),
                None if least is None else bool(row.max() < least),
            )
        )
    return found


def answer_line(answer: Prediction, top: int | None) -> str:
    """The most probable class, or those of the set, and whether the model says no.

    Args:
        answer: Of the model.
        top: So many of the most probable classes; None: those of the set.

    Example:
        >>> shares = {"ant": 0.5, "bee": 0.4, "wasp": 0.1}
        >>> answer_line(Prediction("1.jpg", "ant", 0.5, shares, ("ant", "bee"), True), None)
        'abstains: ant 0.500  or bee 0.400'
    """
    if top:
        line = ranked(answer.probabilities, top)
    else:
        possible = answer.classes or (answer.class_name,)
        shown = [ranked({name: answer.probabilities[name]}, 1) for name in possible[:_MOST_SAID]]
        if len(possible) > len(shown):
            shown.append(f"{len(possible) - len(shown)} more")
        line = "  or ".join(shown)
    if answer.unlike:
        return f"like nothing it was trained on: {line}"
    return f"abstains: {line}" if answer.abstains else line
