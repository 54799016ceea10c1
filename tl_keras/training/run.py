"""What ``fit`` returns: the trained model with everything an artefact needs to say about it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from tl_keras.builders.classifier import head_model
from tl_keras.tasks.task import Task
from tl_keras.training.feature_batches import EVALUATED_ROWS, FeatureSet
from tl_keras.training.features import predict_batches
from tl_keras.training.inputs import batches_of
from tl_keras.training.recipes import Recipe


@dataclass
class Run:
    """A finished (or interrupted) training run.

    Attributes:
        model: With the weights of the best epoch.
        task: What it learned.
        recipe: What was run.
        history: One row an epoch: epoch, stage, loss, accuracy, val_loss, val_accuracy,
            learning_rate, seconds.
        best: The row of the best epoch.
        metrics: Figures on the validation data, each with a 95 % interval; empty without any.
        image_size: Side of the model's square input, px.
        resize: How images are brought to that size.
        train: The training data as given.
        val: The validation data as given, or None.
        seconds: Wall time of ``fit``.
        interrupted: Whether Ctrl-C ended it early.
        settings: What answers need beside the model, found on the validation data: thresholds.
    """

    model: keras.Model
    task: Task
    recipe: Recipe
    history: list[dict[str, Any]]
    best: dict[str, Any] | None
    image_size: int
    resize: str
    seed: int
    batch_size: int
    train: Any
    val: Any = None
    interrupted: bool = False
    seconds: float = 0.0
    metrics: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes or tags, in the order of the model's outputs."""
        if hasattr(self.train, "dataset"):
            return self.task.names(self.train)
        return tuple(str(i) for i in range(self.model.output_shape[-1]))

    def evaluate(self, data: Any) -> dict[str, Any]:
        """Metrics on other data (``Examples`` or arrays), each figure with a 95 % interval.

        Example:
            >>> run.evaluate(test)["accuracy"]  # doctest: +SKIP
            {'value': 0.93, 'low': 0.88, 'high': 0.96}
        """
        batches = batches_of(
            data, batch_size=self.batch_size, image_size=self.image_size, resize=self.resize,
            target=self.task.target,
        )  # fmt: skip
        targets = self.task.targets(data, self.names)
        outputs, _ = predict_batches(self.model, batches, "evaluating")
        probabilities = self.task.probabilities(self.model, outputs)
        return self.task.measure(targets, probabilities, self.names, self.settings)

    def validate(self, val: Any, features: FeatureSet | None = None) -> None:
        """Fill :attr:`metrics` and :attr:`settings` from the validation data.

        Args:
            val: ``Examples`` or arrays.
            features: Theirs, where the backbone is what it was when they were computed: then only
                the head is computed.
        """
        if features is None:
            batches = batches_of(
                val, batch_size=self.batch_size, image_size=self.image_size, resize=self.resize,
                target=self.task.target,
            )  # fmt: skip
            outputs, _ = predict_batches(self.model, batches, "evaluating")
        else:
            outputs, _ = predict_batches(
                head_model(self.model), features.batches(EVALUATED_ROWS), "evaluating"
            )
        targets = self.task.targets(val, self.names)
        probabilities = self.task.probabilities(self.model, outputs)
        self.metrics = self.task.measure(targets, probabilities, self.names, None)
        self.settings = self.task.tune(targets, probabilities)

    def save(self, path: str | Path, *, notes: dict[str, Any] | None = None) -> Path:
        """Write the artefact: model, description, history and report, all or nothing.

        Args:
            path: A folder that does not exist yet, or is empty.
            notes: More entries of ``model.json`` (JSON values).

        Returns:
            The folder.

        Raises:
            InputError: Another run stands there, or it cannot be written.

        Example:
            >>> run.save("saved_models/photos")  # doctest: +SKIP
        """
        from tl_keras.artefact.writing import write_artefact

        return write_artefact(self, Path(path), notes=notes or {})
