"""The page of a check: every finding with its pictures, so that a person can decide."""

import base64
import io
import os
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from tl_keras.data.checking.findings import KINDS, SEVERITIES, Finding
from tl_keras.data.decoding import UnreadableImageError, decode, open_regular
from tl_keras.evaluation.html_page import html_page, save_page

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

_SIDE = 160  # px of a thumbnail's longer side
# Bounds of the page: about 6 kB a picture, 3 MB in all; the counts are always complete.
_FINDINGS, _FILES, _PICTURES = 48, 6, 480

_STYLE = """\
.tag {
  padding: .1rem .5rem; border-radius: 99px; font-size: .78rem; font-weight: 500; color: #fff;
}
.error { background: #c2332b; } .warning { background: #9a6700; } .note { background: #5d6875; }
summary { cursor: pointer; font-size: 1.1rem; font-weight: 600; }
.findings {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: 1rem; margin-top: .9rem;
}
article { border-top: 1px solid var(--line); padding-top: .6rem; min-width: 0; }
article p { font-size: .9rem; color: var(--ink); overflow-wrap: anywhere; }
.pictures { display: flex; flex-wrap: wrap; gap: .6rem; }
.pictures figure { width: 7.5rem; }
.pictures figure:only-child { width: 10rem; }
.pictures img { width: auto; max-width: 100%; max-height: 10rem; }
.counts { list-style: none; margin: .8rem 0 0; padding: 0; }
.counts li { display: flex; gap: .6rem; align-items: baseline; padding: .15rem 0; }
.counts b { min-width: 3.2rem; text-align: right; font-variant-numeric: tabular-nums; }
.counts a { color: inherit; }
"""


def write_check_page(
    path: str | os.PathLike, findings: Sequence[Finding], examples: "Examples", *, title: str
) -> Path:
    """Writes the findings with thumbnails: one HTML file, no script, light or dark, fit for phones.

    Of each kind the worst 48 are shown, of each finding the first 6 files, and 480 pictures in all,
    about 3 MB; where there are more, the page says so.

    Args:
        path: File to write; one that is there is replaced.
        findings: Of ``tl_keras.data.check``.
        examples: The table that was checked, for classes, parts and boxes.
        title: Heading.

    Returns:
        The path.

    Raises:
        InputError: The file cannot be written.

    Example:
        >>> write_check_page("check.html", findings, examples, title="photos")  # doctest: +SKIP
    """
    counts = Counter(finding.kind for finding in findings)
    pictures = _Pictures(examples)
    sections = "".join(
        _section(kind, [one for one in findings if one.kind == kind], pictures)
        for kind in KINDS
        if counts[kind]
    )
    about = (
        f"<p>{len(examples):,} pictures, {len(examples.class_names):,} classes. "
        f"{_verdict(findings)}\nNo file was changed.</p>\n{_overview(counts)}"
    )
    page = html_page(title, about, sections, _STYLE)
    return save_page(path, page)


class _Pictures:
    """Thumbnails with captions, until there are enough."""

    def __init__(self, examples: "Examples") -> None:
        self._examples = examples
        self._rows = {path: row for row, path in enumerate(examples.paths)}
        self._left = _PICTURES

    def name(self, path: str) -> str:
        """The path as seen from the root of the data."""
        try:
            return str(Path(path).relative_to(self._examples.root))
        except ValueError:
            return path

    def figure(self, path: str, boxed: bool) -> str:
        """A thumbnail, or the name alone where there is no picture, or none is left."""
        row = self._rows.get(path)
        facts = []
        if row is not None:
            label = self._examples.labels[row]
            facts = [self._examples.class_names[label]] if label >= 0 else []
            facts += [part for part in (self._examples.splits[row],) if part]
        caption = f"{escape(self.name(path))}<br>{escape(', '.join(facts))}"
        shown = ""
        if self._left > 0:
            data = _thumbnail(path, self._boxes(row) if boxed else ())
            if data:
                self._left -= 1
                shown = f'<img src="data:image/jpeg;base64,{data}" alt="{escape(path)}">'
        return f"<figure>{shown}<figcaption>{caption}</figcaption></figure>"

    def _boxes(self, row: int | None) -> Sequence[Sequence[float]]:
        if row is None or self._examples.boxes is None:
            return ()
        return self._examples.boxes[row].xyxy.tolist()


def _thumbnail(path: str, boxes: Sequence[Sequence[float]]) -> str:
    try:
        with open_regular(path) as file:
            pixels = decode(file, path, at_least=None if boxes else _SIDE)
    except (UnreadableImageError, OSError):
        return ""
    picture = Image.fromarray(pixels)
    width = picture.width
    picture.thumbnail((_SIDE, _SIDE))
    draw = ImageDraw.Draw(picture)
    scale = picture.width / width
    for corners in boxes:
        x1, y1, x2, y2 = (max(-1e4, min(1e4, value * scale)) for value in corners)
        if x1 <= x2 and y1 <= y2:  # not so for one that is turned over, or no number
            draw.rectangle((x1, y1, x2, y2), outline=(230, 40, 40), width=2)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=80)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _verdict(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    if not findings:
        return "Nothing was found."
    words = [
        f"{counts[name]:,} {name}{'s' if counts[name] != 1 else ''}"
        for name in SEVERITIES
        if counts[name]
    ]
    return f"Found: {', '.join(words)}."


def _overview(counts: Counter) -> str:
    rows = "".join(
        f'<li><b>{counts[kind]:,}</b><span class="tag {about.severity}">{about.severity}</span>'
        f'<a href="#{kind}">{escape(about.title)}</a></li>'
        for kind, about in KINDS.items()
        if counts[kind]
    )
    return f'<ul class="counts">{rows}</ul>' if rows else ""


def _section(kind: str, findings: Sequence[Finding], pictures: _Pictures) -> str:
    about = KINDS[kind]
    shown = "".join(_article(finding, pictures) for finding in findings[:_FINDINGS])
    rest = len(findings) - _FINDINGS
    more = f"<p>… and {rest:,} more, less grave.</p>" if rest > 0 else ""
    return (
        f'<section id="{kind}"><details open><summary>{escape(about.title)} '
        f'<span class="tag {about.severity}">{len(findings):,}</span></summary>'
        f"<p>What to do: {escape(about.remedy)}.</p>"
        f'<div class="findings">{shown}</div>{more}</details></section>\n'
    )


def _article(finding: Finding, pictures: _Pictures) -> str:
    boxed = finding.kind.startswith("box_")
    figures = "".join(pictures.figure(path, boxed) for path in finding.paths[:_FILES])
    rest = len(finding.paths) - _FILES
    more = f"<p>… and {rest:,} more files.</p>" if rest > 0 else ""
    return (
        f'<article><div class="pictures">{figures}</div>{more}'
        f"<p>{escape(finding.why)}</p></article>"
    )
