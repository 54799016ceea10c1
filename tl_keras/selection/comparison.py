"""What a comparison of trained models says: a row for each, best first, as table and JSON."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError
from tl_keras.evaluation.rate_plot import Picture
from tl_keras.selection.pareto import unbeaten

COSTS = {
    "milliseconds": ("ms", "ms for an image, one at a time, on this machine"),
    "megabytes": ("MB", "MB of model.keras"),
    "training_seconds": ("train s", "seconds of training on this machine"),
}
"""Fields of :class:`Compared` that are costs -> what they are called in a table and in words."""


@dataclass(frozen=True)
class Compared:
    """One base trained by one recipe.

    Attributes:
        name: Base and recipe, also of its folder.
        backbone: Its name in the registry.
        weights: ``"imagenet"`` or ``"bundled"``.
        image_size: Side of the square image, px.
        recipe: Its name.
        value: The figure that the task shows first, 0..1; over several seeds the mean.
        low: Lower limit of its 95 % interval over images; over several seeds the mean of theirs.
        high: Upper limit.
        values: Of each seed.
        sd: Standard deviation over seeds; None of one.
        even: Whether it cannot be told apart from the best row; None of the best itself, and
            where the task has no answer an image that is right or wrong.
        p_value: How often chance alone makes a difference to the best row as large, corrected for
            the number of rows; None likewise.
        milliseconds: For an image, one at a time, by Keras; the median.
        slower: The same as a multiple of the first row's.
        megabytes: Of ``model.keras``, 10^6 bytes.
        parameters: Of the model.
        training_seconds: Of the training with its measuring, what features took that another run
            had computed included; over several seeds the mean.
        peak_megabytes: Most memory of the training's process; None where not known.
        starts: How often it was started, over all seeds: more than seeds if it was interrupted.
        tested: The same figure as ``value``, ``low`` and ``high`` on the data's own test part,
            which chose nothing, of the first seed; None without one.
        runs: Folders of the trained models, one a seed.
    """

    name: str
    backbone: str
    weights: str
    image_size: int
    recipe: str
    value: float
    low: float | None
    high: float | None
    values: tuple[float, ...]
    sd: float | None
    even: bool | None
    p_value: float | None
    milliseconds: float
    slower: float
    megabytes: float
    parameters: int
    training_seconds: float
    peak_megabytes: float | None
    starts: int
    tested: Mapping[str, float | None] | None
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Trained models side by side, best first.

    Attributes:
        rows: One for each base and recipe.
        figure: What the task calls the figure that they are compared by.
        task: Name of the task.
        train: Images trained on.
        val: Images validated on; they chose the best epoch, too.
        seeds: The seeds.
        splits: The fingerprint of each seed's split, which all rows share.
        failed: Name of a base and recipe that could not be trained -> why.
        output: Folder of everything.
        used: The command that the models are for, with ``{model}`` for the folder.

    Example:
        >>> comparison = tl.compare(examples, bases, recipes, output="compared")  # doctest: +SKIP
        >>> comparison.best.name, comparison.front("milliseconds")  # doctest: +SKIP
        >>> tl.load(comparison.best.runs[0]).predict(["new.jpg"])  # doctest: +SKIP
    """

    rows: tuple[Compared, ...]
    figure: str
    task: str
    train: int
    val: int
    seeds: tuple[int, ...]
    splits: tuple[str, ...]
    output: str
    used: str
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Compared:
        """The first row."""
        return self.rows[0]

    def front(self, cost: str) -> list[Compared]:
        """The rows that no other beats, the cheapest first.

        Args:
            cost: ``"milliseconds"``, ``"megabytes"`` or ``"training_seconds"``.
        """
        places = unbeaten([r.value for r in self.rows], [getattr(r, cost) for r in self.rows])
        return [self.rows[place] for place in places]

    def fronts_of(self, row: Compared) -> list[str]:
        """The costs on whose front a row stands."""
        return [cost for cost in COSTS if row in self.front(cost)]

    def standing(self, row: Compared) -> str:
        """``"best"``; or beside that ``"even"``, ``"worse"``, or ``"–"`` where nobody knows."""
        if row is self.best:
            return "best"
        return {None: "–", True: "even", False: "worse"}[row.even]

    def within(self, milliseconds: float | None = None, megabytes: float | None = None) -> Compared:
        """The best row that costs no more than this.

        Args:
            milliseconds: For an image; None for any.
            megabytes: Of the file; None for any.

        Raises:
            InputError: There is none.
        """
        limits = {"milliseconds": milliseconds, "megabytes": megabytes}
        given = {cost: limit for cost, limit in limits.items() if limit is not None}
        for row in self.rows:
            if all(getattr(row, cost) <= limit for cost, limit in given.items()):
                return row
        least = ", ".join(
            f"{min(getattr(row, cost) for row in self.rows):.3g} {COSTS[cost][0]}" for cost in given
        )
        raise InputError(
            f"no model stays within the limits; the least of those compared are {least}: compare "
            "smaller bases or image sizes (see `tl-keras backbones`)"
        )

    def table(self) -> str:
        """The rows as text, one line each, with a line of headings."""
        names, cells = self._texts()
        lines = [names, *cells]
        widths = [max(len(line[k]) for line in lines) for k in range(len(names))]
        left = {names.index("base + recipe"), names.index("front of")}
        return "\n".join(
            "  ".join(
                cell.ljust(width) if k in left else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )

    def _texts(self) -> tuple[list[str], list[list[str]]]:
        several = len(self.seeds) > 1
        judged = any(row.even is not None for row in self.rows)
        names = ["#", "base + recipe", f"{self.figure} %", "95 % interval"]
        names += ["sd"] * several + ["vs best"] * judged
        names += ["ms", "x", "MB", "parameters", "train s", "peak MB", "front of"]
        return names, [
            self._cells(place, row, several, judged) for place, row in enumerate(self.rows, 1)
        ]

    def _cells(self, place: int, row: Compared, several: bool, judged: bool) -> list[str]:
        limits = "–" if row.low is None else f"{100 * row.low:.1f} to {100 * row.high:.1f}"
        cells = [str(place), row.name, f"{100 * row.value:.1f}", limits]
        if several:
            cells.append(f"{100 * row.sd:.1f}")
        if judged:
            cells.append(self.standing(row))
        peak = "–" if row.peak_megabytes is None else f"{row.peak_megabytes:.0f}"
        return [
            *cells, f"{row.milliseconds:.1f}", f"{row.slower:.2f}", f"{row.megabytes:.2f}",
            f"{row.parameters:,}", f"{row.training_seconds:.1f}", peak,
            ", ".join(COSTS[cost][0] for cost in self.fronts_of(row)) or "–",
        ]  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        rows = [{**asdict(row), "front_of": self.fronts_of(row)} for row in self.rows]
        return {**asdict(self), "failed": dict(self.failed), "rows": rows, "best": self.best.name}

    def notes(self) -> Sequence[str]:
        """Sentences on what the figures are and are not."""
        said = [
            f"All were trained on the same {self.train:,} images and measured on the same "
            f"{self.val:,}, which also chose the best epoch of those with several: the figures "
            "flatter a little.",
        ]
        if len(self.seeds) > 1:
            said.append(
                f"Means over {len(self.seeds)} seeds; a seed draws the split, where the data bring "
                "none, and all else that is drawn. The interval is over images, the mean of the "
                "seeds' limits; sd is over seeds."
            )
        if any(row.even is not None for row in self.rows):
            said.append(
                "even: on these images chance alone makes a difference to the best as large more "
                "than once in 20 times (exact sign-flip test on the images both saw, McNemar's "
                "with one seed; Holm's correction for the number of rows). It says nothing of "
                "another draw of training images or weights."
            )
        said.append(
            "ms: median for one image at a time by Keras, each model timed in turns with the "
            "first; x: as a multiple of the first. Models of the same base and size are timed "
            "once. train s: training and measuring, with the time of features that another run had "
            "computed."
        )
        again = [row.name for row in self.rows if row.starts > len(self.seeds)]
        if again:
            said.append(
                f"{', '.join(again)}: interrupted and gone on with, so that train s is a little "
                "off."
            )
        return said

    def plot(self, path: str | os.PathLike | None = None) -> Path | Picture:
        """Draw accuracy over latency, size and training time, each model by its place.

        Args:
            path: PNG file to write; None returns the picture, which a notebook shows.

        Returns:
            The path, or the PNG file's bytes.

        Example:
            >>> comparison.plot("compare.png")  # doctest: +SKIP
        """
        from tl_keras.selection.comparison_plot import draw_comparison

        return draw_comparison(self).at(path)
