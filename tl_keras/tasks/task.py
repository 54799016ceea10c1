"""What a task record holds: from the table to targets, from outputs to answers and figures."""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from tl_keras.data.framing import Frame
from tl_keras.errors import InputError
from tl_keras.evaluation.drawing import PANEL_SIDE
from tl_keras.evaluation.intervals import Figure

if TYPE_CHECKING:
    from tl_keras.evaluation.measured_images import Illustrations, MeasuredImages
    from tl_keras.evaluation.worst_images import Judged


#: Stands above pictures beside which :meth:`Task.evidence` is drawn.
SEEN_FOR = (
    "The last picture of each shows what in the image speaks for the predicted class (Grad-CAM, "
    "yellow the most). It is as coarse as the network's last feature map, and says where, not why."
)


class Pace(NamedTuple):
    """How a head that reads maps is trained where nobody says, measured on small real sets.

    Attributes:
        steps: Of the stage that trains everything.
        rate: Its peak learning rate.
        bottom_rate: Rate of the base's lowest stage as a fraction of that.
    """

    steps: int = 300
    rate: float = 2e-3
    bottom_rate: float = 0.3


class Task(abc.ABC):
    """A kind of thing to learn.

    "Names" are those of what is told apart: classes, tags.  "Truths" and "predictions" are lists
    or arrays of one entry an image, both in the model's square; what an entry is, each task says.
    "Settings" are what an answer needs beside the model and is found on the validation data, such
    as thresholds; they are JSON values and stand in the artefact.

    Attributes:
        name: As in ``--task`` and ``model.json``.
        line: One line of help.
        target: What batches carry, see ``Examples.dataset``.
        mixed_target: The same where a preset mixes images, or None where it must not.
        watch: The metric that epochs are compared by, higher is better.
        model_name: Name of the models that its builder makes.
        names_key: What the table and ``model.json`` call the names.
        pooled: Whether the head reads one vector an image, so that a frozen base is computed once.
        losses: What ``Recipe.loss`` may be; the first in place of the recipes' own default.
        open_set: Whether validation and test data may have other classes than training: then
            epochs are compared by :meth:`figure`.
        tiles: Whether it can look at large images tile by tile.
        draws: Whether there is a picture of its answers.
        explains: Whether answers have ``probabilities`` by name, of one vector an image.
        right: From truths and predictions to which answers are right, bool (N,); None where an
            answer is not simply right or wrong.
        worst_note: A sentence above the pictures of the worst images.
        counts_note: What the counts of each class are of, a sentence, where not of images.
        pace: Of a task that is not pooled.
        heads: What the part behind the base may be; none where there is no choice.
        resize: How images are made square where nobody says.
        batch_size: Images of a step where nobody says.
        used: The command that an artefact is made for, without ``tl-keras``.
    """

    name: str
    line: str
    target: str
    mixed_target: str | None
    watch: str
    model_name: str
    names_key: str = "class_names"
    pooled: bool = False
    losses: tuple[str, ...] = ("crossentropy",)
    open_set: bool = False
    tiles: bool = False
    draws: bool = False
    explains: bool = False
    right: Callable[[Sequence[Any], Sequence[Any]], np.ndarray] | None = None
    worst_note: str = ""
    counts_note: str = ""
    pace: Pace = Pace()
    heads: tuple[str, ...] = ()
    resize: str = "crop"
    batch_size: int = 32
    used: str = "predict {model} IMAGE ..."

    @property
    def classifies(self) -> bool:
        """Whether each image has one class of those that there are, told by one vector."""
        return self.pooled and self.target == "labels" and not self.open_set

    @abc.abstractmethod
    def names(self, data: Any) -> tuple[str, ...]:
        """Names of what is learned from examples; for arrays, numbers."""

    @abc.abstractmethod
    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None,
        head: str | None = None,
    ) -> keras.Model:  # fmt: skip
        """The model to train.

        Args:
            backbone: A name of ``list_backbones``.
            names: Of what it tells apart.
            image_size: As of the builders.
            weights: Likewise.
            head: One of :attr:`heads`; by default the first.
        """

    @abc.abstractmethod
    def prepared(self, data: Any, names: Sequence[str] | None = None) -> Any:
        """The data as the task sees them: a table with its classes in the order of ``names``.

        Arrays are returned as they are.

        Raises:
            InputError: The data have no such targets, or names that are not among these.
        """

    @abc.abstractmethod
    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """Counts of each name among prepared training or validation data, int64 (names,).

        Raises:
            InputError: They do not fit the model, or cannot be learned from.
        """

    @abc.abstractmethod
    def outputs(self, model: keras.Model) -> int | None:
        """How many names a model of the task, or its final one, tells apart; None: any number."""

    def learner(self, model: keras.Model, recipe: Any, counts: np.ndarray) -> keras.Model:
        """The model whose training trains the model: itself, or one over the same layers."""
        return model

    def batched(self, batches: Any, labels: np.ndarray) -> Any:
        """Shuffled training batches as the loss needs them; as they come by default.

        Args:
            batches: With an ``epoch_order``.
            labels: Of all examples, where :attr:`target` is ``"labels"``.
        """
        return batches

    @abc.abstractmethod
    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """What the recipe minimises, on targets or on mixed ones."""

    @abc.abstractmethod
    def metrics(self, model: keras.Model) -> list[Any]:
        """For ``compile``; one of them is called :attr:`watch`."""

    def loss_name(self, recipe: Any) -> str:
        """Which of :attr:`losses` a recipe asks for.

        Raises:
            InputError: None of them.
        """
        if recipe.loss in self.losses:
            return recipe.loss
        if recipe.loss == "crossentropy":
            return self.losses[0]
        raise InputError(
            f"--task {self.name} knows no loss {recipe.loss!r}; give one of "
            f"{', '.join(self.losses)}"
        )

    def figure(self, truths: Sequence[Any], predictions: Sequence[Any]) -> float:
        """What epochs of an :attr:`open_set` task are compared by, over all validation images."""
        raise NotImplementedError(f"--task {self.name} compares epochs by {self.watch}")

    def bounds(self, data: Any) -> dict[str, int]:
        """Sizes that :meth:`final` takes from prepared training data; none by default."""
        return {}

    def final(self, model: keras.Model) -> keras.Model:
        """The model to save, predict with and export: with the decoding inside.

        It shares the layers of ``model``.  Tasks with :meth:`bounds` take these as well.
        """
        return model

    def truths(self, targets: np.ndarray) -> Sequence[Any]:
        """The truth of each image of a batch of targets."""
        return targets

    @abc.abstractmethod
    def predictions(self, model: keras.Model, outputs: Any) -> Sequence[Any]:
        """What the final model says of each image of a batch of its outputs."""

    def averaged(self, views: Sequence[Sequence[Any]]) -> Sequence[Any]:
        """Predictions of several views of the same images as one."""
        return np.mean(views, axis=0)

    def names_in(self, data: Any, names: Sequence[str]) -> tuple[str, ...]:
        """What the truths of prepared data count by: the model's names."""
        return tuple(names)

    def placed(self, prediction: Any, frame: Frame) -> Any:
        """A prediction in the pixels of the image itself instead of the square."""
        return prediction

    def tiled(self, model: keras.Model, image: np.ndarray) -> Any:
        """A prediction in the image's own px, tile by tile, of an image of any size.

        Args:
            model: The final model.
            image: uint8 (H, W, 3).
        """
        raise NotImplementedError(f"--task {self.name} looks at whole images")

    def tune(
        self, truths: Sequence[Any], predictions: Sequence[Any], metrics: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Settings found on validation data, of which these are the figures; none by default."""
        return {}

    def joint(self, settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Settings of the ensemble of models that have these: their mean, number by number."""
        return {key: np.mean([one[key] for one in settings], 0).tolist() for key in settings[0]}

    def scaled(self, predictions: Sequence[Any], settings: Mapping[str, Any]) -> Sequence[Any]:
        """Predictions as they are said, of those that the network gives: as they are by default."""
        return predictions

    def exported(self, model: keras.Model, settings: Mapping[str, Any]) -> keras.Model:
        """The final model as other programs are to run it: with :meth:`scaled` inside."""
        return model

    @abc.abstractmethod
    def measure(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Figures, JSON-able, each with a 95 % interval.

        Args:
            truths: Of each image.
            predictions: Of each image.
            names: Of what is told apart.
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
        self, sources: Sequence[str], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Any]:  # fmt: skip
        """What the model says of each source: named tuples whose first entry is the source.

        Args:
            sources: Names of the images.
            predictions: Of each, as :meth:`placed` returns them.
            names: Of what is told apart.
            settings: Of the model.
        """

    @abc.abstractmethod
    def said(self, answer: Any, top: int | None) -> str:
        """An answer in a line of text; with the ``top`` most probable, whatever they are."""

    def told(self, answer: Any) -> dict[str, Any]:
        """An answer as JSON values."""
        return answer._asdict()

    @abc.abstractmethod
    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Sections of the report: title to HTML."""

    def illustrated(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any], images: "MeasuredImages",
    ) -> "Illustrations":  # fmt: skip
        """Sections of the report that show images of the data; none by default.

        Only :attr:`pooled` tasks are asked, whose predictions need little room.  A section takes
        the place of one of the same title of :meth:`report`.

        Args:
            truths: Of each image.
            predictions: Of each image.
            names: As of :meth:`names_in`.
            settings: Of the model.
            images: Pixels, file names and columns of each.
        """
        from tl_keras.evaluation.measured_images import Illustrations

        return Illustrations({})

    def worst(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> "list[Judged]":  # fmt: skip
        """Images to show in the report, worst first; none by default."""
        return []

    def evidence(
        self, model: keras.Model, images: np.ndarray, predictions: Sequence[Any],
        names: Sequence[str],
    ) -> list[tuple[np.ndarray, str]]:  # fmt: skip
        """Where in each image its answer was read off; nothing by default.

        Args:
            model: The final model.
            images: uint8 (N, S, S, 3).
            predictions: Of each image.
            names: Of what is told apart.

        Returns:
            A heat map float32 (S, S), 0..1, and its title, for each image; or none at all.
        """
        return []

    def picture(
        self, image: np.ndarray, truth: Any, prediction: Any, names: Sequence[str],
        settings: Mapping[str, Any], side: int = PANEL_SIDE,
    ) -> np.ndarray:  # fmt: skip
        """An image with its prediction, beside its truth unless that is None.

        Args:
            image: uint8 (H, W, 3), of which the others speak.
            truth: Of the image, or None.
            prediction: Of the image.
            names: Of what is told apart.
            settings: Of the model.
            side: Longest side of each image in the picture, px; smaller ones are scaled up.

        Returns:
            uint8 (height, width, 3).
        """
        raise NotImplementedError(f"--task {self.name} draws nothing")


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


def ranked(probabilities: Mapping[str, float], top: int | None) -> str:
    """The most probable names with their probabilities, in a line.

    Example:
        >>> ranked({"ant": 0.2, "bee": 0.8}, 1)
        'bee 0.800'
    """
    names = sorted(probabilities, key=probabilities.__getitem__, reverse=True)[:top]
    return "  ".join(f"{name} {probabilities[name]:.3f}" for name in names)
