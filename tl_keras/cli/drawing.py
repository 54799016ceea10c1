"""Pictures of what a model says of images, and of masks the numbers themselves, into a folder."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


class Drawing:
    """A folder that pictures are written to.

    Args:
        folder: To be made.
        predictor: Whose predictions are drawn.
    """

    def __init__(self, folder: Path, predictor: Any):
        self._folder, self._predictor = folder, predictor
        self._taken: set[str] = set()
        self.count = 0

    def add(self, path: str, placed: Any, answer: Any) -> None:
        """Write the picture of one image, and its mask where there is one.

        Args:
            path: Of the image.
            placed: Its prediction, of ``predictor.placed``.
            answer: The same in words.

        Raises:
            InputError: The task has nothing to draw.
        """
        picture = self._predictor.picture(path, placed)
        self._folder.mkdir(exist_ok=True)
        name = free_name(Path(path).stem, self._taken)
        Image.fromarray(picture).save(self._folder / f"{name}.jpg", quality=90)
        mask = getattr(answer, "classes", getattr(answer, "ids", None))
        if isinstance(mask, np.ndarray):
            # PNG holds at most 16 bits a pixel.
            kind = "uint8" if mask.max(initial=0) < 256 else "uint16"
            Image.fromarray(mask.astype(kind)).save(self._folder / f"{name}.mask.png")
        self.count += 1


def free_name(stem: str, taken: set[str]) -> str:
    """A name that no other image of another folder has taken; it is taken then.

    Example:
        >>> taken = set()
        >>> free_name("1", taken), free_name("1", taken)
        ('1', '1-2')
    """
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name
