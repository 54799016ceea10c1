"""What a comparison of bases says: a row for each, best first, as table, JSON and picture."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tl_keras.evaluation.rate_plot import Picture
from tl_keras.selection.candidates import Candidate

SCORES = {"log_me": "LogME", "h_score": "H-score", "probe": "probe", "nearest": "5-NN"}
"""Fields of :class:`Ranked` that say how well a base suits the data -> what they are called."""

DRIVER = "log_me"
"""The score that decides about the order.

Measured (``benchmarks/rank.py``: six small bases, five sets, three seeds), weighted tau against the
accuracy after fine-tuning, mean of the sets: LogME 0.58, probe 0.56, H-score 0.50, 5-NN 0.46,
parameters 0.42; against that of heads in closed form 0.62, 0.60, 0.47, 0.36, 0.36.  On brain-mri,
whose test images are of another kind than its training images, none of them orders (LogME -0.04).
Its first choice loses 1.3 points against the base that was best on the test images (5.7 on
brain-mri, 1.0 on magnetic-tile, else nothing); so few bases do not tell it from taking the largest,
which loses 0.5.
"""


@dataclass(frozen=True)
class Ranked:
    """One base on the data at hand.

    Attributes:
        backbone: Its name in the registry.
        weights: ``"imagenet"`` or ``"bundled"``.
        image_size: Side of the square image, px.
        log_me: :func:`tl_keras.selection.log_me`, nats per image.
        h_score: :func:`tl_keras.selection.h_score`, shrunk; 0 to the number of classes less one.
        probe: Leave-one-out accuracy of a ridge classifier, 0..1.
        nearest: Leave-one-out accuracy of a vote of the five nearest images, 0..1.
        features: Width of the pooled features.
        parameters: Of the base, without a head.
        megabytes: Of its weights in float32, 10^6 bytes.
        milliseconds: Of a forward pass of the base for one image alone, by Keras, on this machine.
        images_per_second: Of a forward pass of the base by Keras, on this machine, 16 at a time.
        seconds: That getting all features took, reading the images and starting up included.
        cached: Whether they were found in the cache; then ``seconds`` tells nothing of the base.
    """

    backbone: str
    weights: str
    image_size: int
    log_me: float
    h_score: float
    probe: float
    nearest: float
    features: int
    parameters: int
    megabytes: float
    milliseconds: float
    images_per_second: float
    seconds: float
    cached: bool

    @property
    def name(self) -> str:
        """Base and size, as :func:`tl_keras.rank` takes them."""
        return Candidate(self.backbone, self.weights, self.image_size).name


@dataclass(frozen=True)
class Ranking:
    """Bases by how well their features suit the data, best first.

    Attributes:
        rows: One for each base.
        images: Images that were looked at.
        of: Labelled images that there were, those of a test part left out.
        classes: Classes among them.
        majority: Share of the commonest class: what naming it always would get.
        left_out: Name of a base that could not be compared -> why.

    Example:
        >>> ranking = tl.rank(examples)  # doctest: +SKIP
        >>> ranking.best.name  # doctest: +SKIP
        'mobilenet_v2@224'
        >>> print(ranking.table())  # doctest: +SKIP
    """

    rows: tuple[Ranked, ...]
    images: int
    of: int
    classes: int
    majority: float
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Ranked:
        """The first row."""
        return self.rows[0]

    def table(self) -> str:
        """The rows as text, one line each, with a line of headings."""
        width = max([4, *(len(row.name) for row in self.rows)])
        lines = [
            f"    {'base':<{width}}  {'LogME':>7}  {'H-score':>7}  {'probe':>5}  {'5-NN':>5}  "
            f"{'parameters':>11} {'MB':>6} {'images/s':>8} {'seconds':>7}"
        ]
        for place, row in enumerate(self.rows, 1):
            seconds = "cached" if row.cached else f"{row.seconds:.1f}"
            speed = f"{row.images_per_second:.{0 if row.images_per_second >= 10 else 1}f}"
            lines.append(
                f"{place:>2}  {row.name:<{width}}  {row.log_me:>7.3f}  {row.h_score:>7.2f}  "
                f"{row.probe:>5.3f}  {row.nearest:>5.3f}  {row.parameters:>11,d} "
                f"{row.megabytes:>6.1f} {speed:>8} {seconds:>7}"
            )
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        rows = [{"name": row.name, **asdict(row)} for row in self.rows]
        return {**asdict(self), "left_out": dict(self.left_out), "rows": rows, "order": DRIVER}

    def plot(self, path: str | os.PathLike | None = None) -> Path | Picture:
        """Draw the score over the cost, each base by its place.

        Args:
            path: PNG file to write; None returns the picture, which a notebook shows.

        Returns:
            The path, or the PNG file's bytes.

        Example:
            >>> tl.rank(examples).plot("bases.png")  # doctest: +SKIP
        """
        from tl_keras.selection.ranking_plot import draw_ranking

        return draw_ranking(self).at(path)
