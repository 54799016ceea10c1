"""The runs of a comparison: which there are, where they lie, and how each is trained."""

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tl_keras.errors import InputError
from tl_keras.selection.apart import run_apart
from tl_keras.selection.candidates import Candidate, wanted
from tl_keras.training.recipe_names import known_recipe


class Combination(NamedTuple):
    """A base with a recipe.

    Attributes:
        candidate: The base, its weights and image size.
        recipe: As ``tl-keras train --recipe`` takes it.
    """

    candidate: Candidate
    recipe: str

    @property
    def recipe_text(self) -> str:
        """What the recipe is known by: of a file what is in it."""
        if not self.recipe.endswith(".toml"):
            return self.recipe
        return Path(self.recipe).read_text(encoding="utf-8")

    @property
    def recipe_name(self) -> str:
        """The recipe; of a file its name without the ending."""
        return Path(self.recipe).stem if self.recipe.endswith(".toml") else self.recipe

    @property
    def name(self) -> str:
        """Base and recipe; also a folder's name."""
        return f"{self.candidate.name}+{self.recipe_name}"

    def run_name(self, seed: int) -> str:
        """The same of one seed; that of seed 0 is the plain name."""
        return self.name + (f"+seed{seed}" if seed else "")


def combinations(backbones: Iterable[str], recipes: Iterable[str]) -> list[Combination]:
    """Every base with every recipe, so that runs of the same base follow one another.

    Args:
        backbones: As of :func:`tl_keras.selection.candidates.wanted`.
        recipes: Names, or files that end in ``.toml``.

    Raises:
        InputError: One is unknown, two have the same name, or there are none.

    Example:
        >>> [c.name for c in combinations(["mobilenet_v3_small+bundled"], ["ridge"])]
        ['mobilenet_v3_small+bundled@128+ridge']
    """
    for what, given in (("backbones", backbones), ("recipes", recipes)):
        if isinstance(given, str):
            raise InputError(f"{what}={given!r} is one word; give a list of names")
    recipes = list(dict.fromkeys(map(str, recipes)))
    for recipe in recipes:
        known_recipe(recipe)
    found = [Combination(base, recipe) for base in wanted(backbones) for recipe in recipes]
    names = [one.name for one in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"two recipes of {twice} have the same name; rename one of the files")
    if not found:
        raise InputError(
            "nothing to compare; name one base and one recipe at least, such as "
            "mobilenet_v3_small and ridge"
        )
    return found


class RunFolder:
    """Where the runs of a comparison lie: ``runs/NAME`` and ``logs/NAME.log``.

    Args:
        folder: Of the comparison.
    """

    def __init__(self, folder: Path):
        self._runs, self._logs = folder / "runs", folder / "logs"
        self._runs.mkdir(exist_ok=True)
        self._logs.mkdir(exist_ok=True)

    def run(self, name: str) -> Path:
        """The trained model's folder."""
        return self._runs / name

    def log(self, name: str) -> Path:
        """What the process printed."""
        return self._logs / f"{name}.log"

    def cost(self, name: str) -> Path:
        """What it took, see :func:`tl_keras.selection.apart.cost_of`."""
        return self._logs / f"{name}.json"

    def said(self, name: str) -> dict[str, Any] | None:
        """``model.json`` of a finished run; None where there is none, or it was cut short."""
        file = self.run(name) / "model.json"
        if not file.exists():
            return None
        said = json.loads(file.read_text())
        return None if said["interrupted"] else said

    def train(self, name: str, words: Sequence[str]) -> str | None:
        """Train one in a process of its own, or go on with it where that was killed.

        Args:
            name: Of the run.
            words: Of ``tl-keras train``, but for the folder.

        Returns:
            Why it failed; None if it did not.
        """
        if self.run(name).exists():  # cut short by Ctrl-C: the best so far, which is no run
            shutil.rmtree(self.run(name))
        log = self.log(name)
        code = run_apart(["train", *words, "--output", str(self.run(name))], log, self.cost(name))
        if self.said(name) is not None:
            return None
        return why_it_failed(code, log.read_text(errors="replace"), str(log))


def why_it_failed(code: int, log: str, file: str) -> str:
    """The reason in a line.

    Args:
        code: Exit code, negative for a signal.
        log: What the process printed.
        file: Where that stands.

    Example:
        >>> why_it_failed(2, "Epoch 1\\ntl-keras: no weights; give others\\n", "a.log")
        'no weights; give others'
        >>> why_it_failed(-9, "", "a.log")
        'killed by signal 9, which the system does when memory runs out; see a.log'
    """
    if code < 0:
        hint = ", which the system does when memory runs out" if code == -9 else ""
        return f"killed by signal {-code}{hint}; see {file}"
    lines = [line.strip() for line in log.replace("\r", "\n").splitlines() if line.strip()]
    for line in reversed(lines):
        for mark in ("tl-keras: ", "tl-keras train: error: "):
            if line.startswith(mark):
                return line.removeprefix(mark)
    return f"{lines[-1] if lines else f'ended with code {code}'}; see {file}"
