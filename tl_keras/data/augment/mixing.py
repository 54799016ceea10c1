"""Two images in one, with a target that says how much of each: MixUp and CutMix.

Keras' own layers mix within a batch, so that an image depends on what it happens to be batched
with: another batch size, gradients taken in parts, or several devices, and it is another image.
Here the partner is drawn from the whole table by (seed, epoch, index).  The price is that two
images are read for each (``cache="memory"`` takes most of it back).
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

# Zhang et al. 2018 find 0.1 to 0.4 best on ImageNet; Yun et al. 2019 use 1, an even draw.
_ALPHA = {"mixup": 0.2, "cutmix": 1.0}

KINDS = tuple(_ALPHA)


class Mix(NamedTuple):
    """What was drawn for one example.

    Attributes:
        partner: Position in the table of the other example.
        share: What the image's own target counts, 0..1; the partner's counts the rest.
        window: ``left, top, right, bottom`` of the rectangle that shows the partner, px; None
            where the images are laid over each other.
    """

    partner: int
    share: float
    window: tuple[int, int, int, int] | None

    def images(self, own: np.ndarray, other: np.ndarray) -> None:
        """Mix the partner into ``own``, in place; both uint8 (S, S, 3)."""
        if self.window is None:
            cv2.addWeighted(own, self.share, other, 1 - self.share, 0, own)
        else:
            left, top, right, bottom = self.window
            own[top:bottom, left:right] = other[top:bottom, left:right]

    def targets(self, own: np.ndarray, other: np.ndarray) -> np.ndarray:
        """The mixed target of two rows, float32 (K,); -1, not known, where one of them is."""
        mixed = self.share * own + (1 - self.share) * other
        return np.where((own < 0) | (other < 0), -1, mixed).astype("float32")


@dataclass(frozen=True)
class Mixing:
    """Draws partners and shares.

    ``"mixup"`` lays one image over the other (Zhang et al. 2018, arXiv:1710.09412); ``"cutmix"``
    cuts a rectangle of one out and puts it into the other (Yun et al. 2019, arXiv:1905.04899).

    Attributes:
        kinds: One or both; of both, each image is drawn one, evenly.
    """

    kinds: tuple[str, ...]

    def draw(self, random: np.random.Generator, count: int, size: int) -> Mix:
        """What one example is mixed with.

        Args:
            random: Where the draws come from.
            count: Examples of the table.
            size: Side of the images, px.
        """
        partner = int(random.integers(count))
        kind = self.kinds[int(random.integers(len(self.kinds)))]
        share = float(random.beta(_ALPHA[kind], _ALPHA[kind]))
        if kind == "mixup":
            # Beta is even-handed, and so is the draw of partners: nothing changes by it but that
            # every image comes once an epoch, as the stronger one.
            return Mix(partner, max(share, 1 - share), None)
        half = size * math.sqrt(1 - share) / 2
        x, y = random.uniform(0, size, 2)
        edges = np.rint(np.clip([x - half, y - half, x + half, y + half], 0, size))
        left, top, right, bottom = map(int, edges)
        # The rectangle may stick out: what counts is what is seen.
        share = 1 - (right - left) * (bottom - top) / size**2
        return Mix(partner, share, (left, top, right, bottom))
