"""How a search draws settings, and which trials it cuts short."""

from collections.abc import Sequence
from typing import Any

SAMPLERS = ("tpe", "random", "grid")
PRUNERS = ("halving", "none")


def pruner_for(optuna: Any, name: str, head_only: bool) -> Any:
    """Optuna's pruner.

    Asynchronous successive halving (Li et al. 2020, arXiv:1810.05934): the best third goes on at
    each rung.  Where the base trains, what the head alone reaches decides nothing: the first rung
    stands behind the first epoch that trains the base.

    Args:
        optuna: The module.
        name: One of :data:`PRUNERS`.
        head_only: Whether no trial trains the base.
    """
    if name == "none":
        return optuna.pruners.NopPruner()
    return optuna.pruners.SuccessiveHalvingPruner(
        min_resource=5 if head_only else 2, reduction_factor=3
    )


def sampler_for(optuna: Any, name: str, seed: int) -> Any:
    """A sampler that draws by (seed, number of the trial), in whichever process it runs.

    A study that was killed and gone on with draws what it would have drawn.

    Args:
        optuna: The module.
        name: One of :data:`SAMPLERS`; the points of a grid are queued, so none of them is drawn.
        seed: Of the draw.
    """
    kind = optuna.samplers.TPESampler if name == "tpe" else optuna.samplers.RandomSampler

    class Numbered(optuna.samplers.BaseSampler):
        def __init__(self) -> None:
            self.reseed_rng()

        def reseed_rng(self) -> None:
            self._inner = kind(seed=seed)

        def before_trial(self, study: Any, trial: Any) -> None:
            self._inner = kind(seed=(seed * 1_000_003 + trial.number) % 2**32)

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return self._inner.infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return self._inner.sample_relative(study, trial, search_space)

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return self._inner.sample_independent(study, trial, name, distribution)

        def after_trial(self, study: Any, trial: Any, state: Any, values: Sequence[float]) -> None:
            self._inner.after_trial(study, trial, state, values)

    return Numbered()
