"""What a search found: its trials, the best of them, and what that is worth."""

import csv
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tl_keras.selection.paired import LEVEL
from tl_keras.selection.search_parameters import PARAMETERS, Settings, value_shown
from tl_keras.selection.search_space import SearchSpace
from tl_keras.selection.tuned_recipe import recipe_of
from tl_keras.selection.tuning_bases import TuningBase
from tl_keras.training.recipe_files import write_recipe
from tl_keras.training.recipes import Recipe


@dataclass(frozen=True)
class TunedTrial:
    """One trial.

    Attributes:
        number: Its place in the study.
        state: ``"complete"``, ``"pruned"`` (cut short) or ``"failed"``.
        accuracy: On the validation part, of the best epoch; None where it failed.
        val_loss: Of that epoch; None but for complete ones.
        epochs: How many it took.
        seconds: How long.
        settings: A value for every parameter; empty where it failed before it began.
        defaults: Whether it is the trial of the defaults.
        reason: Why it failed.
    """

    number: int
    state: str
    accuracy: float | None
    val_loss: float | None
    epochs: int | None
    seconds: float | None
    settings: Settings
    defaults: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Tuning:
    """The outcome of ``tl.tune``.

    Attributes:
        name: Of the study.
        trials: In the order of their numbers.
        space: What was searched.
        base: What the best model is built on.
        comparison: Of :func:`tl_keras.selection.tuning_final.compare_on_final`; None where no trial
            did better on the validation part than the defaults.
        importance: Share of the spread between trials that each parameter explains, by PED-ANOVA
            (Watanabe et al. 2023, arXiv:2304.10255); empty under ten trials that ran to their end.
        default_recipe: What ``recipe="auto"`` takes for these data.
        parts: Images of each part, by what it is for.
        folder: Where everything is written.

    Example:
        >>> tuning = tl.tune(examples, output="tuned/photos", trials=20)  # doctest: +SKIP
        >>> print(tuning.verdict)  # doctest: +SKIP
        >>> run = tl.fit(model, train, val, recipe=tuning.recipe)  # doctest: +SKIP
    """

    name: str
    trials: tuple[TunedTrial, ...]
    space: SearchSpace
    base: TuningBase
    comparison: Mapping[str, Any] | None
    importance: Mapping[str, float]
    default_recipe: Recipe
    parts: Mapping[str, int]
    folder: Path

    @property
    def best(self) -> TunedTrial:
        """The complete trial of the highest accuracy on validation, then of the lowest loss."""
        return best_of(self.trials)

    @property
    def defaults(self) -> TunedTrial:
        """The trial of the defaults."""
        return next(one for one in self.trials if one.defaults)

    @property
    def recipe(self) -> Recipe:
        """That of the best trial."""
        return recipe_of(self.best.settings, f"trial {self.best.number} of {self.name!r}")

    @property
    def better(self) -> bool:
        """Whether the best was shown to be better than the defaults."""
        return self._told_apart and self.comparison["difference"]["value"] > 0

    @property
    def _told_apart(self) -> bool:
        """Both by the interval and by the exact test, which few images bear better."""
        if self.comparison is None or self.comparison["difference"]["low"] is None:
            return False
        gain = self.comparison["difference"]
        return self.comparison["chance"] < LEVEL and not gain["low"] <= 0 <= gain["high"]

    @property
    def verdict(self) -> str:
        """In a sentence or two, what the search was worth."""
        if self.comparison is None:
            return (
                "No trial did better than the defaults on the validation images: keep the defaults."
            )
        gain, images = self.comparison["difference"], self.comparison["images"]
        if gain["low"] is None:
            return f"{images} images that chose nothing are too few to tell: keep the defaults."
        points = {key: 100 * gain[key] for key in ("value", "low", "high")}
        said = (
            f"{points['value']:+.1f} points (95 % interval {points['low']:+.1f} to "
            f"{points['high']:+.1f}, p {self.comparison['chance']:.2g}) on {images:,} images that "
            "chose nothing"
        )
        if self.better:
            return f"Better than the defaults: {said}."
        if self._told_apart:
            return f"Worse than the defaults: {said}. Keep the defaults."
        return f"Not shown to be better than the defaults: {said}. Keep the defaults."

    def table(self, most: int = 10) -> str:
        """The best trials and the defaults, as text."""
        names = list(self.space.searched)
        shown = sorted(self.trials, key=_place)[:most]
        if self.defaults not in shown:
            shown.append(self.defaults)
        rows = [["trial", "validation", "epochs", "seconds", *names]]
        for one in shown:
            mark = " defaults" if one.defaults else " cut short" if one.state == "pruned" else ""
            accuracy = "failed" if one.accuracy is None else f"{100 * one.accuracy:.1f} %"
            active = self.space.active(one.settings) if one.settings else {}
            values = [value_shown(active[name]) if name in active else "-" for name in names]
            counted = ["-" if v is None else f"{v:.0f}" for v in (one.epochs, one.seconds)]
            rows.append([f"{one.number}{mark}", accuracy, *counted, *values])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(line.rstrip() for line in lines)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "study": self.name,
            "trials": [asdict(one) for one in self.trials],
            **self.space.as_dict(),
            "best": asdict(self.best),
            "comparison": self.comparison,
            "better": self.better,
            "verdict": self.verdict,
            "importance": dict(self.importance),
            "default_recipe": {
                "name": self.default_recipe.name,
                "reason": self.default_recipe.reason,
            },
            "images": dict(self.parts),
            "output": str(self.folder),
        }

    def save(self, command: str = "") -> None:
        """Write ``trials.csv``, ``best.toml``, the plots and ``tune.html`` to the folder.

        Args:
            command: That trains by the settings worth keeping, to stand on the page.

        Raises:
            InputError: A file cannot be written.
        """
        from tl_keras.evaluation.html_page import save_page
        from tl_keras.selection.tuning_page import tuning_page
        from tl_keras.selection.tuning_plots import draw_history, draw_parameters

        self._write_csv()
        write_recipe(self.recipe, self.folder / "best.toml")
        for name, draw in (("history.png", draw_history), ("parameters.png", draw_parameters)):
            (self.folder / name).write_bytes(draw(self))
        save_page(self.folder / "tune.html", tuning_page(self, command))

    def _write_csv(self) -> None:
        fields = ["number", "state", "defaults", "accuracy", "val_loss", "epochs", "seconds"]
        partial = self.folder / f"trials.csv.{os.getpid()}.partial"
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*fields, *PARAMETERS, "reason"])
            for one in self.trials:
                values = [getattr(one, field) for field in fields]
                settings = [one.settings.get(name) for name in PARAMETERS]
                writer.writerow([*values, *settings, one.reason])
        partial.replace(self.folder / "trials.csv")


def best_of(trials: "tuple[TunedTrial, ...] | list[TunedTrial]") -> TunedTrial:
    """The best complete trial."""
    return min((one for one in trials if one.state == "complete"), key=_place)


def _place(one: TunedTrial) -> tuple[float, float, int]:
    accuracy = -1.0 if one.accuracy is None else one.accuracy
    loss = float("inf") if one.val_loss is None else one.val_loss
    return -accuracy, loss, one.number
