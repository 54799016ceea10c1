"""Precision-recall curves and counts as PNG, with matplotlib's objects (no global state)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.evaluation.plots import LIGHT, Theme, png_bytes, short_name, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, the two that a ground would swallow changed for it.
_ON_LIGHT = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#332288", "#6b6b00")
_ON_DARK = ("#56b4e9", "#e69f00", "#2fc79a", "#cc79a7", "#f0e442", "#d55e00", "#a79bff", "#d0d0d0")
_LINES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))  # by which two are told apart too
_MOST_CURVES = 8


def draw_precision_recall(metrics: Mapping[str, Any], theme: Theme = LIGHT) -> bytes:
    """Draws the precision at each recall of every class, with a dot at the chosen score threshold.

    Of more than eight classes, the eight of lowest AP50 have colours and names, the others are
    grey.

    Args:
        metrics: As from :func:`~tl_keras.evaluation.evaluate_detection` or
            :func:`~tl_keras.evaluation.instance_metrics.evaluate_instances`.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> true, found = [[[0, 0, 4, 4, 0, 1]]], [[[0, 0, 4, 3, 0, 0.9]]]
        >>> from tl_keras.evaluation import evaluate_detection
        >>> draw_precision_recall(evaluate_detection(true, found, ["cell"]))[1:4]
        b'PNG'
    """
    figure, axes = _axes((7.2, 4.6), theme)
    rows = [row for row in metrics["per_class"] if row["curve"] is not None]
    rows.sort(key=lambda row: row["ap50"]["value"])
    recall = np.linspace(0, 1, 101)
    colours = _ON_LIGHT if theme.surface == LIGHT.surface else _ON_DARK
    for number, row in reversed(list(enumerate(rows))):
        named = number < _MOST_CURVES
        colour = colours[number] if named else theme.grid
        line = _LINES[number % len(_LINES)] if named else "-"
        # The figure first: matplotlib leaves out what begins with an underscore.
        label = f"{row['ap50']['value']:.2f}  {short_name(row['name'])}" if named else None
        axes.plot(recall, row["curve"], color=colour, linestyle=line, linewidth=1.6, label=label)
        at, precision = row["recall"]["value"], row["precision"]["value"]
        if named and at is not None and precision is not None:
            axes.plot(
                at, precision, "o", color=colour, markersize=8, markeredgecolor=theme.ink,
                zorder=5, clip_on=False,
            )  # fmt: skip
    axes.set_xlabel("recall: share of the true things that are found", fontsize=9)
    axes.set_ylabel("precision: share of the answers that are right", fontsize=9)
    axes.set_xlim(0, 1.005)
    axes.set_ylim(0, 1.02)
    _styled(axes, theme)
    handles, labels = axes.get_legend_handles_labels()
    legend = axes.legend(
        handles[::-1], labels[::-1], title="AP50", alignment="left", fontsize=8, frameon=False,
        labelcolor=theme.ink, loc="upper left", bbox_to_anchor=(1.01, 1.0), handlelength=2.6,
    )  # fmt: skip
    legend.get_title().set(color=theme.muted, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return png_bytes(figure)


def draw_counts(metrics: Mapping[str, Any], theme: Theme = LIGHT) -> bytes:
    """Draws the number of things found against the true number, a dot per pair of numbers.

    A dot's area grows with the images it stands for; on the line both numbers are equal.

    Args:
        metrics: As from :func:`~tl_keras.evaluation.instance_metrics.evaluate_instances`.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> draw_counts({"per_image": [{"true": 3, "found": 2}]})[1:4]
        b'PNG'
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = _axes((5.0, 4.6), theme)
    pairs = np.array([(image["true"], image["found"]) for image in metrics["per_image"]])
    places, images = np.unique(pairs, axis=0, return_counts=True)
    end = pairs.max() + 0.5 + 0.03 * pairs.max()
    low = min(pairs.min() - 0.5, 0) - 0.02 * pairs.max()
    axes.plot([low, end], [low, end], color=theme.muted, linewidth=0.9, linestyle=(0, (4, 3)))
    size = 40 * images / max(1.0, images.max() / 8)  # the largest is not above 320 pt²
    axes.scatter(
        *places.T, s=np.maximum(size, 14), color=theme.val, alpha=0.65, edgecolors=theme.ink,
        linewidths=0.6, zorder=3,
    )  # fmt: skip
    axes.set_xlabel("true number of things", fontsize=9)
    axes.set_ylabel("found", fontsize=9)
    axes.set_xlim(low, end)
    axes.set_ylim(low, end)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    _styled(axes, theme)
    return png_bytes(figure)


def _axes(size: tuple[float, float], theme: Theme) -> tuple["Figure", "Axes"]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", facecolor=theme.surface)
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _styled(axes: "Axes", theme: Theme) -> None:
    style_axes(axes, theme)
    axes.grid(color=theme.grid, linewidth=0.7)
    axes.set_axisbelow(True)
