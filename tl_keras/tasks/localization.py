"""One class per image, and a box around what is of that class."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from tl_keras.data.framing import Frame
from tl_keras.errors import InputError
from tl_keras.evaluation.drawing import PANEL_SIDE
from tl_keras.evaluation.intervals import Figure
from tl_keras.tasks.drawn_data import check_target_arrays, drawn_table, same_names
from tl_keras.tasks.kinds import KINDS
from tl_keras.tasks.task import SEEN_FOR, Pace, Task, column_of, ranked

if TYPE_CHECKING:
    from tl_keras.evaluation.worst_images import Judged


class Localized(NamedTuple):
    """What the model says of one image.

    Attributes:
        source: The path as given, or ``"array 0"``, ``"bytes 0"`` with its position.
        class_name: The most probable class.
        probability: Of that class, in [0, 1].
        box: ``x1, y1, x2, y2`` in px of the image itself.
        probabilities: Of every class by name.
    """

    source: str
    class_name: str
    probability: float
    box: tuple[float, float, float, float]
    probabilities: dict[str, float]


class Localization(Task):
    """An image shows one thing: what it is, and where.

    A truth is float32 (6,): ``x1, y1, x2, y2``, class or -1, and 1 if there is a box; a
    prediction float32 (4 + C,): a box and the classes' probabilities.
    """

    name = "localize"
    line = KINDS["localize"]
    target = "box"
    mixed_target = None
    watch = "accuracy_at_iou50"
    model_name = "localizer"
    draws = True
    explains = True
    worst_note = SEEN_FOR
    resize = "stretch"
    batch_size = 8
    # On pets' heads 0.74 of IoU; 0.69 with the other tasks' pace.
    pace = Pace(steps=580, rate=5e-4, bottom_rate=1.0)

    def names(self, data: Any) -> tuple[str, ...]:
        """The classes; of arrays, their numbers."""
        if hasattr(data, "class_names"):
            return data.class_names
        return tuple(str(i) for i in range(int(np.max(column_of(data, "training")[..., 4])) + 1))

    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None,
        head: str | None = None,
    ) -> keras.Model:  # fmt: skip
        """``build_localizer``."""
        from tl_keras.builders.localizer import build_localizer

        return build_localizer(backbone, len(names), image_size=image_size, weights=weights)

    def prepared(self, data: Any, names: Sequence[str] | None = None) -> Any:
        """Examples with boxes, whose classes stand in ``names``."""
        return drawn_table(data, "boxes", names)

    def outputs(self, model: keras.Model) -> int:
        """Classes."""
        return model.output_shape[-1] - 4

    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """Images of each class; some have a box."""
        from tl_keras.data.main_box import localization_targets

        classes = self.outputs(model)
        if hasattr(data, "boxes"):
            same_names(data, classes, part)
            rows = localization_targets(data.boxes, data.labels)
        else:
            rows = check_target_arrays(data, (6,), part)
        named = rows[:, 4] >= 0
        if not (rows[:, 5] > 0).any():
            raise InputError(
                f"no {part} image has a box of its class; check the annotations, or train "
                "--task classify"
            )
        if rows[:, 4].max() >= classes:
            raise InputError(f"{part} targets hold class {rows[:, 4].max():.0f} of {classes}")
        return np.bincount(rows[named, 4].astype("int64"), minlength=classes)

    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """Cross-entropy of the class, smooth L1 and GIoU of the box."""
        from tl_keras.tasks.localization_objective import LocalizationLoss

        if recipe.class_weights is not None:
            raise InputError("--task localize knows no class weights; leave them out of the recipe")
        return LocalizationLoss(model.input_shape[1], label_smoothing=recipe.label_smoothing)

    def metrics(self, model: keras.Model) -> list[Any]:
        """Accuracy of class and box together, and each alone."""
        from tl_keras.tasks.localization_objective import AccuracyAtIoU, BoxIoU, ClassAccuracy

        return [AccuracyAtIoU(name=self.watch), BoxIoU(), ClassAccuracy()]

    def predictions(self, model: keras.Model, outputs: Any) -> np.ndarray:
        """The outputs themselves, boxes cut off at the edges."""
        rows = np.array(outputs, "float32")
        rows[:, :4] = rows[:, :4].clip(0, model.input_shape[1])
        return rows

    def placed(self, prediction: Any, frame: Frame) -> np.ndarray:
        """The box in the image's own px."""
        return np.concatenate([frame.boxes(prediction[None, :4])[0], prediction[4:]])

    def measure(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """As ``tl_keras.evaluation.evaluate_localization``."""
        from tl_keras.evaluation.box_metrics import evaluate_localization

        return evaluate_localization(truths, predictions, names)

    def headline(self, metrics: Mapping[str, Any]) -> dict[str, Figure]:
        """Mean IoU, accuracy of the class, and of class and box together."""
        return {
            "mean IoU": metrics["mean_iou"],
            "accuracy": metrics["accuracy"],
            "accuracy at IoU 0.5": metrics["accuracy_at_iou50"],
        }

    def baseline(self, metrics: Mapping[str, Any]) -> tuple[str, float]:
        """The mean IoU of the average box."""
        return "average box", metrics["guessed_iou"] or 0.0

    def table(self, metrics: Mapping[str, Any]) -> list[str]:
        """Mean IoU and accuracies of each class."""
        from tl_keras.evaluation.dense_tables import localization_table

        return localization_table(metrics)

    def answers(
        self, sources: Sequence[str], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Localized]:  # fmt: skip
        """The most probable class of each, and its box."""
        return [
            Localized(
                source,
                names[int(row[4:].argmax())],
                float(row[4:].max()),
                tuple(row[:4].tolist()),
                dict(zip(names, row[4:].tolist(), strict=True)),
            )
            for source, row in zip(sources, predictions, strict=True)
        ]

    def said(self, answer: Localized, top: int | None) -> str:
        """The class, its probability, and the box in whole px."""
        return f"{ranked(answer.probabilities, top or 1)}  at {corners(answer.box)}"

    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Figures of each class, and which is taken for which."""
        from tl_keras.evaluation.dense_sections import localization_sections

        return localization_sections(metrics)

    def worst(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> "list[Judged]":  # fmt: skip
        """Wrong classes first, then boxes that fit worst."""
        from tl_keras.evaluation.worst_images import worst_localized

        return worst_localized(truths, predictions, names)

    def evidence(
        self, model: keras.Model, images: np.ndarray, predictions: Sequence[Any],
        names: Sequence[str],
    ) -> list[tuple[np.ndarray, str]]:  # fmt: skip
        """What speaks for the predicted class (Grad-CAM)."""
        from tl_keras.evaluation.heat_pictures import class_heat

        return class_heat(model, images, np.asarray(predictions)[:, 4:], names)

    def picture(
        self, image: np.ndarray, truth: Any, prediction: Any, names: Sequence[str],
        settings: Mapping[str, Any], side: int = PANEL_SIDE,
    ) -> np.ndarray:  # fmt: skip
        """The box with its class."""
        from tl_keras.evaluation.box_pictures import localization_picture

        return localization_picture(image, truth, prediction, names, side=side)


def corners(box: Sequence[float]) -> str:
    """Corners of a box in whole px.

    Example:
        >>> corners((1.2, 3.0, 40.6, 50.0))
        '(1, 3, 41, 50)'
    """
    return f"({', '.join(f'{value:.0f}' for value in box)})"
