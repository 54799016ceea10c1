"""Images that were named one by one, or by the folder that they lie in."""

from collections.abc import Sequence
from pathlib import Path

from tl_keras.errors import InputError


def image_files(names: Sequence[str]) -> list[str]:
    """Files as given, and of folders all that lies in them.

    Args:
        names: Files, whether they are there or not, and folders.

    Returns:
        Paths; of a folder in alphabetical order, hidden files left out.

    Raises:
        InputError: A folder is empty.

    Example:
        >>> image_files(["new/1.jpg"])
        ['new/1.jpg']
    """
    paths = []
    for name in names:
        if Path(name).is_dir():
            inside = sorted(
                str(path)
                for path in Path(name).rglob("*")
                if path.is_file() and not path.name.startswith(".")
            )
            if not inside:
                raise InputError(f"{name} is an empty folder; give images or a folder of them")
            paths += inside
        else:
            paths.append(name)
    return paths
