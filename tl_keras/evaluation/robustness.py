"""The table of a model's figures on images that were made worse."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.evaluation.intervals import Figure
from tl_keras.evaluation.plots import LIGHT, Theme, png_bytes, style_axes


def robustness_table(
    name: str, clean: Figure, found: Mapping[tuple[str, int], Figure]
) -> dict[str, Any]:
    """Figures by kind and strength, and what of the clean one is left.

    Args:
        name: Of the figure, 0..1, higher is better.
        clean: On the images as they are.
        found: By kind and strength.

    Returns:
        JSON values: ``figure``, ``clean``, ``kinds`` (name to ``strengths``, a list of figures,
        ``mean`` and ``kept``), ``mean`` over all kinds and strengths, and ``kept``: that divided by
        the clean one (None where the clean one is 0).  The mean error is 1 minus the mean; unlike
        the source's mCE it is not divided by another network's.

    Example:
        >>> half = dict.fromkeys(("value", "low", "high"), 0.5)
        >>> found = robustness_table("accuracy", {**half, "value": 1.0}, {("blur", 1): half})
        >>> found["kinds"]["blur"]["mean"], found["kept"]
        (0.5, 0.5)
    """
    kinds: dict[str, Any] = {}
    for (kind, _), figure in sorted(found.items(), key=lambda item: item[0][1]):
        kinds.setdefault(kind, {"strengths": []})["strengths"].append(figure)
    for entry in kinds.values():
        entry["mean"] = float(np.mean([figure["value"] or 0.0 for figure in entry["strengths"]]))
        entry["kept"] = _share(entry["mean"], clean["value"])
    mean = float(np.mean([entry["mean"] for entry in kinds.values()]))
    return {
        "figure": name, "clean": clean, "kinds": kinds, "mean": mean,
        "kept": _share(mean, clean["value"]),
    }  # fmt: skip


def robustness_lines(table: Mapping[str, Any]) -> list[str]:
    """The table as text, in per cent."""
    kinds = table["kinds"]
    strengths = len(next(iter(kinds.values()))["strengths"])
    head = "".join(f"{number:>14}" for number in range(1, strengths + 1))
    lines = [
        f"{table['figure']} on images made worse, %; on these as they are "
        f"{100 * (table['clean']['value'] or 0):.1f}",
        f"{'strength':<12}{head}{'mean':>8}{'kept':>8}",
    ]
    for kind, entry in kinds.items():
        cells = "".join(f"{_cell(figure):>14}" for figure in entry["strengths"])
        lines.append(f"{kind:<12}{cells}{100 * entry['mean']:>8.1f}{_percent(entry['kept']):>8}")
    lines.append(
        f"Of all: {100 * table['mean']:.1f}, which keeps {_percent(table['kept'])} % of the figure "
        "on clean images. Beside each: half the width of its 95 % interval."
    )
    return lines


def draw_robustness(table: Mapping[str, Any], theme: Theme = LIGHT) -> bytes:
    """Draws the figure over the strength, a line for each kind.

    Args:
        table: Of :func:`robustness_table`.
        theme: Colours.

    Returns:
        A PNG file's bytes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(6.4, 3.8), layout="constrained", facecolor=theme.surface)
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    style_axes(axes, theme)
    clean = table["clean"]["value"] or 0.0
    marks = ("o", "s", "^", "D", "v", "P")
    for mark, (kind, entry) in zip(marks, table["kinds"].items(), strict=False):
        values = [clean, *(figure["value"] or 0.0 for figure in entry["strengths"])]
        axes.plot(range(len(values)), values, marker=mark, markersize=4, linewidth=1.5, label=kind)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", color=theme.grid, linewidth=0.7)
    axes.set_xlabel("strength (0: as it is)", color=theme.muted, fontsize=9)
    axes.set_ylabel(table["figure"], color=theme.muted, fontsize=9)
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.muted, loc="lower left")
    return png_bytes(canvas)


def plot_robustness(table: Mapping[str, Any], path: str | os.PathLike) -> Path:
    """Writes :func:`draw_robustness` as a PNG file.

    Args:
        table: Of :func:`robustness_table`.
        path: File to write.

    Returns:
        The path.
    """
    target = Path(path)
    target.write_bytes(draw_robustness(table))
    return target


def _share(value: float, clean: float | None) -> float | None:
    return value / clean if clean else None


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"


def _cell(figure: Figure) -> str:
    if figure["value"] is None:
        return "–"
    if figure["low"] is None:
        return f"{100 * figure['value']:.1f}"
    half = 50 * (figure["high"] - figure["low"])
    return f"{100 * figure['value']:.1f} ± {half:.1f}"
