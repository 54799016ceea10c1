"""One class per image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from tl_keras.errors import InputError
from tl_keras.evaluation.drawing import PANEL_SIDE
from tl_keras.evaluation.intervals import Figure
from tl_keras.tasks.class_answers import Prediction, answer_line, class_answers
from tl_keras.tasks.class_objective import loss_for
from tl_keras.tasks.kinds import KINDS
from tl_keras.tasks.task import SEEN_FOR, Task, column_of, in_order_of

if TYPE_CHECKING:
    from tl_keras.evaluation.measured_images import Illustrations, MeasuredImages
    from tl_keras.evaluation.worst_images import Judged


class Classification(Task):
    """Every image has exactly one class."""

    name = "classify"
    line = KINDS["classify"]
    target = "labels"
    mixed_target = "one_hot"
    watch = "accuracy"
    model_name = "classifier"
    pooled = True
    losses = ("crossentropy", "focal", "logit_adjusted")
    heads = ("plain", "wide")
    explains = True
    worst_note = SEEN_FOR

    def names(self, data: Any) -> tuple[str, ...]:
        """The classes; of arrays, their numbers."""
        if hasattr(data, "class_names"):
            return data.class_names
        return tuple(str(i) for i in range(int(np.max(column_of(data, "training"))) + 1))

    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None,
        head: str | None = None,
    ) -> keras.Model:  # fmt: skip
        """``build_classifier``; wide: mean and maximum side by side, and a hidden layer of 512."""
        from tl_keras.builders.classifier import build_classifier

        wide = {"pooling": "avg_max", "hidden": (512,)} if head == "wide" else {}
        return build_classifier(
            backbone, len(names), image_size=image_size, weights=weights, **wide
        )

    def prepared(self, data: Any, names: Sequence[str] | None = None) -> Any:
        """Examples that all have a label, which is a position in ``names``."""
        if not hasattr(data, "class_names"):
            return data
        labels = _labels(data)
        if names is None or tuple(names) == data.class_names:
            return data
        order = in_order_of(names, data.class_names, data.root, "classes")
        return replace(data, labels=order[labels], class_names=tuple(names))

    def outputs(self, model: keras.Model) -> int:
        """Classes."""
        return model.output_shape[-1]

    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """Images of each class; labels are integers (N,), below the number of outputs."""
        classes = self.outputs(model)
        if hasattr(data, "class_names"):
            if len(data.class_names) != classes:
                raise InputError(
                    f"the {part} data has {len(data.class_names)} classes, the model {classes}; "
                    f"build it with num_classes={len(data.class_names)}"
                )
            labels = _labels(data)
        else:
            labels = column_of(data, part)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise InputError(
                f"{part} labels are {labels.dtype} of shape {labels.shape}; give whole numbers of "
                "shape (N,), such as labels.ravel() or one_hot.argmax(-1)"
            )
        if not labels.size:
            raise InputError(f"there are no {part} images; give at least one of each class")
        if labels.min() < 0 or labels.max() >= classes:
            raise InputError(
                f"{part} labels run from {labels.min()} to {labels.max()}; a model of {classes} "
                f"classes needs 0 to {classes - 1}"
            )
        return np.bincount(labels, minlength=classes)

    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """Cross-entropy of integer labels, or what the recipe asks for."""
        return loss_for(model, recipe, counts, names, mixed)

    def metrics(self, model: keras.Model) -> list[Any]:
        """Accuracy."""
        return ["accuracy"]

    def final(self, model: keras.Model) -> keras.Model:
        """Without augmentation layers."""
        from tl_keras.builders.classifier import without_augmentation

        return without_augmentation(model)

    def predictions(self, model: keras.Model, outputs: Any) -> np.ndarray:
        """float64 (B, C), 0..1: outputs of a softmax head, or softmax of logits."""
        outputs = np.asarray(outputs, "float64")
        if getattr(model.get_layer("predictions").activation, "__name__", "") == "softmax":
            return outputs
        shifted = np.exp(outputs - outputs.max(-1, keepdims=True))
        return shifted / shifted.sum(-1, keepdims=True)

    def scaled(
        self, predictions: Sequence[Any], settings: Mapping[str, Any]
    ) -> Sequence[Any]:  # fmt: skip
        """Probabilities at the temperature of the settings."""
        from tl_keras.evaluation.calibration import tempered

        if "temperature" not in settings:
            return predictions
        return tempered(predictions, settings["temperature"])

    def exported(self, model: keras.Model, settings: Mapping[str, Any]) -> keras.Model:
        """With the temperature inside."""
        from tl_keras.builders.temperature import at_temperature

        if "temperature" not in settings:
            return model
        return at_temperature(model, settings["temperature"])

    def joint(self, settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Nothing: an average is less sure than its members (Rahaman and Thiery 2021,
        arXiv:2007.08792), so that neither their temperatures nor their promises are its own."""
        return {}

    def tune(
        self, truths: Sequence[Any], predictions: Sequence[Any], metrics: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Temperature, and from which probability on a class is possible and an answer given."""
        from tl_keras.evaluation.promises import tuned_promises

        return tuned_promises(truths, predictions)

    def measure(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any] | None,
    ) -> dict[str, Any]:  # fmt: skip
        """As ``tl_keras.evaluation.evaluate_classification`` and ``measured_promises``."""
        from tl_keras.evaluation.metrics import check_classified, evaluate_classification
        from tl_keras.evaluation.promises import measured_promises

        truths, predictions = check_classified(truths, predictions, names)
        scaled, promises = measured_promises(truths, predictions, settings)
        return {**evaluate_classification(truths, scaled, names), **promises}

    def right(self, truths: Sequence[Any], predictions: Sequence[Any]) -> np.ndarray:
        """Where the most probable class is the true one, bool (N,)."""
        return np.asarray(predictions).argmax(axis=-1) == np.asarray(truths)

    def headline(self, metrics: Mapping[str, Any]) -> dict[str, Figure]:
        """Accuracy, balanced accuracy and macro F1."""
        shown = {
            "accuracy": "accuracy",
            "top5_accuracy": "top-5 accuracy",
            "balanced_accuracy": "balanced accuracy",
            "macro_f1": "macro F1",
        }
        return {line: metrics[key] for key, line in shown.items() if key in metrics}

    def baseline(self, metrics: Mapping[str, Any]) -> tuple[str, Figure]:
        """The share of the commonest class."""
        return "majority class", metrics["majority_baseline"]

    def table(self, metrics: Mapping[str, Any]) -> list[str]:
        """Precision, recall and F1 of each class, and what the model promises."""
        from tl_keras.evaluation.promise_words import promise_lines

        width = max(len("class"), *(len(row["name"]) for row in metrics["per_class"]))
        lines = [f"{'class':<{width}}  images  precision  recall     F1"]
        for row in metrics["per_class"]:
            precision, recall, f1 = (
                "-" if row[key]["value"] is None else f"{row[key]['value']:.3f}"
                for key in ("precision", "recall", "f1")
            )
            lines.append(
                f"{row['name']:<{width}}  {row['count']:>6}  {precision:>9}  {recall:>6}  {f1:>5}"
            )
        told = promise_lines(metrics)
        return [*lines, "", *told] if told else lines

    def answers(
        self, sources: Sequence[str], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Prediction]:  # fmt: skip
        """The most probable class of each, its set, and whether it is too unsure to answer."""
        return class_answers(sources, self.scaled(predictions, settings), names, settings)

    def said(self, answer: Prediction, top: int | None) -> str:
        """The most probable class, or those of the set, and whether the model says no."""
        return answer_line(answer, top)

    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Figures of each class, which is taken for which, and calibration."""
        from tl_keras.evaluation.confusion_page import confusion_section
        from tl_keras.evaluation.promise_words import promise_lines
        from tl_keras.evaluation.reliability_plot import draw_reliability
        from tl_keras.evaluation.report_blocks import figures_table, picture

        loss = metrics["log_loss"]
        said = f"Log loss {loss['value']:.3f} nats ({loss['low']:.3f} to {loss['high']:.3f})."
        table = figures_table(
            metrics["per_class"],
            {"Images": "count", "Precision": "precision", "Recall": "recall", "F1": "f1"},
            "Class",
            [*metrics["notes"], said],
        )
        found = {
            "Class by class": table,
            "Which class is taken for which": confusion_section(metrics, {}),
        }
        if "calibration" in metrics:
            plot = picture(draw_reliability, metrics["calibration"], "Accuracy over confidence")
            told = "".join(f"<p>{line}</p>" for line in promise_lines(metrics))
            found["How sure it may be"] = told + plot
        return found

    def illustrated(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any], images: "MeasuredImages",
    ) -> "Illustrations":  # fmt: skip
        """Confusion with pictures, confused pairs, certainty, doubtful labels, groups."""
        from tl_keras.evaluation.classified_sections import classified_sections

        return classified_sections(truths, self.scaled(predictions, settings), names, images)

    def worst(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> "list[Judged]":  # fmt: skip
        """Highest loss first."""
        from tl_keras.evaluation.worst_images import worst_classified

        return worst_classified(truths, self.scaled(predictions, settings), names)

    def evidence(
        self, model: keras.Model, images: np.ndarray, predictions: Sequence[Any],
        names: Sequence[str],
    ) -> list[tuple[np.ndarray, str]]:  # fmt: skip
        """What speaks for the predicted class (Grad-CAM)."""
        from tl_keras.evaluation.heat_pictures import class_heat

        return class_heat(model, images, predictions, names)

    def picture(
        self, image: np.ndarray, truth: Any, prediction: Any, names: Sequence[str],
        settings: Mapping[str, Any], side: int = PANEL_SIDE,
    ) -> np.ndarray:  # fmt: skip
        """The image, with the names of its class and of the most probable one."""
        from tl_keras.evaluation.class_pictures import classification_picture

        return classification_picture(image, truth, prediction, names, side=side)


def _labels(data: Any) -> np.ndarray:
    labels = np.asarray(data.labels)
    bare = int((labels < 0).sum())
    if bare:
        has = [name for name in ("tags", "boxes", "masks") if getattr(data, name) is not None]
        brings = f" (it brings {', '.join(has)})" if has else ""
        raise InputError(
            f"{bare} of {len(labels)} images of {data.root or 'the data'} have no class{brings}; "
            "name their classes, or train another task"
        )
    return labels
