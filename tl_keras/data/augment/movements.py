"""Operations that move an image, its boxes and its mask."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tl_keras.data.augment import geometry
from tl_keras.data.augment.change import Change

Range = tuple[float, float]


@dataclass(frozen=True)
class Crop:
    """Enlarges a window of the image to the whole (Szegedy et al. 2015, arXiv:1409.4842).

    Nothing has to be invented at the edges.

    Attributes:
        area: The window's share of the area, drawn evenly.
        aspect: Its width to height in units of the image's, drawn evenly on a logarithmic scale;
            a window that would stick out is cut to the image.
    """

    area: Range
    aspect: Range = (1.0, 1.0)

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add the window's matrix."""
        area = random.uniform(*self.area)
        aspect = math.exp(random.uniform(*np.log(self.aspect)))
        width = min(1.0, math.sqrt(area * aspect)) * change.width
        height = min(1.0, math.sqrt(area / aspect)) * change.height
        left = random.uniform(0.0, 1.0) * (change.width - width)
        top = random.uniform(0.0, 1.0) * (change.height - height)
        change.move(
            geometry.window(left, top, left + width, top + height, change.height, change.width)
        )


@dataclass(frozen=True)
class Flip:
    """Mirrors.

    Attributes:
        left_right: How often left and right change places, 0..1.
        up_down: How often top and bottom do, 0..1.
    """

    left_right: float = 0.5
    up_down: float = 0.0

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add the mirror, or nothing."""
        across, down = random.random(2) < (self.left_right, self.up_down)
        if across:
            change.move(geometry.shifted(change.width, 0) @ geometry.scaled(-1, 1))
        if down:
            change.move(geometry.shifted(0, change.height) @ geometry.scaled(1, -1))


@dataclass(frozen=True)
class QuarterTurn:
    """Turns by 0, 90, 180 or 270 degrees; an image that is not square by 0 or 180."""

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add the turn."""
        turns = int(random.integers(4))
        if change.height != change.width:
            turns -= turns % 2
        if turns:
            turn = geometry.rotated(90 * turns)
            change.move(geometry.about_centre(turn, change.height, change.width))


@dataclass(frozen=True)
class Affine:
    """Rotates, zooms, shears and shifts about the centre.

    Attributes:
        rotate: Up to so many degrees either way.
        zoom: Factor, drawn evenly.
        shear: Up to so many degrees either way, horizontally.
        across: Shifts left or right by up to this share of the width.
        down: Shifts up or down by up to this share of the height.
    """

    rotate: float = 0.0
    zoom: Range = (1.0, 1.0)
    shear: float = 0.0
    across: float = 0.0
    down: float = 0.0

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add one matrix of all four."""
        degrees = random.uniform(-self.rotate, self.rotate)
        factor = random.uniform(*self.zoom)
        slant = math.tan(math.radians(random.uniform(-self.shear, self.shear)))
        x = random.uniform(-self.across, self.across) * change.width
        y = random.uniform(-self.down, self.down) * change.height
        linear = geometry.rotated(degrees) @ geometry.sheared(slant, 0)
        linear = linear @ geometry.scaled(factor, factor)
        centred = geometry.about_centre(linear, change.height, change.width)
        change.move(geometry.shifted(x, y) @ centred)


@dataclass(frozen=True)
class Perspective:
    """Moves the four corners apart from each other, as a page held at a slant.

    Attributes:
        share: Each corner moves by up to this share of width and height, below 0.25 so that the
            corners stay in order.
    """

    share: float

    def draw(self, random: np.random.Generator, change: Change) -> None:
        """Add the matrix that takes the corners there."""
        size = np.array([change.width, change.height])
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
        moved = corners + random.uniform(-self.share, self.share, (4, 2)) * size
        change.move(cv2.getPerspectiveTransform(corners.astype("float32"), moved.astype("float32")))
