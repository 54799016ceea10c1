"""The picture of a comparison of bases: how well each suits the data, over what it costs."""

from tl_keras.evaluation.plots import LIGHT, Theme, png_bytes, style_axes
from tl_keras.evaluation.rate_plot import Picture
from tl_keras.selection.pareto import unbeaten
from tl_keras.selection.ranking import DRIVER, SCORES, Ranking


def draw_ranking(ranking: Ranking, theme: Theme = LIGHT) -> Picture:
    """Draws the score that orders over the time of a forward pass, with a list beside.

    Each base is drawn by its place.  The line joins those that no other beats in both.

    Args:
        ranking: Of ``tl.rank``.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> draw_ranking(tl.rank(examples))[1:4]  # doctest: +SKIP
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = ranking.rows
    cost = [1000 / row.images_per_second for row in rows]
    score = [getattr(row, DRIVER) for row in rows]
    front = unbeaten(score, cost)
    figure = Figure(
        figsize=(8.6, max(4.2, 0.9 + 0.21 * len(rows))), layout="constrained",
        facecolor=theme.surface,
    )  # fmt: skip
    FigureCanvasAgg(figure)
    axes, words = figure.subplots(1, 2, width_ratios=(5, 2.6))
    style_axes(axes, theme)
    axes.plot(
        [cost[i] for i in front], [score[i] for i in front], color=theme.val, linewidth=1.2,
        drawstyle="steps-post", zorder=1,
    )  # fmt: skip
    for place, (x, y) in enumerate(zip(cost, score, strict=True)):
        best = place in front
        axes.plot(
            [x], [y], "o", markersize=14, markeredgecolor=theme.surface,
            color=theme.val if best else theme.train, zorder=2,
        )  # fmt: skip
        axes.text(
            x, y, str(place + 1), color=theme.surface, fontsize=8, ha="center", va="center_baseline"
        )
    axes.set_xscale("log")
    low, high = min(cost), max(cost)
    axes.set_xlim(low / 1.4, high * 1.4)
    ticks = log_ticks(low / 1.4, high * 1.4)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.margins(y=0.12)
    axes.grid(axis="y", color=theme.grid, linewidth=0.7)
    axes.set_xlabel("ms for an image, forward, on this machine", color=theme.muted, fontsize=9)
    axes.set_ylabel(f"{SCORES[DRIVER]} (higher suits better)", color=theme.muted, fontsize=9)
    bases = "1 base" if len(rows) == 1 else f"{len(rows)} bases"
    title = f"{bases} on {ranking.images:,} images of {ranking.classes} classes"
    axes.set_title(title, fontsize=10, loc="left", color=theme.ink)
    words.axis("off")
    for place, row in enumerate(rows):
        words.text(
            0, 1 - (place + 0.5) / max(len(rows), 16), f"{place + 1}  {row.name}", fontsize=8,
            color=theme.ink if place in front else theme.muted, transform=words.transAxes,
            va="center", parse_math=False,
        )  # fmt: skip
    return Picture(png_bytes(figure))


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... within; finer where these are few, and the ends where none are."""
    for marks in ((1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        steps = [m * 10.0**e for e in range(-3, 6) for m in marks]
        inside = [step for step in steps if low <= step <= high]
        if len(inside) > 1:
            return inside
    return [float(f"{end:.2g}") for end in (low, high)]
