"""One HTML page about a cross-validation: mean and spread of every figure, and each fold."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tl_keras.evaluation.fold_figures import INTERVAL
from tl_keras.evaluation.html_page import html_page
from tl_keras.evaluation.report_blocks import bars, cards, facts, reproduction, section, share


def write_fold_page(
    path: str | os.PathLike,
    *,
    title: str,
    headline: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, Mapping[str, Any]],
    folds: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
    notes: Sequence[str],
    tested: Mapping[str, str],
    reproduce: Mapping[str, Any],
) -> Path:
    """Writes the page: no script, nothing loaded from elsewhere.

    Args:
        path: file to write.
        title: heading.
        headline: the figures to show first, name to show to :func:`fold_figure
            <tl_keras.evaluation.fold_figures.fold_figure>`, shares 0..1.
        figures: every figure over folds, by its key.
        folds: of each ``name``, ``link`` (of its own report), ``train`` and ``val`` (counts).
        about: what was trained on what.
        notes: sentences on what the figures are and are not.
        tested: figures on images that stood in no fold, name to what to show; may be empty.
        reproduce: ``command`` and what else it takes to do it again.

    Returns:
        The path.

    Example:
        >>> write_fold_page("/tmp/folds.html", title="x", headline={}, figures={}, folds=[],
        ...                 about={}, notes=[], tested={}, reproduce={}).name
        'folds.html'
    """
    first = next(iter(headline), None)
    compared = {}
    if first is not None:
        compared[f"Mean, {first}"] = _drawn(headline[first])
        compared |= {
            fold["name"]: value
            for fold, value in zip(folds, headline[first]["values"], strict=True)
        }
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    shown = {name: _drawn(figure) for name, figure in headline.items()}
    body = "".join([
        section("Fold by fold", bars(compared) + _table(figures, folds)),
        section("On images that stood in no fold", facts(tested)),
        section("What these figures are", said),
        section("What was trained on what", facts(about)),
        section("How to do it again", reproduction(reproduce)),
    ])  # fmt: skip
    head = f"<p>Means over {len(folds)} folds. Range: {INTERVAL}.</p>\n{cards(shown)}"
    page = html_page(title, head, body)
    target = Path(path)
    target.write_text(page, encoding="utf-8", errors="replace")
    return target


def _drawn(figure: Mapping[str, Any]) -> dict[str, float]:
    """With limits, also where a single value has none."""
    low, high = figure["low"], figure["high"]
    value = figure["value"]
    return {"value": value, "low": value if low is None else low, "high": high or value}


def _table(figures: Mapping[str, Mapping[str, Any]], folds: Sequence[Mapping[str, Any]]) -> str:
    names = list(figures)
    head = "".join(
        f"<th>{escape(name)}</th>"
        for name in ("Fold", "Trained on", "Validated on", *(n.replace("_", " ") for n in names))
    )
    rows = []
    for number, fold in enumerate(folds):
        cells = "".join(
            f"<td>{_cell(name, figures[name]['values'][number])}</td>" for name in names
        )
        link = f'<a href="{escape(fold["link"])}">{escape(fold["name"])}</a>'
        rows.append(
            f'<tr><th scope="row">{link}</th><td>{fold["train"]:,}</td><td>{fold["val"]:,}</td>'
            f"{cells}</tr>"
        )
    for said, key in (("Mean", "value"), ("Standard deviation", "sd")):
        cells = "".join(f"<td>{_cell(name, figures[name][key])}</td>" for name in names)
        rows.append(f'<tr><th scope="row">{said}</th><td></td><td></td>{cells}</tr>')
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(name: str, value: float | None) -> str:
    if value is None or not name.endswith("loss"):
        return share(value)
    return f"{value:.3f}"
