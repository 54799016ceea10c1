"""What a task record holds: from the table to targets, from outputs to answers and figures."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.intervals import Figure


class Task(abc.ABC):
    """A kind of thing to learn.

    "Names" are those of the model's outputs: classes, tags.  "Settings" are what an answer needs
    beside the model and is found on the validation data, such as thresholds; they are JSON values
    and stand in the artefact.

    Attributes:
        name: As in ``--task`` and ``model.json``.
        line: One line of help.
        target: The column of the table that batches carry, see ``Examples.dataset``.
        mixed_target: The column where a preset mixes images, or None where it must not.
        watch: The metric that epochs are compared by, higher is better.
        model_name: Name of the models that its builder makes.
        names_key: What the table and ``model.json`` call the names of outputs.
    """

    name: str
    line: str
    target: str
    mixed_target: str | None
    watch: str
    model_name: str
    names_key: str

    @abc.abstractmethod
    def names(self, data: Any) -> tuple[str, ...]:
        """Names of what is learned from examples; for arrays, numbers."""

    @abc.abstractmethod
    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None
    ) -> keras.Model:
        """The model to train."""

    @abc.abstractmethod
    def targets(self, data: Any, names: Sequence[str]) -> np.ndarray:
        """A row per example, with its classes in the order of ``names``.

        Raises:
            InputError: The data have no such targets, or names that are not among these.
        """

    @abc.abstractmethod
    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """The targets of training or validation data, which fit the model.

        Raises:
            InputError: They do not.
        """

    @abc.abstractmethod
    def counts(self, targets: np.ndarray, outputs: int) -> np.ndarray:
        """Training images of each name, int64 (outputs,)."""

    @abc.abstractmethod
    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """What the recipe minimises, on targets or on mixed ones."""

    @abc.abstractmethod
    def metrics(self, model: keras.Model) -> list[Any]:
        """For ``compile``; one of them is called :attr:`watch`."""

    @abc.abstractmethod
    def probabilities(self, model: keras.Model, outputs: np.ndarray) -> np.ndarray:
        """float64, 0..1, of the model's outputs, be they probabilities or logits."""

    def tune(self, targets: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
        """Settings found on validation data; none by default."""
        return {}

    @abc.abstractmethod
    def measure(
        self, targets: np.ndarray, probabilities: np.ndarray, names: Sequence[str],
        settings: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Figures, JSON-able, each with a 95 % interval.

        Args:
            targets: As of :meth:`targets`.
            probabilities: A row per example.
            names: Of the outputs.
            settings: Of the model; None where these very data tune them.
        """

    @abc.abstractmethod
    def headline(self, metrics: Mapping[str, Any]) -> dict[str, Figure]:
        """The figures to show first, by the name to show."""

    @abc.abstractmethod
    def baseline(self, metrics: Mapping[str, Any]) -> tuple[str, Figure | float]:
        """What the first figure has to beat, and its name: what guessing gives."""

    @abc.abstractmethod
    def table(self, metrics: Mapping[str, Any]) -> list[str]:
        """Lines of text: figures of each name."""

    @abc.abstractmethod
    def answers(
        self, sources: Sequence[str], probabilities: np.ndarray, names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Any]:  # fmt: skip
        """What the model says of each source: named tuples whose first entry is the source."""

    @abc.abstractmethod
    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Sections of the report: title to HTML."""


def column_of(data: Any, what: str) -> np.ndarray:
    """The targets of a pair of arrays.

    Raises:
        InputError: It is no pair.
    """
    if isinstance(data, tuple | list) and len(data) == 2:
        return np.asarray(data[1])
    raise InputError(
        f"the {what} data is {type(data).__name__}; give examples (tl_keras.data.from_folder) or "
        "a pair of arrays, images and targets"
    )


def in_order_of(names: Sequence[str], own: Sequence[str], root: str, what: str) -> np.ndarray:
    """Where each of a table's own names stands among the model's.

    Raises:
        InputError: The table names something that the model does not know.
    """
    unknown = [name for name in own if name not in names]
    if unknown:
        raise InputError(
            f"{root or 'the data'} has {what} that the model does not know: {', '.join(unknown)}; "
            f"it knows {', '.join(names)}"
        )
    return np.array([list(names).index(name) for name in own], "int64")
