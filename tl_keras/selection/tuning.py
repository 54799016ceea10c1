"""Search over recipes, heads and bases, on one study that goes on where it was left."""

import contextlib
import json
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tl_keras.data.locks import only_one
from tl_keras.data.splitting import check_seed
from tl_keras.errors import InputError
from tl_keras.selection.search_space import SearchSpace, search_space
from tl_keras.selection.tuned_recipe import unfreeze_of
from tl_keras.selection.tuning_bases import asked_base, searched_bases
from tl_keras.selection.tuning_data import tuning_data
from tl_keras.selection.tuning_defaults import default_recipe
from tl_keras.selection.tuning_final import compare_on_final
from tl_keras.selection.tuning_result import TunedTrial, Tuning, best_of
from tl_keras.selection.tuning_sampler import PRUNERS, SAMPLERS
from tl_keras.selection.tuning_study import FailedTrialError, TuningStudy, shuffled_grid
from tl_keras.selection.tuning_trial import EpochReports, Trainer, run_trial
from tl_keras.tasks.classification import Classification
from tl_keras.tasks.registry import get_task
from tl_keras.training.feature_cache import FeatureCache
from tl_keras.training.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    import os

    from tl_keras.data.examples import Examples

TRIALS = 30
_MARK = "study.json"
_TELLING = 10  # trials to their end; shares of fewer say more of chance than of a parameter


def tune(
    examples: "Examples",
    output: "str | os.PathLike",
    *,
    search: Iterable[str] | None = None,
    trials: int | None = None,
    sampler: str = "tpe",
    pruner: str = "halving",
    backbone: str | None = None,
    weights: str | None = None,
    image_size: int | None = None,
    storage: str | None = None,
    study: str | None = None,
    val_fraction: float = 0.2,
    batch_size: int = 32,
    resize: str = "crop",
    seed: int = 0,
    verbose: bool = True,
) -> Tuning:
    """Search for settings that classify these images better than the defaults do.

    The defaults (``recipe="auto"`` on the base asked for) are the first trial.  Trials are chosen
    among by accuracy on a validation part; as that flatters the best of many, the best is then
    trained anew with three other seeds, and so are the defaults, and both are measured on images
    that chose nothing: a test part that the data bring, else a part that is set aside.

    Trials that leave the base frozen train on features that are computed once for all.  Called
    again with the same arguments it goes on where it was left, however it ended; several processes
    may work on one study at once, on several machines through ``storage``.

    Args:
        examples: Images with labels.
        output: A folder for the study, the features, ``trials.csv``, ``best.toml``, plots and
            ``tune.html``.
        search: Such as ``["learning_rate=1e-4..1e-2", "dropout=0,0.5", "head"]``; see
            :func:`tl_keras.selection.search_space.search_space`.  By default everything but the
            base.
        trials: In all, over all calls and processes, the defaults among them; by default 30, and of
            a grid all its points.
        sampler: ``"tpe"`` (Bayesian: Bergstra et al. 2011), ``"random"`` or ``"grid"`` (of ranges
            both ends and the middle).
        pruner: ``"halving"`` (asynchronous successive halving: Li et al. 2020, arXiv:1810.05934)
            ends trials early of which others were better after as many epochs; ``"none"``.
        backbone: As of ``build_classifier``; by default the one shipped with the package.
        weights: Likewise.
        image_size: Likewise, px.
        storage: Address of a database that several machines share, such as
            ``"postgresql://user:password@host/name"``; by default a file in ``output``.
        study: Name of the study there; by default that of the folder ``output``.
        val_fraction: Of the images each part that has to be cut.
        batch_size: Images of a step.
        resize: ``"crop"``, ``"pad"`` or ``"stretch"``.
        seed: Of the parts, the search and the trainings.
        verbose: Whether progress goes to standard error.

    Returns:
        What was found; the same stands in ``output``.

    Raises:
        InputError: Optuna is not installed, an argument or the data cannot be used, or the study is
            of other data or another search.

    Example:
        >>> examples = tl.data.from_folder("photos/")  # doctest: +SKIP
        >>> tuning = tl.tune(examples, "tuned/photos", trials=20)  # doctest: +SKIP
        >>> print(tuning.verdict)  # doctest: +SKIP
    """
    check_seed(seed)
    _check_choice("sampler", sampler, SAMPLERS)
    _check_choice("pruner", pruner, PRUNERS)
    if trials is not None and (isinstance(trials, bool) or trials < 2):
        raise InputError(f"trials={trials!r}: give 2 or more; the defaults are the first")
    base_name, base = asked_base(backbone, weights, image_size)
    # What is wrong with the request is found before anything is made.
    search = None if search is None else list(search)
    space = search_space(search, {"unfreeze": "0", "base": base_name})
    bases = {base_name: base, **searched_bases(space, base_name)}
    data = tuning_data(get_task(Classification.name).prepared(examples), val_fraction, seed)
    folder = _folder(output)
    name = study or folder.resolve().name
    written = TuningStudy(folder, storage, name)
    trainer = Trainer(data, bases, FeatureCache(folder / "features"), batch_size, resize)
    identity = {
        "data": data.fingerprint,
        "search": space.as_dict()["searched"],
        "base": base_name,
        "sampler": sampler,
        "pruner": pruner,
        "seed": seed,
        "batch size": batch_size,
        "resize": resize,
    }

    def fill(default: Recipe) -> tuple[SearchSpace, int]:
        space = search_space(search, {"unfreeze": unfreeze_of(default), "base": base_name})
        wanted = _wanted(space, sampler, trials, seed)
        written.queue(space, sampler, wanted, seed)
        return space, wanted

    if written.find() is None:
        chosen = default_recipe(trainer, space, seed, verbose)
        said = {**identity, "defaults": [chosen.name, chosen.reason]}
        written.create(said, lambda: fill(chosen))
    written.check(json.loads(json.dumps(identity)))
    (folder / _MARK).write_text(json.dumps({"study": name, "storage": written.where}))
    chosen_name, reason = written.find()["defaults"]
    default = Recipe(chosen_name, RECIPES[chosen_name].stages, reason=reason)
    space, wanted = fill(default)
    head_only = not space.trains_base
    written.use(sampler, pruner, seed, head_only)

    with tqdm(
        total=wanted, desc="trials", unit="trial", disable=not verbose, file=sys.stderr
    ) as bar:

        def told() -> None:
            ended = [_row(one) for one in written.begun(ended=True)]
            bar.n = min(len(ended), wanted)
            if any(one.state == "complete" for one in ended):
                bar.set_postfix_str(_so_far(ended))
            bar.refresh()

        def objective(trial: Any) -> float:
            is_default = bool(trial.user_attrs.get("defaults"))
            settings = space.suggest(trial, defaults=is_default)
            cut = pruner != "none" and not is_default
            ends = written.optuna.TrialPruned if cut else None
            reports = EpochReports(trial, head_only, ends)
            try:
                return run_trial(trainer, settings, trial, seed, reports)
            except FailedTrialError as problem:
                if not is_default:
                    raise
                raise InputError(f"the defaults cannot be trained: {problem}") from None

        written.run(wanted, objective, told)
        rows = tuple(_row(one) for one in written.begun(ended=True))
        best = best_of(rows)
        comparison = None
        if not best.defaults:
            with only_one(folder / "final.lock"):
                comparison = compare_on_final(
                    trainer, best.settings, space.defaults, seed, folder / "final",
                    bar.set_description_str,
                )  # fmt: skip
    return Tuning(
        name, rows, space, bases[best.settings["base"]], comparison, _importance(written),
        default, _parts(data), folder,
    )  # fmt: skip


