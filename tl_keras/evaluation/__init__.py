"""Metrics with intervals, pictures of them, the history table and the HTML report.

The names below are imported on first use.

Example:
    >>> from tl_keras.evaluation import evaluate_classification
    >>> evaluate_classification([0, 1], [[0.9, 0.1], [0.2, 0.8]], ["ant", "bee"])["examples"]
    2
"""

import importlib
from typing import Any

_PUBLIC = {
    "box_iou": "box_metrics",
    "contact_rows": "contact_choice",
    "contact_section": "contact_sheet",
    "contact_picture": "contact_sheet",
    "detection_picture": "box_pictures",
    "evaluate_classification": "metrics",
    "evaluate_detection": "detection_metrics",
    "evaluate_identification": "identification",
    "evaluate_localization": "box_metrics",
    "evaluate_ranking": "ranking_metrics",
    "evaluate_retrieval": "ranking_metrics",
    "evaluate_verification": "verification",
    "exact_neighbours": "neighbours",
    "explain": "explaining.methods",
    "explanation_sanity": "explaining.sanity",
    "grad_cam": "explaining.grad_cam",
    "grad_cam_plus_plus": "explaining.grad_cam",
    "integrated_gradients": "explaining.integrated_gradients",
    "occlusion": "explaining.occlusion",
    "pixel_attributions": "explaining.integrated_gradients",
    "identify": "identification",
    "instances_picture": "mask_pictures",
    "localization_picture": "box_pictures",
    "plot_confusion_matrix": "plots",
    "plot_learning_curves": "plots",
    "segmentation_picture": "mask_pictures",
    "threshold_for": "accept_rates",
    "wilson_interval": "intervals",
    "worst_classified": "worst_images",
    "worst_detected": "worst_images",
    "worst_instances": "worst_images",
    "worst_localized": "worst_images",
    "worst_segmented": "worst_images",
    "write_history_csv": "history",
    "write_check_page": "check_page",
    "write_report": "report",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tl_keras.evaluation' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tl_keras.evaluation.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
