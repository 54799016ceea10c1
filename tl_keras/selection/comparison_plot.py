"""The picture of a comparison: how good each model is, over what it costs in three respects."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tl_keras.evaluation.plots import LIGHT, Theme, png_bytes, style_axes
from tl_keras.evaluation.rate_plot import Picture
from tl_keras.selection.comparison import COSTS, Comparison
from tl_keras.selection.ranking_plot import log_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL = (15.0, 11.0)  # room of a number, px
_DOT = 7.0


def draw_comparison(comparison: Comparison, theme: Theme = LIGHT) -> Picture:
    """Draws three panels over latency, size and training time, with a list below.

    Each model is drawn by its place.  The line joins the Pareto front, whose dots are coloured; a
    ring is a model that is told apart from the best, a full dot one that is not.

    Args:
        comparison: Of ``tl.compare``.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> draw_comparison(comparison)[1:4]  # doctest: +SKIP
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = comparison.rows
    lines = math.ceil(len(rows) / 2) + 2
    figure = Figure(
        figsize=(9.6, 3.5 + 0.19 * lines), layout="constrained", dpi=110, facecolor=theme.surface
    )
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, 1, height_ratios=(3.5, 0.19 * lines))
    above.set_facecolor(theme.surface)
    below.set_facecolor(theme.surface)
    panels = above.subplots(1, 3, sharey=True)
    for axes, cost in zip(panels, COSTS, strict=True):
        _draw_panel(axes, comparison, cost, theme)
    panels[0].set_ylabel(f"{comparison.figure}, %", color=theme.muted, fontsize=9)
    for k, row in enumerate(rows):
        column, line = divmod(k, lines - 2)
        below.text(
            0.02 + 0.49 * column, 1 - (line + 0.5) / lines, f"{k + 1}  {row.name}", fontsize=8.5,
            color=theme.ink if comparison.fronts_of(row) else theme.muted, va="center",
            parse_math=False,
        )  # fmt: skip
    said = "blue and joined: no other is better at no more cost."
    if any(row.even is False for row in rows):
        said += " Full: the best, or even with it; ring: told apart from it."
    below.text(0.02, 0.5 / lines, said, fontsize=8.5, color=theme.muted, va="center")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # Where everything lies on the picture is settled.
    for axes, cost in zip(panels, COSTS, strict=True):
        _number(figure, axes, comparison, cost, theme)
    return Picture(png_bytes(figure))


def _points(comparison: Comparison, cost: str) -> np.ndarray:
    return np.array([(getattr(row, cost), 100 * row.value) for row in comparison.rows])


def _draw_panel(axes: "Axes", comparison: Comparison, cost: str, theme: Theme) -> None:
    style_axes(axes, theme)
    points, front = _points(comparison, cost), comparison.front(cost)
    axes.plot(
        [getattr(row, cost) for row in front], [100 * row.value for row in front],
        color=theme.val, linewidth=1.2, drawstyle="steps-post", zorder=1,
    )  # fmt: skip
    for row, (x, y) in zip(comparison.rows, points, strict=True):
        colour = theme.val if row in front else theme.train
        axes.plot(
            [x], [y], "o", markersize=7, markeredgecolor=colour, markeredgewidth=1.6,
            color=theme.surface if row.even is False else colour, zorder=3 if row in front else 2,
        )  # fmt: skip
    low, high = points[:, 0].min() / 1.5, points[:, 0].max() * 1.5
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = log_ticks(low, high)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    low, high = points[:, 1].min(), points[:, 1].max()
    margin = max(0.14 * (high - low), 1.0)
    axes.set_ylim(max(low - margin, -1.0), min(high + margin, 101.0))
    axes.grid(axis="y", color=theme.grid, linewidth=0.7)
    axes.set_xlabel(COSTS[cost][1], color=theme.muted, fontsize=9)


def _number(
    figure: "Figure", axes: "Axes", comparison: Comparison, cost: str, theme: Theme
) -> None:
    """Write each model's place beside its dot, and a line to it where there was no room beside."""
    from matplotlib.patheffects import withStroke

    dots = axes.transData.transform(_points(comparison, cost))
    centres = free_places(dots)
    for place, (dot, centre) in enumerate(zip(dots, centres, strict=True), 1):
        away: dict[str, Any] = {}
        if np.hypot(*(centre - dot)) > 20:
            away["arrowprops"] = {"arrowstyle": "-", "color": theme.train, "linewidth": 0.6}
        axes.annotate(
            str(place), dot, centre, xycoords="figure pixels", textcoords="figure pixels",
            fontsize=8, color=theme.ink, ha="center", va="center", zorder=4, annotation_clip=False,
            path_effects=[withStroke(linewidth=2.5, foreground=theme.surface)], **away,
        )  # fmt: skip


def free_places(dots: np.ndarray) -> np.ndarray:
    """Where to write beside each dot, so that nothing covers another.

    The nearest free place round the dot is taken, those with the best view first: right, left,
    above, below.

    Args:
        dots: (N, 2), px.

    Returns:
        Centres of the texts, (N, 2), px.

    Example:
        >>> free_places(np.array([[0.0, 0.0]])).tolist()
        [[17.0, 0.0]]
    """
    wide, high = _LABEL
    angles = np.pi * np.array([0, 1, 0.5, 1.5, 0.25, 0.75, 1.75, 1.25])
    found: list[np.ndarray] = []
    for dot in dots:
        for reach in np.arange(17.0, 400.0, 8.0):
            tried = dot + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
            on_dots = np.abs(tried[:, None] - dots[None]) < np.array(
                [wide / 2 + _DOT, high / 2 + _DOT]
            )
            free = ~on_dots.all(-1).any(1)
            if found:
                on_texts = np.abs(tried[:, None] - np.array(found)[None]) < np.array([wide, high])
                free &= ~on_texts.all(-1).any(1)
            if free.any():
                break
        found.append(tried[int(np.argmax(free))])
    return np.array(found)
