"""Catalogues as they lie on disks: pictures to be found, whatever is or is not known of them."""

from pathlib import Path
from typing import Any

from tl_keras.data.copies import Listed
from tl_keras.data.examples import Examples, Skipped
from tl_keras.data.files import assemble
from tl_keras.data.reading.formats import recognise
from tl_keras.data.reading.opening import open_data
from tl_keras.data.reading.tables import from_csv
from tl_keras.data.walking import walk
from tl_keras.errors import InputError


def read_catalogue(source: Any, *, format: str | None = None, progress: bool = True) -> Examples:
    """Reads all pictures of a catalogue.

    Unlike data to train on, a catalogue needs no classes, and nothing is left out because of
    them: neither pictures without one nor copies that bear different ones.

    * A folder: every picture below it.  Where they lie in folders, the first one below the root
      is the column ``label``.
    * A table (CSV, TSV, Parquet), or a folder that holds one: its rows; all its columns become
      columns of the catalogue.
    * Anything else that :func:`tl_keras.data.open_data` reads.

    Args:
        source: Folder, file, archive, URL or ``Examples``, which are returned as they are.
        format: As of ``open_data``.
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
        return _below(Path(found.source), progress)
    return open_data(source, format=format, progress=progress)


def _below(root: Path, progress: bool) -> Examples:
    skipped: list[Skipped] = []
    files = walk(root, skipped)
    if not files:
        raise InputError(f"{root} is empty; give a folder of images, or a table of them")
    first = [Path(file).relative_to(root).parts for file in files]
    labels = [parts[0] if len(parts) > 1 else "" for parts in first]
    return assemble(
        [Listed(file) for file in files],
        root=str(root),
        extra={"label": labels} if any(labels) else None,
        skipped=skipped,
        progress=progress,
    )
