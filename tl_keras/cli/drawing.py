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
        name = self._name(Path(path).stem)
        Image.fromarray(picture).save(self._folder / f"{name}.jpg", quality=90)
        mask = getattr(answer, "classes", getattr(answer, "ids", None))
        if isinstance(mask, np.ndarray):
            # PNG holds at most 16 bits a pixel.
            kind = "uint8" if mask.max(initial=0) < 256 else "uint16"
            Image.fromarray(mask.astype(kind)).save(self._folder / f"{name}.mask.png")
        self.count += 1

    def _name(self, stem: str) -> str:
        """A name that no other image of another folder has taken."""
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name)
        return name
