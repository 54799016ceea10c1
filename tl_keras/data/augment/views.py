"""Test-time augmentation: the same image seen several ways, and what the model says averaged."""

from dataclasses import dataclass

import numpy as np

from tl_keras.data.augment import geometry


@dataclass(frozen=True)
class View:
    """One fixed way to look at an image; nothing is drawn.

    Attributes:
        mirror: Whether left and right change places.
        turns: Quarter turns clockwise, after the mirror.
        rotate: Degrees clockwise.
        zoom: Factor, 1 or more so that no edge has to be invented: a centre crop.
        across: Shift to the right, share of the width.

    Example:
        >>> View(mirror=True).image(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))[0, 0].tolist()
        [3, 4, 5]
    """

    mirror: bool = False
    turns: int = 0
    rotate: float = 0.0
    zoom: float = 1.0
    across: float = 0.0

    def matrix(self, height: int, width: int) -> np.ndarray:
        """The movement, float64 (3, 3); see :mod:`tl_keras.data.augment.geometry`."""
        linear = geometry.scaled(self.zoom * (-1 if self.mirror else 1), self.zoom)
        linear = geometry.rotated(90 * self.turns + self.rotate) @ linear
        centred = geometry.about_centre(linear, height, width)
        return geometry.shifted(self.across * width, 0) @ centred

    def image(self, image: np.ndarray) -> np.ndarray:
        """The image, uint8 (S, S, 3), seen this way; itself where nothing is changed."""
        if self == View():
            return image
        return geometry.move_image(image, self.matrix(*image.shape[:2]))


AS_IT_IS = (View(),)
MIRRORED = (View(), View(mirror=True))
MIRRORED_AND_CLOSER = (*MIRRORED, View(zoom=1.15), View(mirror=True, zoom=1.15))
ALL_TURNS = tuple(View(mirror, turns) for mirror in (False, True) for turns in range(4))
