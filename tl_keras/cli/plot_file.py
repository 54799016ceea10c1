"""A file that a picture is to be drawn to."""

from pathlib import Path

from tl_keras.errors import InputError


def plot_file(text: str | None, such_as: str) -> Path | None:
    """The file of ``--plot``, found writable before anything is computed.

    Args:
        text: What was given; None where nothing was.
        such_as: A name to suggest.

    Raises:
        InputError: It cannot be written.
    """
    if text is None:
        return None
    path = Path(text)
    if path.suffix.lower() != ".png" and not path.is_dir():
        raise InputError(f"--plot {path} is no .png file; name one, such as {such_as}")
    try:
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
        if not path.stat().st_size:
            path.unlink()
    except OSError as error:
        raise InputError(
            f"--plot cannot be written: {error}; name a file such as {such_as}"
        ) from None
    return path
