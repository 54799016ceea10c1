"""What a classifier promises, and whether it keeps it, in sentences."""

from collections.abc import Mapping
from typing import Any


def promise_lines(metrics: Mapping[str, Any]) -> list[str]:
    """A sentence each on calibration, sets and abstention, as far as they were measured.

    Args:
        metrics: Of a classifier, with what ``measured_promises`` adds.

    Example:
        >>> error = {"expected_calibration_error": {"value": 0.04, "low": 0.02, "high": 0.07}}
        >>> promise_lines({"calibration": {"before": error}})
        ['Confidence and accuracy lie 4.0 points apart (95 % interval 2.0 to 7.0).']
    """
    lines = []
    if "calibration" in metrics:
        found = metrics["calibration"]
        said = _points((found.get("after") or found["before"])["expected_calibration_error"])
        if "after" in found:
            before = 100 * found["before"]["expected_calibration_error"]["value"]
            said += f"; {before:.1f} before its temperature of {found['temperature']:.2f}"
        lines.append(f"Confidence and accuracy lie {said}.")
    if "sets" in metrics:
        found = metrics["sets"]
        lines.append(
            f"Sets of classes hold the true one in {_share(found['coverage'])} of images, "
            f"{100 * found['promised']:g} % are promised; they have {found['mean_size']:.2f} "
            "classes on average."
        )
    if "abstention" in metrics:
        found = metrics["abstention"]
        lines.append(
            f"It answers {_share(found['answered'])} of images, and {_share(found['accuracy'])} of "
            f"these rightly; {_share(found['wrong'])} of all get a wrong answer, at most "
            f"{100 * found['promised']:g} % are promised."
        )
    return lines


def _share(figure: Mapping[str, float | None]) -> str:
    if figure["value"] is None:
        return "none"
    return "{:.1f} % ({:.1f} to {:.1f})".format(
        *(100 * figure[key] for key in ("value", "low", "high"))
    )


def _points(figure: Mapping[str, float]) -> str:
    value, low, high = (100 * figure[key] for key in ("value", "low", "high"))
    return f"{value:.1f} points apart (95 % interval {low:.1f} to {high:.1f})"
