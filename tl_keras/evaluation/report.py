"""One self-contained HTML page about a trained model: no script, nothing loaded from elsewhere."""

import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.evaluation.html_page import html_page
from tl_keras.evaluation.plots import draw_learning_curves
from tl_keras.evaluation.report_blocks import (
    bars,
    cards,
    facts,
    picture,
    reproduction,
    section,
    skipped_list,
    thumbnail,
)


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    model_info: Mapping[str, Any],
    measured: str,
    headline: Mapping[str, Any],
    compared: Mapping[str, Any],
    sections: Mapping[str, str],
    history: Sequence[Mapping[str, Any]] = (),
    skipped: Sequence[tuple[str, str]] = (),
    reproduce: Mapping[str, Any] | None = None,
    examples_preview: Iterable[tuple[np.ndarray, str]] = (),
) -> Path:
    """Writes the report: one HTML file, light or dark as the reader's system, fit for a phone.

    Args:
        path: File to write, usually ``report.html``.
        title: Heading, such as ``"photos: 5 classes with mobilenet_v2"``.
        model_info: What was trained on what, name to value in the order to show: backbone,
            weights, recipe, images, class counts ...  Lists and mappings become one line.
        measured: On how many images of what.
        headline: The figures to show first, name to ``{"value", "low", "high"}``, 0..1.
        compared: The model's first figure, and what it has to beat: name to figure or number.
        sections: More of the task's own: title to HTML.
        history: One mapping an epoch, as for :func:`~tl_keras.evaluation.write_history_csv`; may
            be empty.
        skipped: Files left out, (path, reason) each.
        reproduce: ``command`` and whatever else is needed to do it again: versions, seed ...
        examples_preview: Pictures with captions, uint8 (H, W, 3) each, such as the worst mistakes.

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
    thumbnails = "".join(thumbnail(image, caption) for image, caption in examples_preview)
    curves = (
        picture(draw_learning_curves, history, "Loss, score and learning rate by epoch")
        if history
        else "<p>No epoch was trained.</p>"
    )
    parts = [
        section("Beside simple answers", bars(compared)),
        section("What was trained on what", facts(model_info)),
        *(section(name, body) for name, body in sections.items()),
        section("Learning curves", curves),
        section("Pictures", f'<div class="gallery">{thumbnails}</div>' if thumbnails else ""),
        section("Files left out", skipped_list(skipped)),
        section("How to do it again", reproduction(reproduce or {})),
    ]
    about = (
        f"<p>Measured on {escape(measured)}. The ranges are 95 % confidence intervals.</p>\n"
        f"{cards(headline)}"
    )
    page = html_page(title, about, "".join(parts))
    target = Path(path)
    # A name that was never valid text (a stray byte in a file's name) must not stop the report.
    target.write_text(page, encoding="utf-8", errors="replace")
    return target
