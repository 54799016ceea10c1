"""One self-contained HTML page about a trained model: nothing is loaded from elsewhere."""

import os
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tl_keras.evaluation.html_page import html_page
from tl_keras.evaluation.plots import draw_learning_curves
from tl_keras.evaluation.report_blocks import bars, cards, facts, picture, reproduction
from tl_keras.evaluation.report_script import SCRIPT
from tl_keras.evaluation.report_style import REPORT_STYLE


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    measured: str | None,
    headline: Mapping[str, Any],
    compared: Mapping[str, Any],
    model_info: Mapping[str, Any],
    data: str = "",
    history: Sequence[Mapping[str, Any]] = (),
    sections: Mapping[str, str],
    cost: str = "",
    reproduce: Mapping[str, Any] | None = None,
    style: str = "",
) -> Path:
    """Writes the report: one HTML file, light or dark as the reader's system, fit for a phone.

    Sections fold, on a phone all but the first two from the beginning; on paper all are open.

    Args:
        path: File to write, usually ``report.html``.
        title: Heading, such as ``"photos: 5 classes with mobilenet_v2"``.
        measured: On how many images of what; None where nothing was measured.
        headline: The figures to show first, name to ``{"value", "low", "high"}``, 0..1.
        compared: The model's first figure, and what it has to beat: name to figure or number.
        model_info: What was trained on what, name to value in the order to show: backbone,
            weights, recipe ...  Lists and mappings become one line.
        data: HTML on the data and their split.
        history: One mapping an epoch, as for :func:`~tl_keras.evaluation.write_history_csv`; may
            be empty, and then there is no curve.
        sections: More of the task's own: title to HTML; empty ones are left out.
        cost: HTML on time, memory and size.
        reproduce: ``command`` and whatever else is needed to do it again: versions, seed ...
        style: CSS that the sections need.

    Returns:
        The path.

    Example:
        >>> accuracy = {"value": 0.9, "low": 0.8, "high": 0.95}
        >>> write_report(
        ...     "/tmp/report.html", title="Insects", model_info={}, measured="2 images",
        ...     headline={"accuracy": accuracy}, compared={"This model": accuracy}, sections={},
        ... ).name
        'report.html'
    """
    curves = (
        picture(draw_learning_curves, history, "Loss, score and learning rate by epoch")
        if history
        else ""
    )
    parts = {
        "Beside simple answers": bars(compared),
        "What was trained on what": facts(model_info),
        "Data and split": data,
        "Learning curves": curves,
        **sections,
        "What it cost": cost,
        "How to do it again": reproduction(reproduce or {}),
    }
    parts = {name: body for name, body in parts.items() if body}
    said = (
        f"Measured on {escape(measured)}. The ranges are 95 % confidence intervals."
        if measured
        else "This run had no validation images; measure the model with <code>tl-keras "
        "evaluate</code>."
    )
    about = f"<p>{said}</p>\n{cards(headline) if headline else ''}{_contents(parts)}"
    body = "".join(_folding(name, part) for name, part in parts.items())
    page = html_page(title, about, body, REPORT_STYLE + style, SCRIPT)
    target = Path(path)
    # A name that was never valid text (a stray byte in a file's name) must not stop the report.
    target.write_text(page, encoding="utf-8", errors="replace")
    return target


def _contents(names: Mapping[str, str]) -> str:
    links = "".join(f'<a href="#{_id(name)}">{escape(name)}</a>' for name in names)
    return f'<nav aria-label="Contents">{links}</nav>'


def _folding(title: str, body: str) -> str:
    return (
        f'<section id="{_id(title)}"><details open><summary><h2>{escape(title)}</h2></summary>\n'
        f"{body}\n</details></section>\n"
    )


def _id(title: str) -> str:
    return re.sub(r"\W+", "-", title.lower())
