"""What was drawn for one image: one movement, whatever it is made of, then paint in order."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from tl_keras.data.augment.geometry import move_boxes, move_image, move_mask
from tl_keras.data.augment.sample import Sample

Paint = Callable[[np.ndarray], np.ndarray]


class Operation(Protocol):
    """A named step with its ranges; the presets are lists of them."""

    def draw(self, random: np.random.Generator, change: "Change") -> None:
        """Draw from the ranges, and add a movement or a paint to the change."""


@dataclass
class Change:
    """Collects what operations draw, then carries it out.

    Movements are multiplied into one matrix, so that pixels are resampled once however many there
    are, and image, boxes and mask cannot part.  Paint changes the values of the image alone, after
    the movement.

    Attributes:
        height: Of the image, px.
        width: Of the image, px.
        matrix: float64 (3, 3), see :mod:`tl_keras.data.augment.geometry`.
        paints: Functions from uint8 (H, W, 3) to a new array of the same kind.

    Example:
        >>> change = Change(2, 2)
        >>> change.move(np.array([[-1.0, 0, 2], [0, 1, 0], [0, 0, 1]]))
        >>> change.image(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))[0].tolist()
        [[3, 4, 5], [0, 1, 2]]
    """

    height: int
    width: int
    matrix: np.ndarray = field(default_factory=lambda: np.eye(3))
    paints: list[Paint] = field(default_factory=list)

    def move(self, matrix: np.ndarray) -> None:
        """Add a movement behind those that are there."""
        self.matrix = matrix @ self.matrix

    def paint(self, function: Paint) -> None:
        """Add a paint behind those that are there."""
        self.paints.append(function)

    def image(self, image: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """The changed image.

        Args:
            image: uint8 (height, width, 3); not written to.
            out: uint8 (height, width, 3), other memory, to write to; by default a new one.

        Returns:
            ``out``.
        """
        if out is None:
            out = np.empty_like(image)
        if (self.matrix == np.eye(3)).all():
            out[:] = image
        else:
            move_image(image, self.matrix, out)
        if self.paints:
            painted = out
            for paint in self.paints:
                painted = paint(painted)
            out[:] = painted
        return out

    def sample(self, sample: Sample, keep: float = 0.25) -> tuple[Sample, np.ndarray]:
        """The changed image with its boxes and mask.

        Args:
            sample: Of this height and width.
            keep: Share of a box's area that has to be left, see
                :func:`tl_keras.data.augment.geometry.move_boxes`.

        Returns:
            The new sample, and int64: which boxes are left.
        """
        boxes, kept = sample.boxes, np.zeros(0, "int64")
        if boxes is not None:
            boxes, kept = move_boxes(boxes, self.matrix, self.height, self.width, keep)
        mask = None if sample.mask is None else move_mask(sample.mask, self.matrix)
        return replace(sample, image=self.image(sample.image), boxes=boxes, mask=mask), kept
