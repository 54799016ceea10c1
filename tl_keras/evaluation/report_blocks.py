"""Pieces of HTML that reports are put together from: cards, bars, tables, pictures."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any

import numpy as np

from tl_keras.evaluation.plots import DARK, LIGHT

_PREVIEW_SIDE = 160  # px
_MOST_PAIRS = 12
_LONG = 12  # rows; a longer table scrolls in a frame, its heads staying in sight
_QUALITY = 78  # of WebP: no block is seen in a photograph
_PAIR_SIDE = 760  # px: the width of two panels of drawing.PANEL_SIDE
_MOST_SKIPPED = 200  # rows shown; the count is always complete


def share(value: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def _interval(entry: Mapping[str, Any]) -> str:
    if entry["low"] is None:
        return "not measurable"
    return f"{100 * entry['low']:.1f} to {100 * entry['high']:.1f}"


def section(title: str, body: str) -> str:
    """A section of the page, unless it is empty."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return str(value)


def facts(entries: Mapping[str, Any]) -> str:
    """A list of names and what they stand for."""
    rows = (
        f"<dt>{escape(str(key))}</dt><dd>{escape(_text(value))}</dd>"
        for key, value in entries.items()
    )
    return f"<dl>{''.join(rows)}</dl>" if entries else ""


def cards(headline: Mapping[str, Any]) -> str:
    """A card for each figure.

    Args:
        headline: Name to figure ``{"value", "low", "high"}``, 0..1.
    """
    shown = [
        f'<div class="card"><span class="name">{escape(_capital(name))}</span>'
        f"<strong>{share(entry['value'])}</strong>"
        f'<span class="interval">95 %: {_interval(entry)}</span></div>'
        for name, entry in headline.items()
    ]
    return f'<div class="cards">{"".join(shown)}</div>'


def bars(compared: Mapping[str, Any]) -> str:
    """A bar for each figure, the first being the model's own.

    Args:
        compared: Name to figure, or to a number without an interval, 0..1.
    """
    rows = []
    for k, (name, entry) in enumerate(compared.items()):
        given = (
            entry if isinstance(entry, Mapping) else dict.fromkeys(("value", "low", "high"), entry)
        )
        if given["value"] is None:
            rows.append(
                f'<div class="bar"><span>{escape(name)}</span><span></span><span>–</span></div>'
            )
            continue
        low, high = (
            100 * (given["value"] if given[key] is None else given[key]) for key in ("low", "high")
        )
        rows.append(
            f'<div class="bar{" own" if k == 0 else ""}"><span>{escape(name)}</span>'
            f'<div class="track"><i style="width:{100 * given["value"]:.2f}%"></i>'
            f'<b style="left:{low:.2f}%;width:{high - low:.2f}%"></b></div>'
            f"<span>{share(given['value'])}</span></div>"
        )
    return "".join(rows)


def count_bars(rows: Sequence[tuple[str, int, str]]) -> str:
    """A bar for each count, with a sentence below.

    Args:
        rows: Name, count, and what it means and asks for.
    """
    most = max([1, *(count for _, count, _ in rows)])
    return "".join(
        f'<div class="bar counted"><span>{escape(name)}</span>'
        f'<div class="track"><i style="width:{100 * count / most:.2f}%"></i></div>'
        f"<span>{count:,}</span><p>{escape(said)}</p></div>"
        for name, count, said in rows
    )


def figures_table(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], first: str,
    notes: Sequence[str] = (),
) -> str:  # fmt: skip
    """A table of figures, a row per class or tag.

    Args:
        rows: Mappings with ``name`` and the columns' keys: figures (shares), whole numbers,
            numbers, or two texts, the second to be shown small below the first.
        columns: Heading to key.
        first: Heading of the names.
        notes: Sentences below.
    """
    head = "".join(f"<th>{escape(title)}</th>" for title in (first, *columns))
    body = []
    for row in rows:
        cells = "".join(f"<td>{_cell(row[key])}</td>" for key in columns.values())
        body.append(f'<tr><th scope="row">{escape(row["name"])}</th>{cells}</tr>')
    said = "".join(f"<p>{escape(note)}</p>" for note in notes)
    kind = "wide tall" if len(body) > _LONG else "wide"
    return (
        f'<div class="{kind}"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>{said}"
    )


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{share(value['value'])}<small>{_interval(value)}</small>"
    if isinstance(value, tuple):
        return f"{escape(value[0])}<small>{escape(value[1])}</small>"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def picture(draw: Callable[..., bytes], subject: Any, description: str) -> str:
    """A drawing in the colours of the reader's system.

    Args:
        draw: From (subject, theme) to a PNG file's bytes.
        subject: What it draws.
        description: For those who do not see it.
    """
    light, dark = (
        f"data:image/png;base64,{base64.b64encode(draw(subject, theme)).decode('ascii')}"
        for theme in (LIGHT, DARK)
    )
    # Not <picture>: browsers print the picture that they showed, dark as it may be.
    return (
        f'<div class="wide plot"><img class="light" src="{light}" alt="{escape(description)}">'
        f'<img class="dark" src="{dark}" alt="{escape(description)}"></div>'
    )


def thumbnail(image: np.ndarray, caption: str, side: int = _PREVIEW_SIDE, kind: str = "") -> str:
    """A picture of uint8 (H, W, 3) made small, with its caption.

    Args:
        image: The picture.
        caption: Text below.
        side: Longest side, px; smaller pictures stay as they are.
        kind: Class of the style sheet, for its frame.
    """
    text = escape(caption)
    framed = f' class="{kind}"' if kind else ""
    return (
        f'<figure{framed}><img src="{image_data(image, side)}" alt="{text}" decoding="async">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def gallery(pictures: Iterable[tuple[np.ndarray, str]], note: str = "") -> str:
    """Wide pictures with their captions, two in a row on a desktop, one on a phone.

    Args:
        pictures: uint8 (H, W, 3) and its text each, such as truth beside prediction, the worst
            first; the first twelve are shown, no more are drawn, about 80 kB
            each.
        note: A sentence above.

    Example:
        >>> gallery([(np.zeros((8, 16, 3), np.uint8), "2 missed")]).count("<figure>")
        1
    """
    shown = "".join(thumbnail(*pair, _PAIR_SIDE) for pair in islice(pictures, _MOST_PAIRS))
    said = f"<p>{escape(note)}</p>" if note else ""
    return f'{said}<div class="gallery pairs">{shown}</div>' if shown else ""


def image_data(image: np.ndarray, side: int) -> str:
    """A picture made small, as an address that holds its WebP file.

    Args:
        image: uint8 (H, W, 3).
        side: Longest side, px; smaller pictures stay as they are.

    Example:
        >>> image_data(np.zeros((8, 8, 3), np.uint8), 4)[:23]
        'data:image/webp;base64,'
    """
    from PIL import Image

    picture = Image.fromarray(np.asarray(image, dtype=np.uint8)).convert("RGB")
    picture.thumbnail((side, side))
    buffer = io.BytesIO()
    picture.save(buffer, format="WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def skipped_list(skipped: Sequence[tuple[str, str]]) -> str:
    """The files that were left out, and why."""
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


def reproduction(reproduce: Mapping[str, Any]) -> str:
    """The command, and what else it takes to do it again."""
    rest = {key: value for key, value in reproduce.items() if key != "command"}
    command = reproduce.get("command")
    block = f"<pre><code>{escape(str(command))}</code></pre>" if command else ""
    return block + facts(rest)
