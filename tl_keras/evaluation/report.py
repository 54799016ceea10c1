"""One self-contained HTML page about a trained model: no script, nothing loaded from elsewhere."""

import base64
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.evaluation.plots import DARK, LIGHT, draw_confusion_matrix, draw_learning_curves
from tl_keras.evaluation.report_style import STYLE

_KEY_FIGURES = (
    ("accuracy", "Accuracy"),
    ("top5_accuracy", "Top-5 accuracy"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("macro_f1", "Macro F1"),
)
_PREVIEW_SIDE = 160  # px
_MOST_SKIPPED = 200  # rows shown; the count is always complete


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _interval(entry: Mapping[str, Any]) -> str:
    if entry["value"] is None:
        return "not measurable"
    return f"{100 * entry['low']:.1f} to {100 * entry['high']:.1f}"


def _section(title: str, body: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return str(value)


def _facts(entries: Mapping[str, Any]) -> str:
    rows = (
        f"<dt>{escape(str(key))}</dt><dd>{escape(_text(value))}</dd>"
        for key, value in entries.items()
    )
    return f"<dl>{''.join(rows)}</dl>" if entries else ""


def _cards(metrics: Mapping[str, Any]) -> str:
    cards = [
        f'<div class="card"><span class="name">{name}</span>'
        f"<strong>{_share(metrics[key]['value'])}</strong>"
        f'<span class="interval">95 %: {_interval(metrics[key])}</span></div>'
        for key, name in _KEY_FIGURES
        if key in metrics
    ]
    loss = metrics["log_loss"]
    cards.append(
        f'<div class="card"><span class="name">Log loss</span><strong>{loss["value"]:.3f}</strong>'
        f'<span class="interval">95 %: {loss["low"]:.3f} to {loss["high"]:.3f}</span></div>'
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def _bars(metrics: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> str:
    compared = {
        "This model": metrics["accuracy"],
        **baselines,
        "Always the commonest class": metrics["majority_baseline"],
    }
    rows = []
    for k, (name, entry) in enumerate(compared.items()):
        low, high = 100 * entry["low"], 100 * entry["high"]
        rows.append(
            f'<div class="bar{" own" if k == 0 else ""}"><span>{escape(name)}</span>'
            f'<div class="track"><i style="width:{100 * entry["value"]:.2f}%"></i>'
            f'<b style="left:{low:.2f}%;width:{high - low:.2f}%"></b></div>'
            f"<span>{_share(entry['value'])}</span></div>"
        )
    return "".join(rows)


def _class_table(metrics: Mapping[str, Any]) -> str:
    head = "<th>Class</th><th>Images</th><th>Precision</th><th>Recall</th><th>F1</th>"
    rows = []
    for entry in metrics["per_class"]:
        cells = "".join(
            f"<td>{_share(entry[key]['value'])}<small>{_interval(entry[key])}</small></td>"
            for key in ("precision", "recall", "f1")
        )
        rows.append(
            f'<tr><th scope="row">{escape(entry["name"])}</th><td>{entry["count"]:,}</td>'
            f"{cells}</tr>"
        )
    notes = "".join(f"<p>{escape(note)}</p>" for note in metrics["notes"])
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{notes}"
    )


def _picture(draw: Callable[..., bytes], subject: Any, description: str) -> str:
    light, dark = (
        f"data:image/png;base64,{base64.b64encode(draw(subject, theme)).decode('ascii')}"
        for theme in (LIGHT, DARK)
    )
    return (
        f'<div class="wide"><picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(description)}"></picture></div>'
    )


def _thumbnail(image: np.ndarray, caption: str) -> str:
    from PIL import Image

    picture = Image.fromarray(np.asarray(image, dtype=np.uint8)).convert("RGB")
    picture.thumbnail((_PREVIEW_SIDE, _PREVIEW_SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=85)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = escape(caption)
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{text}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _skipped_list(skipped: Sequence[tuple[str, str]]) -> str:
    if not skipped:
        return "<p>None: every file was read.</p>"
    rows = "".join(
        f"<tr><td>{escape(str(path))}</td><td>{escape(str(reason))}</td></tr>"
        for path, reason in skipped[:_MOST_SKIPPED]
    )
    rest = len(skipped) - _MOST_SKIPPED
    more = f"<p>… and {rest:,} more.</p>" if rest > 0 else ""
    return (
        f"<p>{len(skipped):,} left out of training and evaluation:</p>"
        '<div class="wide"><table class="left"><thead><tr><th>File</th><th>Why</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>{more}"
    )


def _reproduction(reproduce: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in reproduce.items() if key != "command"}
    command = reproduce.get("command")
    block = f"<pre><code>{escape(str(command))}</code></pre>" if command else ""
    return block + _facts(rest)


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    model_info: Mapping[str, Any],
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]] = (),
    baselines: Mapping[str, Mapping[str, Any]] | None = None,
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
        metrics: As from :func:`~tl_keras.evaluation.evaluate_classification`.
        history: One mapping an epoch, as for :func:`~tl_keras.evaluation.write_history_csv`; may
            be empty.
        baselines: Accuracies to set beside the model's, name to figure
            ``{"value", "low", "high"}``, 0..1; the commonest class is always there.
        skipped: Files left out, (path, reason) each.
        reproduce: ``command`` and whatever else is needed to do it again: versions, seed ...
        examples_preview: Pictures with captions, uint8 (H, W, 3) each, such as the worst mistakes.

    Returns:
        The path.

    Example:
        >>> from tl_keras.evaluation import evaluate_classification
        >>> metrics = evaluate_classification([0, 1], [[0.9, 0.1], [0.2, 0.8]], ["ant", "bee"])
        >>> write_report("/tmp/report.html", title="Insects", model_info={}, metrics=metrics).name
        'report.html'
    """
    thumbnails = "".join(_thumbnail(image, caption) for image, caption in examples_preview)
    curves = (
        _picture(draw_learning_curves, history, "Loss, accuracy and learning rate by epoch")
        if history
        else "<p>No epoch was trained.</p>"
    )
    confusion = _picture(draw_confusion_matrix, metrics, "Confusion matrix, rows are true classes")
    sections = [
        _section("Accuracy beside simple answers", _bars(metrics, baselines or {})),
        _section("What was trained on what", _facts(model_info)),
        _section("Class by class", _class_table(metrics)),
        _section("Which class is taken for which", confusion),
        _section("Learning curves", curves),
        _section("Pictures", f'<div class="gallery">{thumbnails}</div>' if thumbnails else ""),
        _section("Files left out", _skipped_list(skipped)),
        _section("How to do it again", _reproduction(reproduce or {})),
    ]
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
<header>
<h1>{escape(title)}</h1>
<p>Measured on {metrics["examples"]:,} held-out images of {len(metrics["class_names"]):,} classes.
The ranges are 95 % confidence intervals.</p>
{_cards(metrics)}
</header>
{"".join(sections)}
</main>
</body>
</html>
"""
    target = Path(path)
    # A name that was never valid text (a stray byte in a file's name) must not stop the report.
    target.write_text(page, encoding="utf-8", errors="replace")
    return target
