"""The presets: lists of operations with their ranges, one for each kind of picture."""

import difflib
from dataclasses import dataclass, replace

import numpy as np

from tl_keras.data.augment.change import Change, Operation
from tl_keras.data.augment.mixing import KINDS, Mixing
from tl_keras.data.augment.movements import Affine, Crop, Flip, Perspective, QuarterTurn
from tl_keras.data.augment.paints import Bands, Blur, Erase, Tone
from tl_keras.data.augment.randaugment import RandAugment
from tl_keras.data.augment.sample import Sample
from tl_keras.data.augment.views import (
    ALL_TURNS,
    AS_IT_IS,
    MIRRORED,
    MIRRORED_AND_CLOSER,
    View,
)
from tl_keras.errors import InputError


@dataclass(frozen=True)
class Preset:
    """An augmentation as data.

    Attributes:
        name: As on the command line.
        summary: One line for a person who chooses.
        operations: Drawn in this order; movements come before paint.
        views: What test-time augmentation of this kind of picture looks at.
        mixing: MixUp or CutMix after it all, or None.

    Example:
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> preset("standard").image(image, np.random.default_rng(0)).shape
        (8, 8, 3)
    """

    name: str
    summary: str
    operations: tuple[Operation, ...] = ()
    views: tuple[View, ...] = AS_IT_IS
    mixing: Mixing | None = None

    def draw(self, random: np.random.Generator, height: int, width: int) -> Change:
        """What one image of this size is to go through."""
        change = Change(height, width)
        for operation in self.operations:
            operation.draw(random, change)
        return change

    def image(
        self, image: np.ndarray, random: np.random.Generator, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Augments one image.

        Args:
            image: uint8 (H, W, 3), 0..255; not written to.
            random: Where the draws come from; the same state, the same result.
            out: uint8 (H, W, 3), other memory, to write to; by default a new one.

        Returns:
            ``out``.
        """
        return self.draw(random, *image.shape[:2]).image(image, out)

    def sample(
        self, sample: Sample, random: np.random.Generator, keep: float = 0.25
    ) -> tuple[Sample, np.ndarray]:
        """Augments one image with its boxes and mask, which follow it.

        Args:
            sample: Image, boxes, mask.
            random: Where the draws come from; for the same state the image is that of
                :meth:`image`.
            keep: A box of which less than this share of the area is left is dropped, 0..1.

        Returns:
            The new sample, and int64: which boxes are left, for their classes to follow.
        """
        return self.draw(random, *sample.size).sample(sample, keep)


PRESETS: dict[str, Preset] = {
    item.name: item
    for item in (
        Preset("none", "images as they are"),
        Preset(
            "light",
            "mirrored, enlarged by up to 1.15, light and contrast ±10 %",
            (Crop(area=(0.76, 1.0)), Flip(), Tone(brightness=0.1, contrast=0.1)),
            MIRRORED,
        ),
        Preset(
            "standard",
            "mirrored, 50 to 100 % of the area, ±10 degrees, light, contrast, colour ±20 %",
            (
                Crop(area=(0.5, 1.0), aspect=(3 / 4, 4 / 3)),
                Affine(rotate=10),
                Flip(),
                Tone(brightness=0.2, contrast=0.2, saturation=0.2),
            ),
            MIRRORED_AND_CLOSER,
        ),
        Preset(
            "strong",
            "mirrored, 30 to 100 % of the area, RandAugment, a patch erased in a quarter",
            (
                Crop(area=(0.3, 1.0), aspect=(3 / 4, 4 / 3)),
                Flip(),
                RandAugment(count=2, strength=0.3),
                Erase(share=0.25),
            ),
            MIRRORED_AND_CLOSER,
        ),
        Preset(
            "document",
            "pages: no mirror; ±2 degrees, slight perspective, light ±15 %, some blurred",
            (
                Affine(rotate=2, zoom=(0.95, 1.08), shear=1, across=0.02, down=0.02),
                Perspective(0.02),
                Tone(brightness=0.15, contrast=0.15),
                Blur(share=0.3, sigma=(0.3, 1.0)),
            ),
            (View(), View(rotate=1), View(rotate=-1), View(zoom=1.05)),
        ),
        Preset(
            "medical",
            "scans: no mirror (sides matter); ±7 degrees, zoom ±7 %, intensity ±10 %",
            (
                Affine(rotate=7, zoom=(0.93, 1.07), across=0.04, down=0.04),
                Tone(brightness=0.1, contrast=0.1),
            ),
            (View(), View(rotate=4), View(rotate=-4), View(zoom=1.07)),
        ),
        Preset(
            "texture",
            "surfaces, seen from above: all mirrors and quarter turns, crops, light ±10 %",
            (
                Crop(area=(0.6, 1.0)),
                QuarterTurn(),
                Flip(left_right=0.5),
                Tone(brightness=0.1, contrast=0.1),
            ),
            ALL_TURNS,
        ),
        Preset(
            "spectrogram",
            "SpecAugment: shifted in time by up to 10 %, bands of time and frequency covered",
            (Affine(across=0.1), Bands(time=2, frequency=2, share=0.15)),
            (View(), View(across=0.05), View(across=-0.05)),
        ),
    )
}


def preset(name: str) -> Preset:
    """Finds a preset, with ``+mixup``, ``+cutmix`` or both behind its name if images are to mix.

    Mixing needs soft targets: ``Examples.dataset(..., target="one_hot")`` or ``"tags"``.  It pays
    on large sets; BiT uses it from 20,000 images on (Kolesnikov et al. 2020, arXiv:1912.11370).

    Args:
        name: Such as ``"standard"`` or ``"strong+cutmix"``.

    Returns:
        The preset.

    Raises:
        InputError: There is none of this name.

    Example:
        >>> preset("none").operations, preset("light+mixup").mixing.kinds
        ((), ('mixup',))
    """
    base, *kinds = name.split("+") if isinstance(name, str) else [name]
    if base not in PRESETS:
        near = difflib.get_close_matches(str(base), PRESETS, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"unknown augmentation {base!r}; {hint}choose one of {', '.join(PRESETS)}, with "
            "+mixup or +cutmix behind it if images are to mix"
        )
    if not kinds:
        return PRESETS[base]
    if len(set(kinds)) < len(kinds) or not set(kinds) <= set(KINDS):
        raise InputError(
            f"augmentation {name!r}: behind {base} may stand "
            + " and ".join(f"+{kind}" for kind in KINDS)
            + ", each once"
        )
    return replace(PRESETS[base], name=name, mixing=Mixing(tuple(kinds)))
