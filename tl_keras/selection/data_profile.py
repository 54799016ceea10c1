"""What a table of labelled images is like, as far as it matters for the choice of a model."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tl_keras.data.checking.classes import class_sizes
from tl_keras.data.checking.copies import digest_groups
from tl_keras.data.checking.pictures import look_at
from tl_keras.data.checking.statistics import FIGURES
from tl_keras.data.needed_columns import image_sizes

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

# Enough to tell a grey set from one in colour.
_LOOKED_AT = 100
# Hasler & Suesstrunk's colourfulness below which a picture is grey; JPEG tints grey by about 1.
_GREY = 2.0


@dataclass(frozen=True)
class DataProfile:
    """Figures of a table; images without a label, and a test part, are not among them.

    Attributes:
        images: Labelled images.
        counts: Class -> images, the largest class first.
        sides: Shorter side, px: the 10th, 50th and 90th percentile.
        shorter: Shorter side of each image, px.
        cropped: Mean share of an image that a centre crop to a square leaves out, 0..1.
        grey: Share of a hundred images drawn that have no colour, 0..1.
        copies: Images that are another one byte for byte.
        crossing: Images that readers left out because they stand in the test part, too.
        skipped: Files that could not be used.
        notes: What ``tl-keras check`` says of the sizes of classes.

    Example:
        >>> profile(examples).median  # doctest: +SKIP
        122.5
    """

    images: int
    counts: dict[str, int]
    sides: tuple[int, int, int]
    shorter: np.ndarray
    cropped: float
    grey: float
    copies: int
    crossing: int
    skipped: int
    notes: tuple[str, ...]

    @property
    def smallest(self) -> int:
        """Images of the smallest class."""
        return min(self.counts.values())

    @property
    def median(self) -> float:
        """Images of the middle class."""
        return float(np.median(list(self.counts.values())))

    @property
    def imbalance(self) -> float:
        """How many times the smallest class the largest is."""
        return max(self.counts.values()) / self.smallest

    def detail_lost(self, size: int) -> float:
        """Mean share of the pixels within the crop that scaling down to a size merges, 0..1.

        Args:
            size: Side of the square, px.
        """
        return float(np.mean(1 - np.minimum(1, size / self.shorter) ** 2))

    def enlarged(self, size: int) -> float:
        """Share of images that have to be enlarged to a size, 0..1.

        Args:
            size: Side of the square, px.
        """
        return float(np.mean(self.shorter < size))

    def as_dict(self, sizes: list[int]) -> dict[str, object]:
        """In JSON's types, with what each image size loses."""
        return {
            "images": self.images,
            "classes": self.counts,
            "smallest_class": self.smallest,
            "median_class": self.median,
            "imbalance": self.imbalance,
            "shorter_side_percentiles": dict(zip(("10", "50", "90"), self.sides, strict=True)),
            "cropped": self.cropped,
            "grey": self.grey,
            "copies": self.copies,
            "crossing": self.crossing,
            "skipped": self.skipped,
            "sizes": {
                str(size): {"detail_lost": self.detail_lost(size), "enlarged": self.enlarged(size)}
                for size in sizes
            },
        }


def profile(examples: "Examples", seed: int = 0) -> DataProfile:
    """Look at classes, sizes and colour; a hundred pictures are decoded, and small.

    Args:
        examples: With labels and sizes; all of its rows count.
        seed: Of the draw.

    Raises:
        InputError: The table does not say how large its images are.

    Example:
        >>> profile(tl.data.from_folder("photos/")).counts  # doctest: +SKIP
        {'ants': 123, 'bees': 121}
    """
    sizes = np.array(image_sizes(examples), float)
    shorter = sizes.min(axis=1)
    contents = digest_groups(examples.digests)
    drawn = np.random.default_rng(seed).permutation(len(examples))[:_LOOKED_AT]
    seen = look_at([examples.paths[row] for row in drawn], progress=False)
    colour = seen.figures[:, FIGURES.index("colourfulness")]
    counts = {name: count for name, count in examples.counts().items() if count}
    return DataProfile(
        images=len(examples),
        counts=dict(sorted(counts.items(), key=lambda item: -item[1])),
        sides=tuple(int(np.percentile(shorter, q)) for q in (10, 50, 90)),
        shorter=shorter,
        cropped=float(np.mean(1 - shorter / sizes.max(axis=1))),
        grey=float((colour < _GREY).mean()),
        copies=len(examples) - len(set(contents.tolist())),
        crossing=len(examples.crossing),
        skipped=len(examples.skipped),
        notes=tuple(finding.why for finding in class_sizes(examples, contents)),
    )
