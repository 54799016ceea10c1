"""Sections of a report about boxes, pixels and things: from figures to HTML."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tl_keras.evaluation.dense_plots import draw_counts, draw_precision_recall
from tl_keras.evaluation.detection_errors import FOUND, KINDS, NEAR
from tl_keras.evaluation.plots import draw_confusion_matrix
from tl_keras.evaluation.report_blocks import count_bars, figures_table, picture

_MEANINGS = {
    "right": f"The class of a box, and an IoU of at least {FOUND} with it.",
    "missed": (
        "A box that no answer lies on. If many things that matter are missed, lower the score "
        "threshold; small things need a larger image size, rare ones more examples."
    ),
    "background": (
        f"An answer where no box is (IoU below {NEAR}). Look at the pictures: a thing that nobody "
        "marked is an error of the annotation; else raise the score threshold, or add pictures "
        "without any thing."
    ),
    "wrong_class": (
        f"On a box (IoU at least {FOUND}), but of another class. See which is taken for which: "
        "check the labels of such pairs, add examples of both."
    ),
    "bad_box": (
        f"The right class, but an IoU of only {NEAR} to {FOUND}. Check that boxes are drawn alike "
        "and tight; a larger image size, or longer training, makes boxes more exact."
    ),
    "wrong_class_and_box": (
        f"Near a box (IoU at least {NEAR}), but neither its class nor its place. Few are no "
        "matter; many say that the model has not learned enough yet."
    ),
    "double": (
        "A further answer on a box that is found already. Lower the overlap at which answers are "
        "one (iou_threshold of detection_model)."
    ),
}


def localization_sections(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Title to HTML.

    Args:
        metrics: As from ``evaluate_localization``.
    """
    columns = {
        "Images": "boxes", "Mean IoU": "mean_iou", "IoU ≥ 0.5": "box_accuracy",
        "and class right": "accuracy_at_iou50",
    }  # fmt: skip
    notes = list(metrics["notes"])
    if metrics["guessed_iou"] is not None:
        notes.append(
            f"Giving the mean of all true boxes for every image has a mean IoU of "
            f"{100 * metrics['guessed_iou']:.1f} %."
        )
    drawn = picture(draw_confusion_matrix, metrics, "Confusion matrix, rows are true classes")
    return {
        "Class by class": figures_table(metrics["per_class"], columns, "Class", notes),
        "Which class is taken for which": drawn,
    }


def detection_sections(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Title to HTML.

    Args:
        metrics: As from ``evaluate_detection``.
    """
    columns = {
        "Boxes": "boxes", "AP": "ap", "AP50": "ap50", "AP75": "ap75", "Precision": "precision",
        "Recall": "recall",
    }  # fmt: skip
    threshold = metrics["score_threshold"]
    notes = [
        *metrics["notes"],
        f"AP is COCO's, at IoU 0.5 to 0.95. Precision and recall are those of answers from score "
        f"{threshold:.3f} on, at IoU 0.5.",
    ]
    return {
        "Class by class": figures_table(metrics["per_class"], columns, "Class", notes),
        "Precision and recall": _curves(metrics, "IoU"),
        "What goes wrong": _errors(metrics),
        "Which class is taken for which": _confusion(
            [*metrics["class_names"], "background"],
            metrics["errors"]["confusion"],
            "Confusion matrix of boxes, rows are true classes",
        )
        + "<p>Numbers are boxes. The last column: boxes that no answer lies on; the last row: "
        "answers that lie on no box, or on one that another has answered.</p>",
    }


def segmentation_sections(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Title to HTML.

    Args:
        metrics: As from ``evaluate_segmentation``.
    """
    columns = {"Images": "images", "Pixels": "pixels", "IoU": "iou", "Boundary F1": "boundary_f1"}
    table = np.asarray(metrics["confusion"])
    shares = 100 * table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    return {
        "Class by class": figures_table(metrics["per_class"], columns, "Class", metrics["notes"]),
        "Which class is taken for which": _confusion(
            metrics["class_names"],
            shares.round().astype("int64"),
            "Confusion matrix of pixels, rows are true classes",
        )
        + "<p>Numbers are per cent of the true class's pixels.</p>",
    }


def instances_sections(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Title to HTML.

    Args:
        metrics: As from ``evaluate_instances``.
    """
    columns = {
        "True": "instances", "Found": "found", "Count error": "count_error", "AP": "ap",
        "AP50": "ap50", "AP75": "ap75", "Panoptic quality": "panoptic_quality",
    }  # fmt: skip
    rows = [{**row, "count_error": _number(row["count_error"])} for row in metrics["per_class"]]
    threshold = metrics["score_threshold"]
    notes = [
        *metrics["notes"],
        f"Found: from score {threshold:.3f} on. Count error: the mean of |found − true| over the "
        "images. AP is COCO's, of masks, at IoU 0.5 to 0.95.",
    ]
    images = metrics["per_image"]
    true, found = (sum(image[key] for image in images) for key in ("true", "found"))
    exact = sum(image["true"] == image["found"] for image in images)
    drawn = picture(draw_counts, metrics, "Number of things found against the true number")
    return {
        "Class by class": figures_table(rows, columns, "Class", notes),
        "Precision and recall": _curves(metrics, "IoU of masks"),
        "How many are found": f"{drawn}<p>{true:,} things are true, {found:,} found; "
        f"{exact:,} of {len(images):,} images have the exact number. A dot stands for all images "
        "of one pair of numbers, the larger the more; on the line both are equal.</p>",
    }


def _curves(metrics: Mapping[str, Any], overlap: str) -> str:
    drawn = picture(
        draw_precision_recall, metrics,
        "Precision at each recall, a curve per class, with a dot at the score threshold",
    )  # fmt: skip
    return (
        f"{drawn}<p>At {overlap} 0.5; as COCO does, a curve shows the best precision at that "
        "recall or a higher one. The dot of each class is where the score threshold of "
        f"{metrics['score_threshold']:.3f} puts it: a lower threshold moves it to the right, a "
        "higher one to the left.</p>"
    )


def _errors(metrics: Mapping[str, Any]) -> str:
    total = metrics["errors"]["total"]
    rows = [(_words(kind), total[kind], _MEANINGS[kind]) for kind in _MEANINGS]
    columns = {_words(kind): kind for kind in KINDS}
    classes = [{"name": name, **row} for name, row in metrics["errors"]["per_class"].items()]
    note = "By the class of the answer; missed: of the box."
    return count_bars(rows) + figures_table(classes, columns, "Class", [note])


def _words(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def _confusion(names: Sequence[str], counts: Any, description: str) -> str:
    drawn = {"class_names": list(names), "confusion_matrix": counts}
    return picture(draw_confusion_matrix, drawn, description)


def _number(figure: Mapping[str, Any]) -> tuple[str, str]:
    """A figure that is no share, and its interval."""
    if figure["value"] is None:
        return "–", "not measurable"
    return f"{figure['value']:.2f}", f"{figure['low']:.2f} to {figure['high']:.2f}"
