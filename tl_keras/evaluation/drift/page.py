"""The page of a comparison: what was found, in words and figures, and the pictures to look at."""

import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.evaluation.drift.words import drift_words, shown_p
from tl_keras.evaluation.html_page import html_page, save_page
from tl_keras.evaluation.report_blocks import figures_table, section, skipped_list, thumbnail

_TESTS = {
    "told apart": "A classifier tells them apart",
    "feature distance": "Distance of the features",
    "class shares": "Shares of the predicted classes",
    "confidence": "Mean of the highest probability",
}
_MOST_CLASSES = 40
# On a phone the p values would stand beyond the edge.
_STYLE = "@media (max-width: 40rem) { th, td { padding: .4rem } td small { white-space: normal; } }"

Pictures = Iterable[tuple[np.ndarray, str]]


def write_drift_page(
    path: str | os.PathLike, found: Mapping[str, Any], galleries: Mapping[str, Pictures], *,
    title: str, skipped: Sequence[tuple[str, str]] = (),
) -> Path:  # fmt: skip
    """Writes one HTML file, no script, light or dark, fit for phones.

    Args:
        path: File to write; one that is there is replaced.
        found: Of ``compare``.
        galleries: Title to pictures, uint8 (H, W, 3), with their captions.
        title: Heading.
        skipped: Files that could not be read, with the reason.

    Returns:
        The path.

    Raises:
        InputError: The file cannot be written.

    Example:
        >>> write_drift_page("drift.html", found, {}, title="new/")  # doctest: +SKIP
    """
    verdict, *rest = drift_words(found)
    sentences = "".join(f"<li>{escape(line)}</li>" for line in rest)
    about = f"<p><strong>{escape(verdict)}</strong></p>\n<ul>{sentences}</ul>"
    body = [section("Tests", _tests(found))]
    if found["predictions"] is not None:
        body.append(section("What the model says", _shares(found["predictions"]["shares"])))
    for name, pictures in galleries.items():
        shown = "".join(thumbnail(*pair) for pair in pictures)
        body.append(section(name, f'<div class="gallery">{shown}</div>' if shown else ""))
    if skipped:
        body.append(section("Left out", skipped_list(skipped)))
    return save_page(path, html_page(title, about, "\n".join(body), _STYLE))


def _tests(found: Mapping[str, Any]) -> str:
    auc, distance = found["told_apart"]["auc"], found["distance"]
    sizes = {
        "told apart": (f"AUC {auc['value']:.3f}", f"{auc['low']:.3f} to {auc['high']:.3f}"),
        "feature distance": (f"MMD² {distance['mmd2']:.4f}", f"chance {distance['chance']:.4f}"),
    }
    p = {"told apart": found["told_apart"]["p"], "feature distance": distance["p"]}
    if found["predictions"] is not None:
        shares, sure = (found["predictions"][key] for key in ("shares", "confidence"))
        sizes["class shares"] = (f"{shares['divergence']:.3f} bits", "Jensen-Shannon, 0 to 1")
        sizes["confidence"] = (f"{100 * sure['new']:.1f} %", f"reference {100 * sure['old']:.1f} %")
        p |= {"class shares": shares["p"], "confidence": sure["p"]}
    rows = [
        {"name": _TESTS[name], "size": size,
         "p": (shown_p(found["adjusted"][name]), f"alone {shown_p(p[name])}")}
        for name, size in sizes.items()
    ]  # fmt: skip
    columns = {"Size": "size", "Adjusted": "p"}
    notes = [
        "The p value is how often 999 random exchanges of the two samples' images differ as much; "
        "the adjusted ones (Holm) hold for all tests together, and below 0.05 count as drift."
    ]
    return figures_table(rows, columns, "Test", notes)


def _shares(shares: Mapping[str, Any]) -> str:
    old, new = shares["old"], shares["new"]
    ranked = sorted(old, key=lambda name: -abs(new[name] - old[name]))
    rows = [
        {"name": name, "old": (f"{100 * old[name]:.1f} %", ""),
         "new": (f"{100 * new[name]:.1f} %", f"{100 * (new[name] - old[name]):+.1f}")}
        for name in ranked[:_MOST_CLASSES]
    ]  # fmt: skip
    notes = ["The share of the images of which this is the most probable, most changed first."]
    if len(ranked) > _MOST_CLASSES:
        notes.append(f"The {_MOST_CLASSES} most changed of {len(ranked):,}.")
    return figures_table(rows, {"Reference": "old", "New": "new"}, "Class", notes)
