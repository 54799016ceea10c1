"""What the tasks have in common that find any number of things, each with a score."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from tl_keras.errors import InputError
from tl_keras.tasks.localization import corners
from tl_keras.tasks.task import Task

#: Stands beside figures of a threshold that the same images chose.
TUNED = (
    "The score threshold is tuned on these images: on others, precision, recall and counts at it "
    "will be a little worse. AP does not depend on it."
)


class ThingTask(Task):
    """Things in an image, of which those count whose score reaches a threshold.

    Its answers have ``things`` (with class name, score and box) and ``counts`` by class.
    """

    mixed_target = None
    draws = True
    resize = "stretch"
    batch_size = 8

    def check_weights(self, recipe: Any) -> None:
        """Raise if a recipe asks for what the losses of such tasks have not.

        Raises:
            InputError: It weighs classes or smooths labels.
        """
        if recipe.class_weights is not None or recipe.label_smoothing:
            raise InputError(
                f"--task {self.name} knows neither class weights nor label smoothing; "
                "leave them out of the recipe"
            )

    def tune(
        self, truths: Sequence[Any], predictions: Sequence[Any], metrics: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The score with the highest F1 on these images."""
        return {"score_threshold": metrics["score_threshold"]}

    def measure(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """As :meth:`evaluated`, with a note where these very data choose the threshold."""
        threshold = None if settings is None else threshold_of(settings)
        found = self.evaluated(truths, predictions, names, threshold)
        if threshold is None:
            found["notes"].append(TUNED)
        return found

    @abc.abstractmethod
    def evaluated(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        threshold: float | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Figures, of which some are those from a score on; None: from the best on these data."""

    def baseline(self, metrics: Mapping[str, Any]) -> tuple[str, float]:
        """What a model that finds nothing has."""
        return "finding nothing", 0.0

    def said(self, answer: Any, top: int | None) -> str:
        """How many things of each class, and each with its score and corners."""
        return things_said(answer.things, answer.counts, top)


def threshold_of(settings: Mapping[str, Any]) -> float:
    """From which score on a thing is an answer; a half where nothing tuned it."""
    return settings.get("score_threshold", 0.5)


def counted(things: Sequence[Any], names: Sequence[str]) -> dict[str, int]:
    """How many things of each class there are, classes without any left out."""
    counts = {name: sum(thing.class_name == name for thing in things) for name in names}
    return {name: count for name, count in counts.items() if count}


def things_said(things: Sequence[Any], counts: Mapping[str, int], top: int | None) -> str:
    """Things of an image in a line: how many of each class, then the best.

    Example:
        >>> from tl_keras.tasks.detection import Found
        >>> things_said([Found("cat", 0.9, (1, 2, 3, 4))], {"cat": 1}, None)
        '1 cat: cat 0.90 at (1, 2, 3, 4)'
    """
    if not things:
        return "(nothing)"
    shown = [f"{t.class_name} {t.score:.2f} at {corners(t.box)}" for t in things[: top or 5]]
    rest = len(things) - len(shown)
    more = [f"and {rest} more"] if rest else []
    total = ", ".join(f"{count} {name}" for name, count in counts.items())
    return f"{total}: {'  '.join(shown + more)}"
