"""A way in which a folder can be read, and the glances that tell."""

from collections.abc import Collection, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tl_keras.data.walking import IMAGE_SUFFIXES

_LOOKED_AT = 2000  # names within a folder


class Layout(NamedTuple):
    """A way in which a folder can be read.

    Attributes:
        format: as :func:`tl_keras.data.open_data` calls it.
        why: what speaks for it.
        source: what the reader of that format takes: a path, or paths by part.
        options: of the reader.

    Example:
        >>> Layout("csv", "a table, styles.csv", Path("styles.csv")).format
        'csv'
    """

    format: str
    why: str
    source: Path | Mapping[str | None, Path]
    options: Mapping[str, Any] = {}


def holds(folder: Path, suffixes: Collection[str], deep: bool = False) -> bool:
    """Whether a folder holds a file of that ending, among the first thousands of names.

    Args:
        folder: the folder.
        suffixes: endings, in lower case.
        deep: look into folders as well; links are not followed.

    Example:
        >>> holds(Path("no/such"), (".xml",))
        False
    """
    try:
        found = folder.rglob("*") if deep else folder.iterdir()
        return any(file.suffix.lower() in suffixes for file in islice(found, _LOOKED_AT))
    except OSError:
        return False


def has_images(folder: Path) -> bool:
    """Whether a folder holds a file called like an image, however deep.

    Args:
        folder: the folder.

    Example:
        >>> has_images(Path("no/such"))
        False
    """
    return holds(folder, IMAGE_SUFFIXES, deep=True)
