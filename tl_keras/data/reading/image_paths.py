"""From what a table or annotation calls a picture to the file it means."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from tl_keras.data.walking import IMAGE_SUFFIXES, is_folder

#: Names that people give to the folder of pictures beside a table or annotation.
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "photos", "JPEGImages", "Images")


class ImageFinder:
    """Finds pictures by relative path, or by name without ending (an id), in some folders.

    Args:
        roots: folders, the likeliest first.

    Example:
        >>> ImageFinder(["photos"]).find("1.jpg")
        'photos/1.jpg'
    """

    def __init__(self, roots: Sequence[str | os.PathLike]) -> None:
        self._roots = [os.fspath(root) for root in roots]
        self._stems: dict[str, dict[str, str | None]] = {}

    def find(self, name: str) -> str:
        """The file that a name means.

        Args:
            name: an absolute path, or one relative to one of the folders, with or without its
                ending, in any Unicode form and with slashes of either kind.

        Returns:
            The first file found, else the path at which it was expected.
        """
        expected = os.path.join(self._roots[0], name)  # noqa: PTH118 (a Path costs ten times more)
        for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
            for root in self._roots:
                path = os.path.join(root, spelling)  # noqa: PTH118
                if _is_file(path):
                    return path
            for root in self._roots:
                folder, own = os.path.split(os.path.join(root, spelling))  # noqa: PTH118
                found = self._stem(folder).get(unicodedata.normalize("NFC", own))
                if found:
                    return found
        return expected

    def _stem(self, folder: str) -> dict[str, str | None]:
        """Pictures of a folder by name in Unicode's NFC, and by name without ending if unique."""
        if folder not in self._stems:
            known: dict[str, str | None] = {}
            try:
                names = sorted(os.listdir(folder)) if is_folder(folder) else []  # noqa: PTH208
            except OSError:
                names = []
            for name in names:
                stem, suffix = os.path.splitext(unicodedata.normalize("NFC", name))  # noqa: PTH122
                path = os.path.join(folder, name)  # noqa: PTH118
                if suffix.lower() in IMAGE_SUFFIXES:
                    known[stem] = None if stem in known else path
                known.setdefault(stem + suffix, path)
            self._stems[folder] = known
        return self._stems[folder]


def _is_file(path: str) -> bool:
    try:
        return os.path.isfile(path)  # noqa: PTH113 (a Path costs ten times more)
    except ValueError:  # a NUL in the name
        return False


def folders_beside(file: str | os.PathLike) -> list[str]:
    """Where the pictures of a table or annotation usually lie.

    Args:
        file: the table or annotation.

    Returns:
        Its own folder, the usual ones in it, then the same one level up; those that exist.

    Example:
        >>> folders_beside("no/such/table.csv")[0]
        'no/such'
    """
    own = Path(file).parent
    inner = [root / name for root in (own, own.parent) for name in IMAGE_FOLDERS]
    inner.insert(len(IMAGE_FOLDERS), own.parent)
    return [str(own), *(str(folder) for folder in inner if is_folder(folder))]
