"""How sure a classifier is against how often it is right, as a picture."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tl_keras.evaluation.intervals import wilson_interval
from tl_keras.evaluation.plots import LIGHT, Theme, png_bytes, style_axes


def draw_reliability(calibration: Mapping[str, Any], theme: Theme = LIGHT) -> bytes:
    """Draws accuracy over confidence, before and after the temperature; the diagonal is perfect.

    Args:
        calibration: ``before``, and where there is a temperature ``after``, each as of
            :func:`~tl_keras.evaluation.calibration.calibration_error`.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> bins = [{"confidence": 0.6, "accuracy": 0.5, "count": 20}]
        >>> draw_reliability({"before": {"bins": bins}})[1:4]
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.6), layout="constrained", facecolor=theme.surface)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    style_axes(axes, theme)
    axes.grid(color=theme.grid, linewidth=0.7)
    lines = [("before", "as the network says", theme.train, "o", (0, (3, 3)))]
    if "after" in calibration:
        lines.append(("after", "at its temperature", theme.val, "s", "-"))
    lowest = 1.0
    for key, label, colour, mark, style in lines:
        bins = calibration[key]["bins"]
        sure, right, counts = (
            np.array([one[name] for one in bins]) for name in ("confidence", "accuracy", "count")
        )
        low, high = wilson_interval(right * counts, counts)
        axes.errorbar(
            sure, right, (np.maximum(right - low, 0), np.maximum(high - right, 0)), color=colour,
            marker=mark, markersize=5, linestyle=style, linewidth=1.4, elinewidth=1, label=label,
            capsize=2,
        )  # fmt: skip
        lowest = min(lowest, sure.min(), low.min())
    edge = max(0.0, np.floor(10 * lowest) / 10)
    axes.plot([edge, 1], [edge, 1], color=theme.muted, linewidth=1, zorder=1, label="perfect")
    axes.set_xlim(edge, 1.01)
    axes.set_ylim(edge, 1.02)
    axes.set_xlabel("mean confidence", color=theme.muted, fontsize=9)
    axes.set_ylabel("share of answers that are right", color=theme.muted, fontsize=9)
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.muted, loc="upper left")
    return png_bytes(figure)
