"""Figures of each class as lines of text, for the terminal: boxes, pixels, things."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Format = Callable[[Any], str]


def localization_table(metrics: Mapping[str, Any]) -> list[str]:
    """Lines of text, of metrics as from ``evaluate_localization``."""
    columns = {
        "images": ("boxes", _count), "mean IoU": ("mean_iou", _figure),
        "IoU >= 0.5": ("box_accuracy", _figure),
        "and class right": ("accuracy_at_iou50", _figure),
    }  # fmt: skip
    return _table(metrics["per_class"], columns)


def detection_table(metrics: Mapping[str, Any]) -> list[str]:
    """Lines of text, of metrics as from ``evaluate_detection``."""
    columns = {
        "boxes": ("boxes", _count), "AP": ("ap", _figure), "AP50": ("ap50", _figure),
        "AP75": ("ap75", _figure), "precision": ("precision", _figure),
        "recall": ("recall", _figure),
    }  # fmt: skip
    errors = metrics["errors"]["total"]
    said = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in errors.items())
    return [
        *_table(metrics["per_class"], columns),
        f"from score {metrics['score_threshold']:.3f} on: {said}",
    ]


def segmentation_table(metrics: Mapping[str, Any]) -> list[str]:
    """Lines of text, of metrics as from ``evaluate_segmentation``."""
    columns = {
        "images": ("images", _count), "pixels": ("pixels", _count), "IoU": ("iou", _figure),
        "boundary F1": ("boundary_f1", _figure),
    }  # fmt: skip
    return _table(metrics["per_class"], columns)


def instances_table(metrics: Mapping[str, Any]) -> list[str]:
    """Lines of text, of metrics as from ``evaluate_instances``."""
    columns = {
        "true": ("instances", _count), "found": ("found", _count),
        "count error": ("count_error", _plain), "AP": ("ap", _figure), "AP50": ("ap50", _figure),
        "AP75": ("ap75", _figure), "panoptic quality": ("panoptic_quality", _figure),
    }  # fmt: skip
    return [
        *_table(metrics["per_class"], columns),
        f"found: from score {metrics['score_threshold']:.3f} on; count error: mean of "
        "|found - true| over the images",
    ]


def _count(value: int) -> str:
    return str(value)


def _figure(value: Mapping[str, Any]) -> str:
    return "-" if value["value"] is None else f"{value['value']:.3f}"


def _plain(value: Mapping[str, Any]) -> str:
    return "-" if value["value"] is None else f"{value['value']:.2f}"


def _table(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, Format]]
) -> list[str]:
    cells = [["class", *columns]]
    for row in rows:
        cells.append([str(row["name"]), *(show(row[key]) for key, show in columns.values())])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell.ljust(wide) if number == 0 else cell.rjust(wide)
            for number, (cell, wide) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
