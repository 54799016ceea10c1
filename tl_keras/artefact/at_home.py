"""A trained classifier that knows what it was trained on: answers and features in one pass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from tl_keras.artefact.domain_file import read_domain
from tl_keras.builders.classifier import features_model
from tl_keras.builders.head_logits import has_plain_head, head_logits
from tl_keras.evaluation.out_of_domain import Domain, Familiarity, judged
from tl_keras.tasks.task import Task


class Seen(NamedTuple):
    """What a model makes of one image.

    Attributes:
        prediction: Of its task.
        familiarity: How the image compares with those of training.
    """

    prediction: Any
    familiarity: Familiarity

    def told(self, answer: Any) -> Any:
        """The answer made of the prediction, with what is known of the image beside."""
        shares = {"neighbours": self.familiarity.neighbours, "energy": self.familiarity.energy}
        return answer._replace(unlike=self.familiarity.unlike, typical=shares)


class Home:
    """A model beside what its artefact remembers of the training images.

    Args:
        model: A classifier with a plain head.
        task: Of the model.
        domain: Of the artefact; kept as an attribute.
    """

    def __init__(self, model: keras.Model, task: Task, domain: Domain):
        self._model, self._task = model, task
        # Converted once, and not for every image.
        self.domain = domain._replace(rows=domain.rows.astype("float32"))
        self._both = keras.Model(model.input, [model.output, features_model(model).output])
        self._logits = head_logits(model)

    def seen(self, images: np.ndarray, views: Sequence[Any]) -> list[Seen]:
        """Predictions, averaged over views where there are several, and how familiar images are.

        Args:
            images: uint8 (N, S, S, 3).
            views: Of test-time augmentation, the first of them of the image as it is.
        """
        predictions, features = [], []
        for view in views:
            shown = np.stack([view.image(image) for image in images])
            outputs, rows = self._both.predict_on_batch(shown)
            predictions.append(self._task.predictions(self._model, outputs))
            features.append(np.asarray(rows, "float32"))
        said = predictions[0] if len(views) == 1 else self._task.averaged(predictions)
        known = judged(self.domain, features[0], self._logits(features[0]))
        return [Seen(*pair) for pair in zip(said, known, strict=True)]


def home_of(folder: Path, model: keras.Model, task: Task) -> Home | None:
    """What the artefact in a folder remembers; None where it remembers nothing.

    Raises:
        InputError: Its file is damaged.
    """
    if not has_plain_head(model):
        return None
    domain = read_domain(folder, features_model(model).output_shape[-1])
    return None if domain is None else Home(model, task, domain)
