"""One door for all data: find out what a source is, say so, and read it."""

from typing import Any

from tl_keras.data.examples import Examples
from tl_keras.data.folders import from_folder


def open_data(
    source: Any,
    *,
    format: str | None = None,
    strict: bool = False,
    progress: bool = True,
    **options: Any,
) -> Examples:
    """Reads data of any kind that tl_keras knows: what every command's DATA goes through.

    Args:
        source: a folder, a file, an archive, the URL of one, a data set object, arrays, or a table.
        format: what it is, where that is not to be found out.
        strict: raise instead of leaving a file out.
        progress: say on standard error what it was taken for, and show bars.
        **options: of the reader of that format.

    Returns:
        The table.

    Raises:
        InputError: it cannot be read, or cannot be told what it is.

    Example:
        >>> open_data("photos/")  # doctest: +SKIP
    """
    if isinstance(source, Examples):
        return source
    return from_folder(source, strict=strict, progress=progress, **options)
