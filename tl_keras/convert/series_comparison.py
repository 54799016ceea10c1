"""One series of each class in every kind of picture, side by side, to choose by eye."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tl_keras.convert.series_files import Series
from tl_keras.convert.series_image import KINDS, SeriesImage
from tl_keras.convert.time_series import load_series, usable
from tl_keras.data.naming import natural_key
from tl_keras.errors import InputError

_GAP, _TITLE = 8, 20  # px
_ROWS = 12


def series_sheet(
    source: object,
    path: str | os.PathLike,
    image: SeriesImage | None = None,
    **reading: object,
) -> Path:
    """Draws a sheet: a row for the first series of each class, a column for each kind.

    Args:
        source: as for :func:`tl_keras.convert.series`.
        path: the picture to write, such as ``sheet.png``.
        image: size and scaling; its ``method`` does not matter.
        **reading: ``labels``, ``names``, ``columns``, as for :func:`tl_keras.convert.series`.

    Returns:
        The picture's path.

    Raises:
        InputError: there is no usable series, or the path cannot be written.

    Example:
        >>> tl.convert.series_sheet("GunPoint/", "sheet.png")  # doctest: +SKIP
    """
    image = image or SeriesImage()
    found, image = usable(load_series(source, **reading), image)
    rows: dict[str, Series] = {}
    for one in found:
        if isinstance(one, Series):
            rows.setdefault(one.label or "", one)
    if not rows:
        reason = f": {found[0].path}: {found[0].reason}" if found else ""
        raise InputError(f"no series that can be drawn{reason}")
    kinds = [kind for kind in KINDS if not (kind == "gaf-mtf" and image.channels == "rgb")]
    shown = sorted(rows, key=natural_key)[:_ROWS]
    step = image.size + _GAP
    sheet = Image.new("RGB", (len(kinds) * step + _GAP, len(shown) * (step + _TITLE)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for down, label in enumerate(shown):
        values = _first_piece(rows[label], image)
        for across, kind in enumerate(kinds):
            left, top = _GAP + across * step, down * (step + _TITLE)
            draw.text((left, top + 1), f"{kind}  {label}"[: image.size // 8], "black", font)
            pixels = replace(image, method=kind).render(values)
            sheet.paste(Image.fromarray(pixels).convert("RGB"), (left, top + _TITLE))
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(target, "PNG")
    except OSError as error:
        raise InputError(
            f"{target} cannot be written: {error.strerror}; name a file such as sheet.png"
        ) from None
    return target


def _first_piece(one: Series, image: SeriesImage) -> np.ndarray:
    return one.values[: image.window]
