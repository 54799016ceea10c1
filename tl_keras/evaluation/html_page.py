"""The frame of every page that is written: one file, light and dark, nothing from another host."""

import base64
import hashlib
import os
from html import escape
from pathlib import Path

from tl_keras.errors import InputError
from tl_keras.evaluation.report_style import STYLE


def html_page(title: str, about: str, body: str, style: str = "", script: str = "") -> str:
    """A whole page, which tells the browser to load nothing and to run no other script.

    Args:
        title: Of the window, and the heading; plain text.
        about: HTML below the heading.
        body: HTML of the sections.
        style: CSS beside that of all pages.
        script: JavaScript of our own, without which the page can be read as well.

    Returns:
        HTML.

    Example:
        >>> html_page("a < b", "<p>Two.</p>", "").count("a &lt; b")
        2
    """
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
    if script:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
        policy += f"; script-src 'sha256-{digest}'"
    run = f"<script>{script}</script>\n" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>
{STYLE}{style}</style>
</head>
<body>
<main>
<header>
<h1>{escape(title)}</h1>
{about}
</header>
{body}
</main>
{run}</body>
</html>
"""


def save_page(path: str | os.PathLike, page: str) -> Path:
    """Write a page where a user asked for it.

    Args:
        path: The file; one that is there is written over.
        page: Of :func:`html_page`.

    Returns:
        The path.

    Raises:
        InputError: The file cannot be written.

    Example:
        >>> save_page("/tmp/page.html", html_page("a", "", "")).name
        'page.html'
    """
    target = Path(path)
    try:
        # A name that was never valid text (a stray byte in a file's name) must not stop the page.
        target.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(
            f"the page {target} cannot be written ({error.strerror}); name a file that can"
        ) from None
    return target
