"""The page with pictures that a command writes beside what it prints."""

import argparse
from pathlib import Path

from tl_keras.errors import InputError


def add_page(parser: argparse.ArgumentParser, command: str) -> None:
    """``--html``."""
    parser.add_argument(
        "--html",
        metavar="PAGE",
        help=f"where the page with the pictures goes (default: {command}-NAME.html in this folder; "
        "none under --json)",
    )


def page_file(options: argparse.Namespace, data: str) -> Path | None:
    """The page to write, found writable before anything is computed.

    Args:
        options: Parsed, with ``command``, ``html`` and ``json``.
        data: What it is of; names the page where nobody does.

    Raises:
        InputError: It cannot be written.
    """
    if options.html is None:
        return None if options.json else Path(f"{options.command}-{called(data)}.html")
    page = Path(options.html)
    if page.suffix.lower() not in (".html", ".htm"):
        such_as = f"{options.command}.html"
        raise InputError(f"--html {page} is no .html file; name one, such as {such_as}")
    if not page.parent.is_dir():
        raise InputError(f"--html {page}: there is no folder {page.parent}; make it first")
    return page


def called(data: str) -> str:
    """What a folder, a file or an address is called.

    Example:
        >>> called("photos/"), called("a/b.zip")
        ('photos', 'b')
    """
    return Path(data).resolve().stem or "data"
