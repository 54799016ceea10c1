"""The images that figures were measured on: their pixels, names and columns, by number."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tl_keras.data.decoding import load_image
from tl_keras.errors import InputError

_FEWEST_VALUES = 2


class MeasuredImages:
    """Images as a report needs them, read one by one when they are asked for.

    Args:
        data: ``Examples``, or arrays: images (N, S, S, 3) 0..255 and targets.
        image_size: Side of the square that the model sees, px.
        resize: How images are brought to it.

    Example:
        >>> images = MeasuredImages((np.zeros((2, 8, 8, 3)), [0, 1]), 8, "crop")
        >>> images.read(1).shape, images.name(1), images.columns()
        ((8, 8, 3), 'image 1', {})
    """

    def __init__(self, data: Any, image_size: int, resize: str) -> None:
        self._data, self._image_size, self._resize = data, image_size, resize
        self._files = hasattr(data, "paths")

    @property
    def root(self) -> str:
        """The folder or file that the images were read from, or nothing."""
        return self._data.root if self._files else ""

    def read(self, index: int) -> np.ndarray:
        """Pixels as the model saw them, uint8 (S, S, 3).

        Raises:
            InputError: The file is not there any more, or has been damaged.
        """
        if self._files:
            return load_image(self._data.paths[index], self._image_size, self._resize)
        return np.asarray(self._data[0][index]).clip(0, 255).astype("uint8")

    def there(self, index: int) -> bool:
        """Whether the image can still be read."""
        try:
            self.read(index)
        except (InputError, OSError):
            return False
        return True

    def name(self, index: int) -> str:
        """The file as seen from :attr:`root`, or the number in an array."""
        if not self._files:
            return f"image {index}"
        path = Path(self._data.paths[index])
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else path.name

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What else the table says of each image, such as its patient: name to a text an image.

        Columns that say the same of all images are left out; empty cells are empty texts.
        """
        if not self._files:
            return {}
        found = dict(self._data.extra)
        if self._data.groups is not None:
            found = {"group": tuple(one or "" for one in self._data.groups), **found}
        return {
            name: tuple(cells) for name, cells in found.items() if len(set(cells)) >= _FEWEST_VALUES
        }


class Illustrations(NamedTuple):
    """Sections of a report that show images.

    Attributes:
        sections: Title to HTML.
        style: CSS that they need.
    """

    sections: dict[str, str]
    style: str = ""
