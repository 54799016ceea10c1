"""The advice: what to train, and why, in plain words with the numbers."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tl_keras.selection.closeness import COMPARED, closeness_word
from tl_keras.selection.data_profile import DataProfile
from tl_keras.selection.limits import Absent, Limits
from tl_keras.selection.pareto import unbeaten
from tl_keras.selection.ranking import Ranked, Ranking
from tl_keras.selection.training_time import TrainingTime
from tl_keras.training.recipes import Recipe

# Largest class over smallest from which plain accuracy hides the small one.
_UNEVEN = 3.0
_MANY_ENLARGED = 0.5


@dataclass(frozen=True)
class Advice:
    """Which base, size and recipe to train, with all that was measured.

    Attributes:
        profile: Of the images.
        ranking: Of the bases that keep the limits, best first.
        best: The base that is advised.
        why: Why this one.
        recipe: With its reason.
        time: That training would take here.
        change: What would turn the choice of the recipe.
        distance: Of the images from the best base's pretraining
            (:func:`tl_keras.selection.closeness.distance_from_pretraining`); None: not measurable.
        absent: Bases within the limits that would need a download; nothing of them was measured.
        beyond: Base at hand that the limits leave out -> why.
        limits: That were given.
        resize: How images were brought to size.

    Example:
        >>> advice = tl.advise(examples)  # doctest: +SKIP
        >>> advice.best.name, advice.recipe.name, round(advice.time.seconds)  # doctest: +SKIP
        ('mobilenet_v2@224', 'feature_extraction', 44)
    """

    profile: DataProfile
    ranking: Ranking
    best: Ranked
    why: str
    recipe: Recipe
    time: TrainingTime
    change: str
    distance: float | None
    absent: tuple[Absent, ...]
    beyond: Mapping[str, str]
    limits: Limits
    resize: str

    def command(self, data: str, *more: str) -> str:
        """The command that follows the advice, quoted for a shell.

        Args:
            data: As given to ``tl-keras train``.
            more: Further words of it.

        Example:
            >>> advice.command("my photos/")  # doctest: +SKIP
            "tl-keras train 'my photos/' --backbone mobilenet_v2 --weights imagenet ..."
        """
        row = self.best
        words = ["tl-keras", "train", data, *more, "--backbone", row.backbone]
        words += ["--weights", row.weights, "--image-size", str(row.image_size)]
        words += ["--recipe", self.recipe.name]
        if self.resize != "crop":
            words += ["--resize", self.resize]
        return shlex.join(words)

    def text(self) -> str:
        """A short page of plain words."""
        blocks = [self._data(), self._choice(), self._others(), self._warnings()]
        return "\n\n".join("\n".join(lines) for lines in blocks if lines)

    def as_dict(self) -> dict[str, Any]:
        """All of it in JSON's types."""
        sizes = sorted({row.image_size for row in self.ranking.rows})
        return {
            "backbone": self.best.backbone,
            "weights": self.best.weights,
            "image_size": self.best.image_size,
            "recipe": self.recipe.name,
            "why": self.why,
            "reason": self.recipe.reason,
            "change": self.change,
            "seconds": self.time.seconds,
            "time": asdict(self.time),
            "distance": self.distance,
            "data": self.profile.as_dict(sizes),
            "warnings": [line.strip() for line in self._warnings()[1:]],
            "ranking": self.ranking.as_dict(),
            "absent": [asdict(one) for one in self.absent],
            "beyond": dict(self.beyond),
            "limits": asdict(self.limits),
        }

    def _data(self) -> list[str]:
        data, size = self.profile, self.best.image_size
        names = [f"{name} {count:,}" for name, count in data.counts.items()]
        if len(names) > 6:
            names = [*names[:3], "...", *names[-2:]]
        low, middle, high = data.sides
        colour = "grey" if data.grey > 0.9 else "colour" if data.grey < 0.1 else "colour and grey"
        lines = [
            "Your images",
            f"  {data.images:,} of {len(data.counts)} classes ({', '.join(names)}); the middle "
            f"class has {data.median:g}, the largest {data.imbalance:.1f} times the smallest",
            f"  {colour}; shorter side {middle} px (10th to 90th percentile {low} to {high})",
        ]
        if self.resize == "crop":
            lines.append(f"  a square crop leaves out {100 * data.cropped:.0f} % of a picture")
        for one in sorted({row.image_size for row in self.ranking.rows}):
            lines.append(
                f"  at {one} px {100 * data.detail_lost(one):.0f} % of the pixels left are merged "
                f"away, and {100 * data.enlarged(one):.0f} % of the pictures enlarged"
            )
        if self.distance is None:
            lines.append(
                f"  {self.best.backbone} has no BatchNorm, which would say how far they are from "
                "its pretraining"
            )
        else:
            lines.append(
                f"  {closeness_word(self.distance)} what {self.best.backbone} saw in pretraining: "
                f"at {size} px its layers differ by {self.distance:.3f} (for comparison: "
                f"{COMPARED})"
            )
        return lines

    def _choice(self) -> list[str]:
        row, time = self.best, self.time
        return [
            f"Take {row.backbone} ({row.weights} weights) at {row.image_size} px with --recipe "
            f"{self.recipe.name}",
            f"  base: {self.why}; a linear probe on its features names "
            f"{100 * row.probe:.0f} % rightly, 5-NN {100 * row.nearest:.0f} %, the commonest class "
            f"alone {100 * self.ranking.majority:.0f} %",
            f"  recipe: {self.recipe.reason}",
            f"  time here: about {_duration(time.seconds)} ({time.how})",
            f"  cost: {row.parameters:,} parameters, {row.megabytes:.1f} MB in float32, "
            f"{row.milliseconds:.0f} ms for one image here by Keras"
            + (
                "; `tl-keras export` makes LiteRT of it, to be timed on the phone"
                if self.limits.device == "phone"
                else ""
            ),
        ]

    def _others(self) -> list[str]:
        rows, best = self.ranking.rows, self.best
        lines = ["What else there is, and what would change this"]
        after = [row for row in rows if row != best][:1]
        lines += [f"  runner-up: {_told(row)}" for row in after]
        front = unbeaten([row.log_me for row in rows], [row.milliseconds for row in rows])
        quick = rows[front[0]]
        if quick not in (best, *after):
            lines.append(f"  quickest: {_told(quick)}")
        lines.append(f"  {self.change}")
        for name, why in {**self.beyond, **self.ranking.left_out}.items():
            lines.append(f"  left out: {name}: {why}")
        if self.absent:
            lines.append("  would need a download, and were not measured:")
        for one in self.absent:
            lines.append(
                f"    {one.backbone}: {one.parameters / 1e6:.1f} M parameters, about "
                f"{one.milliseconds:.0f} ms; published ImageNet top-1 {one.top1:.1f} %"
            )
        return lines

    def _warnings(self) -> list[str]:
        data, size = self.profile, self.best.image_size
        found = list(data.notes)
        if data.imbalance >= _UNEVEN:
            found.append(
                f"the largest class is {data.imbalance:.1f} times the smallest: look at balanced "
                "accuracy; --loss logit_adjusted weighs rare classes up"
            )
        if data.copies or data.crossing:
            found.append(
                f"{data.copies} images are copies of others, {data.crossing} more stood in the "
                "test part and were left out: the figures above flatter; see `tl-keras check`"
            )
        if data.skipped:
            found.append(f"{data.skipped} files cannot be used; see `tl-keras check`")
        if data.enlarged(size) > _MANY_ENLARGED:
            found.append(
                f"most pictures are smaller than {size} px: enlarging adds nothing to see, but "
                "bases are most at home at the size they were made for"
            )
        if data.grey > 0.9:
            found.append("the pictures are grey; the base was made for colour")
        return ["Mind", *(f"  {line}" for line in found)] if found else []


def _told(row: Ranked) -> str:
    return (
        f"{row.name}: LogME {row.log_me:.3f}, probe {100 * row.probe:.0f} %, "
        f"{row.milliseconds:.0f} ms, {row.megabytes:.1f} MB"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
