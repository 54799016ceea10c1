"""Sections of an embedder's report: search class by class, and pairs of images."""

from collections.abc import Mapping
from typing import Any

from tl_keras.evaluation.plots import LIGHT, Theme, png_bytes, style_axes
from tl_keras.evaluation.report_blocks import figures_table, picture

# As a search that looks at more would not be read to its end.
_MOST_CLASSES = 60


def search_section(metrics: Mapping[str, Any]) -> str:
    """A table of what a search by an image of each class finds.

    Args:
        metrics: As from ``evaluate_retrieval``.

    Returns:
        HTML.
    """
    ks = list(metrics["precision"])
    rows = [
        {
            "name": row["name"],
            "queries": row["queries"],
            **{k: row["precision"][k] for k in ks},
            "map": row["mean_average_precision"],
        }
        for row in metrics["by_category"]
    ]
    rows.sort(key=lambda row: row["map"]["value"])
    notes = [
        "Every query searches among all other images; precision at k is the share of its first k "
        f"results that are of its class, average precision goes over the first {metrics['depth']}. "
        "Weakest classes first.",
        *metrics["notes"],
    ]
    if len(rows) > _MOST_CLASSES:
        notes.insert(0, f"The {_MOST_CLASSES} weakest of {len(rows)} classes.")
    columns = {"Queries": "queries", **{f"Precision at {k}": k for k in ks}}
    columns["Average precision"] = "map"
    return figures_table(rows[:_MOST_CLASSES], columns, "Class", notes)


def pairs_section(metrics: Mapping[str, Any]) -> str:
    """How well a threshold tells pairs of a class from others: curve and table.

    Args:
        metrics: As from ``evaluate_verification``.

    Returns:
        HTML.
    """
    rows = [
        {
            "name": f"{row['false_accept_rate']:g}",
            "threshold": _number(row["threshold"]),
            "accepted": row["true_accept_rate"],
        }
        for row in metrics["at_rates"]
    ]
    error = metrics["equal_error_rate"]
    notes = [
        f"{metrics['genuine_pairs']:,} pairs of one class, {metrics['impostor_pairs']:,} of two. "
        f"Equal error rate {100 * error['value']:.1f} %: at that threshold as many pairs of two "
        "classes are taken for one as the other way round.",
    ]
    table = figures_table(
        rows,
        {"Cosine from": "threshold", "Pairs of one class accepted": "accepted"},
        "Pairs of two classes accepted",
        notes,
    )
    drawn = picture(draw_roc, metrics, "Receiver operating characteristic of pairs")
    return drawn + table


def draw_roc(metrics: Mapping[str, Any], theme: Theme = LIGHT) -> bytes:
    """Draws the share of pairs of one class accepted over that of two, which is on a log scale.

    Args:
        metrics: As from ``evaluate_verification``.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> from tl_keras.evaluation import evaluate_verification
        >>> rows = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]]
        >>> draw_roc(evaluate_verification(rows, [0, 0, 1, 1]))[1:4]
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained", facecolor=theme.surface)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    style_axes(axes, theme)
    axes.grid(color=theme.grid, linewidth=0.7)
    roc, error = metrics["roc"], metrics["equal_error_rate"]["value"]
    line = {"color": theme.full, "linewidth": 1.8, "drawstyle": "steps-post"}
    axes.plot(roc["false_accept_rate"], roc["true_accept_rate"], **line)
    axes.plot(
        error, 1 - error, "o", color=theme.val, markersize=7, clip_on=False,
        label=f"equal error rate {100 * error:.1f} %",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(roc["false_accept_rate"][0], 1)
    axes.set_ylim(0, 1.01)
    axes.set_xlabel("false-accept rate: pairs of two classes taken for one", fontsize=9)
    axes.set_ylabel("true-accept rate: pairs of one class found to be so", fontsize=9)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(theme.muted)
    axes.tick_params(which="minor", bottom=False)
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.ink, loc="lower right")
    return png_bytes(figure)


def _number(figure: Mapping[str, Any]) -> tuple[str, str]:
    """A figure that is no share, and its interval, to be shown as two lines."""
    if figure["value"] is None:
        return "–", "too few pairs"
    return f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}"
