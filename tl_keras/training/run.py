"""What ``fit`` returns: the trained model with everything an artefact needs to say about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.builders.classifier import head_model
from tl_keras.errors import InputError
from tl_keras.evaluation.metrics import evaluate_classification
from tl_keras.training.feature_batches import EVALUATED_ROWS, FeatureSet
from tl_keras.training.features import predict_batches
from tl_keras.training.inputs import batches_of
from tl_keras.training.recipes import Recipe


@dataclass
class Run:
    """A finished (or interrupted) training run.

    Attributes:
        model: With the weights of the best epoch.
        recipe: What was run.
        history: One row an epoch: epoch, stage, loss, accuracy, val_loss, val_accuracy,
            learning_rate, seconds.
        best: The row of the best epoch.
        metrics: Figures on the validation data, each with a 95 % interval; empty without any.
        image_size: Side of the model's square input, px.
        resize: How images are brought to that size.
        train: The training data as given.
        seconds: Wall time of ``fit``.
        interrupted: Whether Ctrl-C ended it early.
    """

    model: keras.Model
    recipe: Recipe
    history: list[dict[str, Any]]
    best: dict[str, Any] | None
    image_size: int
    resize: str
    seed: int
    batch_size: int
    train: Any
    interrupted: bool = False
    seconds: float = 0.0
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the model's outputs."""
        names = getattr(self.train, "class_names", None)
        return tuple(names or (str(i) for i in range(self.model.output_shape[-1])))

    def evaluate(self, data: Any) -> dict[str, Any]:
        """Metrics on other data (``Examples`` or arrays), each figure with a 95 % interval.

        Example:
            >>> run.evaluate(test)["accuracy"]  # doctest: +SKIP
            {'value': 0.93, 'low': 0.88, 'high': 0.96}
        """
        batches = batches_of(
            data, batch_size=self.batch_size, image_size=self.image_size, resize=self.resize
        )
        if hasattr(data, "class_names"):
            labels = labels_in_order_of(self.class_names, data)
        else:
            labels = np.asarray(data[1]).reshape(-1)
        outputs, _ = predict_batches(self.model, batches, "evaluating")
        return self._measured(outputs, labels)

    def evaluate_features(self, features: FeatureSet) -> dict[str, Any]:
        """The same of a data set whose features are known: only the head is computed."""
        outputs, labels = predict_batches(
            head_model(self.model), features.batches(EVALUATED_ROWS), "evaluating"
        )
        return self._measured(outputs, labels)

    def _measured(self, outputs: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        probabilities = probabilities_of(self.model, outputs.astype("float64"))
        return evaluate_classification(labels, probabilities, self.class_names)

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


def labels_in_order_of(class_names: Sequence[str], examples: Any) -> np.ndarray:
    """The labels of examples as positions in ``class_names``, whatever their own order.

    Raises:
        InputError: The examples have a class that is not among them.
    """
    unknown = [name for name in examples.class_names if name not in class_names]
    if unknown:
        raise InputError(
            f"{examples.root} has classes that the model does not know: {', '.join(unknown)}; "
            f"it knows {', '.join(class_names)}"
        )
    position = np.array([class_names.index(name) for name in examples.class_names])
    return position[examples.labels]


def probabilities_of(model: keras.Model, outputs: np.ndarray) -> np.ndarray:
    """Softmax of a logits head's outputs; the outputs themselves of a softmax head."""
    activation = getattr(model.get_layer("predictions").activation, "__name__", "")
    if activation == "softmax":
        return outputs
    shifted = np.exp(outputs - outputs.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)
