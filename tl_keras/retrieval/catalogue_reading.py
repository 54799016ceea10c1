"""Catalogues as they lie on disks: pictures to be found, whatever is or is not known of them."""

import os
from pathlib import Path
from typing import Any

from tl_keras.data.copies import Listed
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import assemble
from tl_keras.data.folders import brought_parts
from tl_keras.data.reading.formats import recognise
from tl_keras.data.reading.opening import open_data
from tl_keras.data.reading.tables import from_csv
from tl_keras.data.walking import walk
from tl_keras.errors import InputError


def read_catalogue(
    source: Any,
    *,
    format: str | None = None,
    apart: str | Path | None = None,
    progress: bool = True,
) -> Examples:
    """Reads all pictures of a catalogue.

    Unlike data to train on, a catalogue needs no classes, and nothing is left out because of
    them: neither pictures without one nor copies that bear different ones.

    * A folder: every picture below it.  Where they lie in folders, the first one below the root
      (below ``train/``, ``val/`` and ``test/`` where there are) is the column ``label``.
    * A table (CSV, TSV, Parquet), or a folder that holds one: its rows; all its columns become
      columns of the catalogue.
    * Anything else that :func:`tl_keras.data.open_data` reads.

    Args:
        source: Folder, file, archive, URL or ``Examples``, which are returned as they are.
        format: As of ``open_data``.
        apart: A folder that is passed over where it lies in the catalogue's: that of the index.
        progress: Whether bars are shown on standard error.

    Returns:
        The table; what cannot be read is in ``skipped``.

    Raises:
        InputError: There is nothing there, or no picture that can be read.

    Example:
        >>> read_catalogue("shop/")  # doctest: +SKIP
        Examples(1998 images, {}, 2 left out)
    """
    if isinstance(source, Examples):
        return source
    found = recognise(source, format)
    if found.format == "csv":
        bare = dict.fromkeys(("label", "tags", "boxes", "group", "split"), False)
        return from_csv(found.source, progress=progress, **bare)
    if found.format == "folder":
        return _below(Path(found.source), apart, progress)
    return open_data(source, format=format, progress=progress)


def _below(root: Path, apart: str | Path | None, progress: bool) -> Examples:
    skipped: list[Skipped] = []
    files = walk(root, skipped)
    if apart is not None:
        inside = f"{os.path.abspath(apart)}{os.sep}"  # noqa: PTH100 (links stay)
        files = [file for file in files if not file.startswith(inside)]
    if not files:
        raise InputError(f"{root} is empty; give a folder of images, or a table of them")
    parts = {folder.name: part for part, folder in brought_parts(root).items()}
    splits, labels = [], []
    for file in files:
        above = Path(file).relative_to(root).parts[:-1]
        split = parts.get(above[0]) if above else None
        above = above[1:] if split else above
        # No Listed.split: of copies in two parts a catalogue keeps both.
        splits.append(split or "")
        labels.append(above[0] if above else "")
    extra = {"label": labels, "split": splits}
    return assemble(
        [Listed(file) for file in files],
        root=str(root),
        extra={name: cells for name, cells in extra.items() if any(cells)},
        skipped=skipped,
        progress=progress,
    )
