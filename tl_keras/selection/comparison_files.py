"""What a comparison leaves in its folder: ``compare.json``, ``.csv``, ``.png`` and ``.html``."""

import csv
import json
import os
from html import escape
from pathlib import Path

from tl_keras.evaluation.html_page import html_page, save_page
from tl_keras.evaluation.report_blocks import facts, picture, reproduction, section, share
from tl_keras.selection.comparison import COSTS, Compared, Comparison
from tl_keras.selection.comparison_plot import draw_comparison

_COLUMNS = (
    "place", "name", "backbone", "weights", "image_size", "recipe", "value", "low", "high", "sd",
    "even", "p_value", "milliseconds", "slower", "megabytes", "parameters", "training_seconds",
    "peak_megabytes", "front_of", "run",
)  # fmt: skip


def write_files(comparison: Comparison, folder: Path, command: str | None = None) -> None:
    """Write all four.

    Args:
        comparison: To write.
        folder: Where; pages link to the models' own reports in it.
        command: What made it.
    """
    told = comparison.as_dict()
    (folder / "compare.json").write_text(json.dumps(told, indent=1, allow_nan=False))
    with (folder / "compare.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for place, row in enumerate(told["rows"], 1):
            more = {"place": place, "run": row["runs"][0], "front_of": " ".join(row["front_of"])}
            cells = {**row, **more}
            writer.writerow(["" if cells[key] is None else cells[key] for key in _COLUMNS])
    comparison.plot(folder / "compare.png")
    save_page(folder / "compare.html", comparison_page(comparison, folder, command))


def comparison_page(comparison: Comparison, folder: Path, command: str | None = None) -> str:
    """The page: the picture, the table with links to each report, what failed, how to use the best.

    Args:
        comparison: To show.
        folder: That the page will lie in.
        command: What made it.

    Returns:
        HTML.
    """
    best = comparison.best
    about = (
        f"<p>{escape(_shown(best))}. The best of {len(comparison.rows)} by "
        f"{escape(comparison.figure)} on {comparison.val:,} validation images.</p>"
    )
    drawn = picture(
        draw_comparison, comparison, f"{comparison.figure} over latency, size and training time"
    )
    use = {"command": f"tl-keras {comparison.used.format(model=best.runs[0])}"}
    notes = "".join(f"<p>{escape(note)}</p>" for note in comparison.notes())
    body = "".join([
        section("What each costs", drawn),
        section("Side by side", _table(comparison, folder)),
        section("On the data's own test part", _tested(comparison)),
        section("Not trained", facts(comparison.failed)),
        section("What these figures are", notes),
        section("Use the best", reproduction(use)),
        section("How to do it again", reproduction({
            "command": command, "Task": comparison.task,
            "Seeds": list(comparison.seeds), "Split": list(comparison.splits),
        })),
    ])  # fmt: skip
    return html_page(f"Comparison of {len(comparison.rows)} models", about, body)


def _shown(row: Compared) -> str:
    return f"{row.name}: {share(row.value)}, {row.milliseconds:.1f} ms, {row.megabytes:.1f} MB"


def _table(comparison: Comparison, folder: Path) -> str:
    several = len(comparison.seeds) > 1
    names = ["Base and recipe", comparison.figure, "vs best", "ms", "MB", "train s", "front of"]
    body = []
    for place, row in enumerate(comparison.rows, 1):
        report = Path(os.path.relpath(row.runs[0], folder), "report.html").as_posix()
        name = escape(row.name).replace("+", "<wbr>+")
        peak = "" if row.peak_megabytes is None else f"{row.peak_megabytes:.0f} MB memory"
        limits = "" if row.low is None else f"{100 * row.low:.1f} to {100 * row.high:.1f}"
        spread = f", sd {100 * row.sd:.1f}" if several else ""
        cells = [
            (share(row.value), limits + spread),
            (comparison.standing(row), "" if row.p_value is None else f"p {row.p_value:.2g}"),
            (f"{row.milliseconds:.1f}", f"{row.slower:.2f} x"),
            (f"{row.megabytes:.2f}", f"{row.parameters:,} parameters"),
            (f"{row.training_seconds:.1f}", peak),
            (", ".join(COSTS[cost][0] for cost in comparison.fronts_of(row)) or "–", ""),
        ]
        shown = "".join(
            f"<td>{escape(cell)}<small>{escape(more)}</small></td>" for cell, more in cells
        )
        body.append(
            f'<tr><th scope="row">{place} <a href="{escape(report)}">{name}</a></th>{shown}</tr>'
        )
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
        "<p>front of: the costs at which no other is better at no more (the Pareto front).</p>"
    )


def _tested(comparison: Comparison) -> str:
    """The same figure on the test part, which chose nothing; empty without one."""
    tested = {
        row.name: f"{share(row.tested['value'])} ({share(row.tested['low'])} to "
        f"{share(row.tested['high'])})"
        for row in comparison.rows
        if row.tested is not None
    }
    return facts(tested)
