"""Any number of things per image: what each is, and a box around it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
import numpy as np

from tl_keras.data.framing import Frame
from tl_keras.errors import InputError
from tl_keras.evaluation.coco_tool import need_pycocotools
from tl_keras.evaluation.drawing import PANEL_SIDE
from tl_keras.evaluation.intervals import Figure
from tl_keras.tasks.drawn_data import check_target_arrays, drawn_table, same_names
from tl_keras.tasks.kinds import KINDS
from tl_keras.tasks.room import LEAST, room_for
from tl_keras.tasks.task import column_of
from tl_keras.tasks.things import ThingTask, counted, threshold_of

if TYPE_CHECKING:
    from tl_keras.evaluation.worst_images import Judged

#: Scores from which on detections leave the model; a precision-recall curve needs low ones.
LOWEST_SCORE = 0.01


class Found(NamedTuple):
    """One thing.

    Attributes:
        class_name: What it is.
        score: How sure the model is, in [0, 1].
        box: ``x1, y1, x2, y2`` in px of the image itself.
    """

    class_name: str
    score: float
    box: tuple[float, float, float, float]


class Detections(NamedTuple):
    """What the model says of one image.

    Attributes:
        source: The path as given, or ``"array 0"``, ``"bytes 0"`` with its position.
        things: Those whose score reaches the model's threshold, best first.
        counts: How many there are of each class by name.
    """

    source: str
    things: tuple[Found, ...]
    counts: dict[str, int]


class Detection(ThingTask):
    """An image shows any number of things, each with a box.

    A truth is float32 (M, 6): ``x1, y1, x2, y2``, class, flag (1 counts, 0 padding, -1 ignored); a
    prediction float32 (K, 6): ``x1, y1, x2, y2``, class, score (0: none), as ``detection_model``
    gives it.
    """

    name = "detect"
    line = KINDS["detect"]
    target = "boxes"
    watch = "ap50"
    model_name = "detector"
    heads = ("fcos", "yolov8")

    def names(self, data: Any) -> tuple[str, ...]:
        """The classes; of arrays, their numbers."""
        if hasattr(data, "class_names"):
            return data.class_names
        rows = column_of(data, "training")
        return tuple(str(i) for i in range(int(np.max(rows[..., 4] * (rows[..., 5] > 0))) + 1))

    def build(
        self, backbone: str, names: Sequence[str], *, image_size: int | None, weights: str | None,
        head: str | None = None,
    ) -> keras.Model:  # fmt: skip
        """``build_detector``."""
        from tl_keras.builders.detector import build_detector

        return build_detector(
            backbone, len(names), image_size=image_size, weights=weights, head=head or self.heads[0]
        )

    def prepared(self, data: Any, names: Sequence[str] | None = None) -> Any:
        """Examples with boxes, whose classes stand in ``names``."""
        return drawn_table(data, "boxes", names)

    def outputs(self, model: keras.Model) -> int:
        """Classes."""
        return model.get_layer("predictions").output.shape[-1] - 4

    def check(self, model: keras.Model, data: Any, part: str) -> np.ndarray:
        """Boxes of each class; some count."""
        need_pycocotools()
        classes = self.outputs(model)
        if hasattr(data, "boxes"):
            same_names(data, classes, part)
            found = np.concatenate([boxes.classes[~boxes.ignore] for boxes in data.boxes])
        else:
            rows = check_target_arrays(data, (None, 6), part)
            found = rows[rows[..., 5] > 0][:, 4].astype("int64")
        if not len(found):
            raise InputError(
                f"no {part} image has a box that counts; check the annotations, or part the data "
                "otherwise (another seed, a larger share to validate on)"
            )
        if found.max() >= classes:
            raise InputError(f"{part} boxes hold class {found.max()} of {classes}, counted from 0")
        return np.bincount(found, minlength=classes)

    def loss(
        self, model: keras.Model, recipe: Any, counts: np.ndarray, names: Sequence[str],
        mixed: bool = False,
    ) -> keras.losses.Loss:  # fmt: skip
        """Quality focal loss of the classes, CIoU of the boxes."""
        from tl_keras.tasks.detection_objective import DetectionLoss

        self.check_weights(recipe)
        return DetectionLoss.of(model)

    def metrics(self, model: keras.Model) -> list[Any]:
        """Average precision at IoU 0.5, about."""
        from tl_keras.tasks.detection_metric import DetectionAveragePrecision

        size = model.input_shape[1]
        return [DetectionAveragePrecision(self.outputs(model), size, name=self.watch)]

    def bounds(self, data: Any) -> dict[str, int]:
        """Room for the boxes of the fullest image, and more."""
        if hasattr(data, "boxes"):
            return {"max_boxes": room_for(map(len, data.boxes))}
        return {"max_boxes": room_for((data[1][..., 5] != 0).sum(axis=1).tolist())}

    def final(self, model: keras.Model, max_boxes: int = LEAST) -> keras.Model:
        """``detection_model``: boxes instead of cells."""
        from tl_keras.builders.suppression import detection_model

        return detection_model(
            model, score_threshold=LOWEST_SCORE, max_boxes=max_boxes, candidates=3 * max_boxes
        )

    def predictions(self, model: keras.Model, outputs: Any) -> np.ndarray:
        """The final model's outputs."""
        return np.asarray(outputs, "float32")

    def placed(self, prediction: Any, frame: Frame) -> np.ndarray:
        """The boxes in the image's own px."""
        rows = np.concatenate([frame.boxes(prediction[:, :4]), prediction[:, 4:]], axis=1)
        # What lies in the padding wholly is no thing of the image.
        rows[(rows[:, 2:4] <= rows[:, :2]).any(axis=1), 5] = 0
        return rows

    def evaluated(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        threshold: float | None,
    ) -> dict[str, Any]:  # fmt: skip
        """As ``tl_keras.evaluation.evaluate_detection``."""
        from tl_keras.evaluation.detection_metrics import evaluate_detection

        return evaluate_detection(truths, predictions, names, score_threshold=threshold)

    def headline(self, metrics: Mapping[str, Any]) -> dict[str, Figure]:
        """AP at IoU 0.5, AP as COCO averages it, precision and recall at the threshold."""
        return {
            "AP at IoU 0.5": metrics["ap50"],
            "AP (COCO)": metrics["ap"],
            "precision": metrics["precision"],
            "recall": metrics["recall"],
        }

    def table(self, metrics: Mapping[str, Any]) -> list[str]:
        """Average precision, precision and recall of each class, and kinds of errors."""
        from tl_keras.evaluation.dense_tables import detection_table

        return detection_table(metrics)

    def answers(
        self, sources: Sequence[str], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> list[Detections]:  # fmt: skip
        """The things of each image whose score reaches the threshold."""
        least = threshold_of(settings)
        found = []
        for source, rows in zip(sources, predictions, strict=True):
            kept = rows[(rows[:, 5] >= least) & (rows[:, 5] > 0)]
            things = tuple(
                Found(names[int(row[4])], float(row[5]), tuple(row[:4].tolist())) for row in kept
            )
            found.append(Detections(source, things, counted(things, names)))
        return found

    def told(self, answer: Detections) -> dict[str, Any]:
        """With a mapping for each thing."""
        return {**answer._asdict(), "things": [thing._asdict() for thing in answer.things]}

    def report(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        """Figures and curves of each class, kinds of errors, which is taken for which."""
        from tl_keras.evaluation.dense_sections import detection_sections

        return detection_sections(metrics)

    def worst(
        self, truths: Sequence[Any], predictions: Sequence[Any], names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> "list[Judged]":  # fmt: skip
        """Most errors first."""
        from tl_keras.evaluation.worst_images import worst_detected

        return worst_detected(truths, predictions, names, threshold_of(settings))

    def picture(
        self, image: np.ndarray, truth: Any, prediction: Any, names: Sequence[str],
        settings: Mapping[str, Any], side: int = PANEL_SIDE,
    ) -> np.ndarray:  # fmt: skip
        """Boxes with class and score."""
        from tl_keras.evaluation.box_pictures import detection_picture

        least = threshold_of(settings)
        return detection_picture(image, truth, prediction, names, least, side=side)
