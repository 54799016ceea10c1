"""The picture of a learning-rate range test."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tl_keras.evaluation.plots import LIGHT, Theme, png_bytes, style_axes


class Picture(bytes):
    """A PNG file's bytes that a notebook shows as a picture.

    Example:
        >>> Picture(b"123")
        <PNG picture, 3 bytes>
    """

    def __repr__(self) -> str:
        return f"<PNG picture, {len(self)} bytes>"

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def at(self, path: str | os.PathLike | None) -> "Path | Picture":
        """The file that it was written to; where no path is given, the picture itself.

        Args:
            path: To write to, or None.

        Example:
            >>> Picture(b"123").at(None)
            <PNG picture, 3 bytes>
        """
        if path is None:
            return self
        target = Path(path)
        target.write_bytes(self)
        return target


def draw_rate_test(
    rates: np.ndarray,
    losses: np.ndarray,
    smoothed: np.ndarray,
    marks: Mapping[str, float | None],
    theme: Theme = LIGHT,
) -> Picture:
    """Draws the loss over the learning rate, with the suggested rates marked.

    Args:
        rates: (S,), rising.
        losses: (S,), as measured.
        smoothed: (S,), the line; the vertical axis is cut to show it.
        marks: Name -> rate, or None where there is none.
        theme: Colours.

    Returns:
        A PNG file's bytes.

    Example:
        >>> line = np.array([1.0, 0.5])
        >>> draw_rate_test(np.array([1e-3, 1e-2]), line, line, {"valley": 3e-3})[1:4]
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.4, 4.2), layout="constrained", facecolor=theme.surface)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    style_axes(axes, theme)
    axes.plot(rates, losses, ".", color=theme.train, markersize=3, alpha=0.6, label="one batch")
    axes.plot(rates, smoothed, color=theme.val, linewidth=1.8, label="smoothed")
    axes.set_xscale("log")
    # The last losses of a test that diverged would flatten the part that matters.
    low, start = float(np.min(smoothed)), float(smoothed[0])
    high = min(float(np.max(smoothed)), max(start, low) + (abs(start - low) or 1.0))
    margin = 0.12 * ((high - low) or 1.0)
    axes.set_ylim(low - margin, high + margin)
    placed = 0
    for name, rate in marks.items():
        if rate is None:
            continue
        loss = float(np.interp(np.log(rate), np.log(rates), smoothed))
        axes.axvline(rate, color=theme.muted, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.plot([rate], [loss], "o", color=theme.full, markersize=6)
        axes.annotate(
            f"{name} {rate:.1e}", (rate, 1.0), (3, 4 + 11 * placed),
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=8,
            color=theme.ink, parse_math=False,
        )  # fmt: skip
        placed += 1
    axes.grid(axis="y", color=theme.grid, linewidth=0.7)
    axes.tick_params(which="minor", bottom=False)
    axes.set_xlabel("learning rate", color=theme.muted, fontsize=9)
    axes.set_ylabel("training loss", color=theme.muted, fontsize=9)
    axes.set_title("Range test", fontsize=10, loc="left", pad=30, color=theme.ink)
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.muted, loc="lower left")
    return Picture(png_bytes(figure))