def _check_choice(name: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise InputError(f"{name}={given!r} is unknown; give one of {', '.join(known)}")


def _folder(output: "str | os.PathLike") -> Path:
    folder = Path(output)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        other = any(folder.iterdir()) and not any(
            (folder / name).exists() for name in (_MARK, "study.log")
        )
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be made ({error.strerror}); give another output"
        ) from None
    if other:
        raise InputError(f"{folder} holds something else than a search; give another output")
    return folder


def _wanted(space: SearchSpace, sampler: str, trials: int | None, seed: int) -> int:
    if sampler != "grid":
        return TRIALS if trials is None else trials
    whole = len(shuffled_grid(space, seed)) + 1
    return whole if trials is None else min(trials, whole)


def _row(trial: Any) -> TunedTrial:
    said = trial.user_attrs
    state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")
    seconds = said.get("seconds")
    if seconds is None and trial.datetime_complete and trial.datetime_start:
        seconds = round((trial.datetime_complete - trial.datetime_start).total_seconds(), 1)
    return TunedTrial(
        trial.number, state, trial.value, said.get("val_loss"), said.get("epochs"), seconds,
        said.get("settings", {}), bool(said.get("defaults")), said.get("reason", ""),
    )  # fmt: skip


def _so_far(rows: list[TunedTrial]) -> str:
    best = best_of(rows)
    said = f"best {100 * best.accuracy:.1f} %"
    default = next((one.accuracy for one in rows if one.defaults), None)
    return said if default is None else f"{said}, defaults {100 * default:.1f} %"


def _importance(written: TuningStudy) -> dict[str, float]:
    """By PED-ANOVA, which knows parameters that are not in every trial."""
    states = written.optuna.trial.TrialState
    done = written.study.get_trials(deepcopy=False, states=(states.COMPLETE,))
    if len(done) < _TELLING or len({one.value for one in done}) < 2:
        return {}
    with warnings.catch_warnings(), contextlib.suppress(ValueError, RuntimeError):
        warnings.simplefilter("ignore")  # of a parameter that only the defaults vary
        return dict(written.optuna.importance.get_param_importances(written.study))
    return {}  # too little varied


def _parts(data: Any) -> dict[str, int]:
    last = "test (brought by the data)" if data.brought else "set aside"
    return {"trained on": len(data.train), "chose": len(data.val), last: len(data.final)}
