"""Pictures of a search: how it went on, and where in each parameter the good trials lie."""

import math
from typing import TYPE_CHECKING, Any

from tl_keras.evaluation.plots import LIGHT, Theme, png_bytes, short_name, style_axes
from tl_keras.selection.search_parameters import PARAMETERS, Range
from tl_keras.selection.tuning_result import TunedTrial, Tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3


def draw_history(tuning: Tuning, theme: Theme = LIGHT) -> bytes:
    """Draws the accuracy of every trial on validation, and the best so far.

    Args:
        tuning: Of ``tl.tune``.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> draw_history(tl.tune(examples, "tuned/photos"))[1:4]  # doctest: +SKIP
        b'PNG'
    """
    from matplotlib.figure import Figure

    figure = _canvas(Figure(figsize=(8.6, 4.0), layout="constrained", facecolor=theme.surface))
    axes = figure.add_subplot()
    style_axes(axes, theme)
    ended = [one for one in tuning.trials if one.accuracy is not None]
    best, line = -math.inf, []
    for one in ended:
        best = max(best, 100 * one.accuracy if one.state == "complete" else best)
        line.append(best)
    numbers = [one.number for one in ended]
    axes.plot(numbers, line, color=theme.val, linewidth=1.4, drawstyle="steps-post", zorder=1)
    _dots(axes, theme, [(one.number, one) for one in ended])
    default = 100 * tuning.defaults.accuracy
    axes.axhline(default, color=theme.muted, linewidth=1, linestyle="--", zorder=0)
    # Short of the edge, so that the word stands over no trial of the end.
    axes.annotate(
        "defaults", (1, default), xycoords=("axes fraction", "data"), xytext=(0, 3),
        textcoords="offset points", ha="right", va="bottom", fontsize=8, color=theme.muted,
    )  # fmt: skip
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color=theme.grid, linewidth=0.7)
    axes.set_xlabel("trial", color=theme.muted, fontsize=9)
    axes.set_ylabel("accuracy on validation, %", color=theme.muted, fontsize=9)
    axes.set_title(
        "Each trial, and the best so far; hollow: cut short", fontsize=10, loc="left",
        color=theme.ink,
    )  # fmt: skip
    return png_bytes(figure)


def draw_parameters(tuning: Tuning, theme: Theme = LIGHT) -> bytes:
    """Draws accuracy over the values of each parameter that was searched, the one that matters most
    first.

    Args:
        tuning: Of ``tl.tune``.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> draw_parameters(tl.tune(examples, "tuned/photos"))[1:4]  # doctest: +SKIP
        b'PNG'
    """
    from matplotlib.figure import Figure

    searched, weight = tuning.space.searched, tuning.importance
    names = sorted(searched, key=lambda name: -weight.get(name, 0.0))
    columns = min(_COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    size = (0.6 + 2.7 * columns, 0.4 + 2.4 * rows)
    figure = _canvas(Figure(figsize=size, layout="constrained", facecolor=theme.surface))
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    for place, (axes, name) in enumerate(zip(grid, names, strict=False)):
        style_axes(axes, theme)
        values = searched[name]
        shown = [
            (one.settings[name], one)
            for one in tuning.trials
            if one.accuracy is not None and name in tuning.space.active(one.settings)
        ]
        if isinstance(values, Range):
            if values.log:
                axes.set_xscale("log")
                axes.minorticks_off()
        else:
            # The defaults may stand at a value that is not searched.
            known = list(dict.fromkeys([*values, *(value for value, _ in shown)]))
            known = sorted(known) if PARAMETERS[name].numeric else known
            texts = [short_name(f"{v:g}" if isinstance(v, float) else str(v)) for v in known]
            turned = {"rotation": 25, "ha": "right"} if max(map(len, texts)) > 8 else {}
            axes.set_xticks(range(len(known)), texts, **turned)
            axes.set_xlim(-0.6, len(known) - 0.4)
            shown = [(known.index(value), one) for value, one in shown]
        _dots(axes, theme, shown)
        axes.grid(axis="y", color=theme.grid, linewidth=0.7)
        share = f", {100 * weight[name]:.0f} %" if name in weight else ""
        axes.set_title(f"{name}{share}", fontsize=9, loc="left", color=theme.ink)
        if place % columns == 0:
            axes.set_ylabel("validation, %", color=theme.muted, fontsize=8)
    return png_bytes(figure)


def _canvas(figure: Any) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    return figure


def _dots(axes: "Axes", theme: Theme, points: list[tuple[float, TunedTrial]]) -> None:
    """Filled where a trial was completed, hollow where it was cut short; the defaults a diamond."""
    for x, one in points:
        whole = one.state == "complete"
        axes.plot(
            [x], [100 * one.accuracy], "D" if one.defaults else "o", markersize=6, zorder=2,
            color=theme.full if one.defaults else theme.val if whole else "none",
            markeredgecolor=theme.surface if whole else theme.train,
        )  # fmt: skip
