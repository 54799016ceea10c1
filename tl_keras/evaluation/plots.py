"""Confusion matrix and learning curves as PNG, with matplotlib's objects (no global state).

Matplotlib is imported on the first drawing only.
"""

import io
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tl_keras.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LARGEST_WITH_NUMBERS = 20  # classes; more would not be legible
_LARGEST_WITH_NAMES = 60
_LONGEST_NAME = 22  # characters
# By the name in the history; the first that is there is drawn.
_SCORES = {
    "average_precision": "Average precision",
    "mean_average_precision": "Mean average precision",
    "ap50": "AP50",
    "accuracy_at_iou50": "Accuracy at IoU 0.5",
    "mean_iou": "Mean IoU",
    "accuracy": "Accuracy",
}


class Theme(NamedTuple):
    """Colours of a picture."""

    surface: str
    ink: str
    muted: str
    grid: str
    train: str
    val: str
    full: str


LIGHT = Theme("#ffffff", "#1c2430", "#5d6875", "#e3e7ec", "#7a8694", "#1f6feb", "#0b4a9e")
DARK = Theme("#161b22", "#e6edf3", "#9aa5b1", "#2d343d", "#8b97a5", "#58a6ff", "#79c0ff")


def short_name(text: str) -> str:
    """The name, or its beginning where it would take too much of a picture."""
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def png_bytes(figure: "Figure") -> bytes:
    """The figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Names in scripts that the bundled font lacks are drawn as boxes; the tables have them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="png", dpi=110, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def style_axes(axes: "Axes", theme: Theme) -> None:
    """Take the frame and the ticks off, and colour what stays."""
    axes.set_facecolor(theme.surface)
    axes.tick_params(colors=theme.muted, labelsize=8, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(theme.ink)


def draw_confusion_matrix(metrics: Mapping[str, Any], theme: Theme = LIGHT) -> bytes:
    """Draws the confusion matrix, each row as shares of its true class.

    Args:
        metrics: As from :func:`~tl_keras.evaluation.evaluate_classification`.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> metrics = {"class_names": ["ant", "bee"], "confusion_matrix": [[3, 1], [0, 4]]}
        >>> draw_confusion_matrix(metrics)[1:4]
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    names = [short_name(str(name)) for name in metrics["class_names"]]
    counts = np.asarray(metrics["confusion_matrix"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    classes = len(names)
    side = min(3.2 + 0.42 * classes, 11.0)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained", facecolor=theme.surface)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    style_axes(axes, theme)
    ramp = LinearSegmentedColormap.from_list("share", [theme.surface, theme.full])
    picture = axes.imshow(shares, cmap=ramp, vmin=0, vmax=1, interpolation="nearest")
    if classes <= _LARGEST_WITH_NAMES:
        small = {"fontsize": min(9.0, max(5.0, 260 / classes)), "parse_math": False}
        axes.set_xticks(range(classes), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(classes), names)
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set(**small)
    if classes <= _LARGEST_WITH_NUMBERS:
        edges = np.arange(classes + 1) - 0.5
        axes.hlines(edges, -0.5, classes - 0.5, colors=theme.grid, linewidth=0.6)
        axes.vlines(edges, -0.5, classes - 0.5, colors=theme.grid, linewidth=0.6)
        for row, column in zip(*np.nonzero(counts), strict=True):
            colour = theme.surface if shares[row, column] > 0.55 else theme.ink
            axes.text(
                column, row, counts[row, column], ha="center", va="center", color=colour, fontsize=8
            )
    axes.set_xlabel("predicted", color=theme.muted, fontsize=9)
    axes.set_ylabel("true", color=theme.muted, fontsize=9)
    bar = figure.colorbar(picture, ax=axes, shrink=0.6, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=theme.muted, labelsize=8, length=0)
    bar.set_label("share of the true class", color=theme.muted, fontsize=8)
    return png_bytes(figure)


def _series(history: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    values = [row.get(key) for row in history]
    return np.array([math.nan if value is None else float(value) for value in values])


def _boundaries(history: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """Position and name of each stage's first epoch."""
    stages = [row.get("stage") for row in history]
    starts = [k for k, stage in enumerate(stages) if k == 0 or stage != stages[k - 1]]
    return [(k, "" if stages[k] is None else short_name(str(stages[k]))) for k in starts]


def draw_learning_curves(history: Sequence[Mapping[str, Any]], theme: Theme = LIGHT) -> bytes:
    """Draws loss, score and learning rate over all epochs, the stages marked.

    The score is that of the task: average precision, AP50, accuracy at IoU 0.5, mean IoU or
    accuracy, the first that the history has.

    Args:
        history: One mapping an epoch, as for
            :func:`~tl_keras.evaluation.write_history_csv`; missing values leave gaps.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Raises:
        InputError: If the history is empty.

    Example:
        >>> draw_learning_curves([{"stage": "head", "loss": 1.0, "val_loss": 1.1}])[1:4]
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not history:
        raise InputError("the history has no epoch to draw; train for at least one epoch")
    figure = Figure(figsize=(8.6, 5.0), layout="constrained", facecolor=theme.surface)
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 2, height_ratios=(4, 1))
    loss = figure.add_subplot(grid[0, 0])
    score = figure.add_subplot(grid[0, 1], sharex=loss)
    rate = figure.add_subplot(grid[1, :], sharex=loss)
    epochs = np.arange(1, len(history) + 1)
    mark = "o" if len(history) <= 30 else None
    starts = _boundaries(history)
    measured = {key.removeprefix("val_") for row in history for key in row}
    watched = next((key for key in _SCORES if key in measured), "accuracy")
    for axes, key in ((loss, "loss"), (score, watched)):
        line = {"marker": mark, "markersize": 3, "linewidth": 1.6}
        both = ((key, "training", theme.train), (f"val_{key}", "validation", theme.val))
        for name, label, colour in both:
            if any(row.get(name) is not None for row in history):
                axes.plot(epochs, _series(history, name), color=colour, label=label, **line)
        axes.set_title(_SCORES.get(key, "Loss"), fontsize=10, loc="left", pad=18, color=theme.ink)
        if axes.lines:
            axes.legend(fontsize=8, frameon=False, labelcolor=theme.muted)
        for k, name in starts:
            axes.annotate(
                name, (k + 0.5, 1.0), (2, 3), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=7, color=theme.muted, parse_math=False,
            )  # fmt: skip
    rate.plot(epochs, _series(history, "learning_rate"), color=theme.val, drawstyle="steps-mid")
    if np.nan_to_num(_series(history, "learning_rate")).min() > 0:
        rate.set_yscale("log")
    rate.set_xlabel("epoch", color=theme.muted, fontsize=9)
    rate.set_ylabel("learning rate", color=theme.muted, fontsize=8)
    for axes in (loss, score, rate):
        style_axes(axes, theme)
        axes.grid(axis="y", color=theme.grid, linewidth=0.7)
        axes.tick_params(which="minor", left=False, labelleft=False)
        axes.set_xlim(0.5, len(history) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for k, _ in starts[1:]:
            axes.axvline(k + 0.5, color=theme.muted, linewidth=0.8, linestyle=(0, (4, 3)))
    return png_bytes(figure)


def plot_confusion_matrix(metrics: Mapping[str, Any], path: str | os.PathLike) -> Path:
    """Writes the confusion matrix as a PNG file.

    Args:
        metrics: As from :func:`~tl_keras.evaluation.evaluate_classification`.
        path: File to write.

    Returns:
        The path.

    Example:
        >>> metrics = {"class_names": ["ant", "bee"], "confusion_matrix": [[3, 1], [0, 4]]}
        >>> plot_confusion_matrix(metrics, "/tmp/confusion.png").name
        'confusion.png'
    """
    target = Path(path)
    target.write_bytes(draw_confusion_matrix(metrics))
    return target


def plot_learning_curves(history: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> Path:
    """Writes the learning curves as a PNG file.

    Args:
        history: As for :func:`draw_learning_curves`.
        path: File to write.

    Returns:
        The path.

    Raises:
        InputError: If the history is empty.

    Example:
        >>> plot_learning_curves([{"loss": 1.0}, {"loss": 0.5}], "/tmp/curves.png").name
        'curves.png'
    """
    target = Path(path)
    target.write_bytes(draw_learning_curves(history))
    return target
