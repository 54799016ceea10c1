"""The page of a search that was measured: figures, each category, and the contact sheet."""

import os
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from tl_keras.evaluation.embedding_sections import search_section
from tl_keras.evaluation.html_page import html_page, save_page
from tl_keras.evaluation.intervals import Figure
from tl_keras.evaluation.report_blocks import cards, section


def search_headline(metrics: Mapping[str, Any]) -> dict[str, Figure]:
    """The figures to show first.

    Args:
        metrics: As from ``evaluate_retrieval``.

    Returns:
        Name to figure.
    """
    last = list(metrics["recall"])[-1]
    return {
        **{f"precision at {k}": figure for k, figure in metrics["precision"].items()},
        f"recall at {last}": metrics["recall"][last],
        "mean average precision": metrics["mean_average_precision"],
        f"nDCG at {last}": metrics["ndcg"][last],
    }


def write_search_page(
    path: str | os.PathLike, metrics: Mapping[str, Any], sheet: str, *, title: str, measured: str
) -> Path:
    """Writes one HTML file, no script, light or dark, fit for phones.

    Args:
        path: File to write; one that is there is replaced.
        metrics: As from ``evaluate_retrieval``.
        sheet: Of ``contact_section``.
        title: Heading.
        measured: Who searched among what.

    Returns:
        The path.

    Raises:
        InputError: The file cannot be written.

    Example:
        >>> write_search_page("search.html", metrics, sheet, title="shop", measured="9 queries")
        ... # doctest: +SKIP
    """
    about = (
        f"<p>{escape(measured)} The ranges are 95 % confidence intervals.</p>\n"
        f"{cards(search_headline(metrics))}"
    )
    found = section("What was searched for and found", sheet)
    body = f"{found}\n{section('Category by category', search_section(metrics))}"
    page = html_page(title, about, body)
    return save_page(path, page)
