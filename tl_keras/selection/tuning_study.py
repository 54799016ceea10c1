"""The study that trials are written to: its storage, what it is of, and trials that died."""

import contextlib
import random
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tl_keras.errors import InputError
from tl_keras.selection.search_parameters import Settings
from tl_keras.selection.search_space import SearchSpace
from tl_keras.selection.tuning_locks import TrialLocks
from tl_keras.selection.tuning_sampler import pruner_for, sampler_for
from tl_keras.selection.tuning_storage import FILE, first_line, open_storage, optuna_here, shown_url

_IDENTITY = "tl_keras"
# A process needs a moment between beginning a trial and locking its file.
_YOUNG = timedelta(seconds=5)
_LARGEST_GRID = 1_000


class TuningStudy:
    """Trials of one search, maybe of several processes at once.

    By default they are written to a file in the folder of the results, Optuna's journal: several
    processes of one machine may append to it.  (Of two processes that were killed at random for 75
    seconds, it took 200 trials where SQLite took 57; neither lost one.)  ``url`` names a database
    that several machines share.

    A trial whose process died is found and queued again: of the file by a lock, which the system
    takes away with the process; of a database by its heartbeat.

    Args:
        folder: Of the results; there is one.
        url: Of a database as SQLAlchemy reads it, or None.
        name: Of the study.

    Raises:
        InputError: Optuna is not installed, or the storage cannot be opened.
    """

    def __init__(self, folder: Path, url: str | None, name: str):
        self.optuna = optuna_here()
        self.folder, self.url, self.name = folder, url, name
        self.where = str(folder / FILE) if url is None else shown_url(url)
        self._locks = TrialLocks(folder / "running")
        with self._quiet():
            self._storage = open_storage(folder, url, self._again)
        self.study: Any = None

    def find(self) -> dict[str, Any] | None:
        """What the study of this name is of; None where there is none yet."""
        with self._quiet(), contextlib.suppress(KeyError):
            self.study = self.optuna.load_study(study_name=self.name, storage=self._storage)
        return None if self.study is None else self.study.user_attrs.get(_IDENTITY)

    def create(self, identity: dict[str, Any], fill: Callable[[], None]) -> None:
        """Make the study, unless another process just did.

        Args:
            identity: What it is of, for JSON.
            fill: Queues what is to be tried in any case; of several processes one is asked.
        """
        with self._quiet():
            try:
                self.study = self.optuna.create_study(
                    study_name=self.name, storage=self._storage, direction="maximize"
                )
            except self.optuna.exceptions.DuplicatedStudyError:
                until = time.monotonic() + 30
                while self.find() is None and time.monotonic() < until:
                    time.sleep(0.2)
            # Said last: a study of which it is not said is still being made, or whoever made it
            # was killed.
            if _IDENTITY not in self.study.user_attrs:
                fill()
                self.study.set_user_attr(_IDENTITY, identity)

    def check(self, identity: dict[str, Any]) -> None:
        """Find out whether the study is of these data and this search.

        Raises:
            InputError: It is not.
        """
        found = self.study.user_attrs[_IDENTITY]
        other = [key for key, value in identity.items() if found.get(key) != value]
        if other:
            change = "another --output" if self.url is None else "another --study"
            raise InputError(
                f"the study {self.name!r} in {self.where} is of another "
                f"{', another '.join(other)}; repeat the command that it was begun with to go on, "
                f"or give {change} to begin a new one"
            )

    def use(self, sampler: str, pruner: str, seed: int, head_only: bool) -> None:
        """Choose how settings are drawn and which trials are cut short.

        Args:
            sampler: One of :data:`~tl_keras.selection.tuning_sampler.SAMPLERS`.
            pruner: One of :data:`~tl_keras.selection.tuning_sampler.PRUNERS`.
            seed: Of the draw, with the number of each trial.
            head_only: Whether no trial trains the base.
        """
        with self._quiet():
            self.study.sampler = sampler_for(self.optuna, sampler, seed)
            self.study.pruner = pruner_for(self.optuna, pruner, head_only)

    def queue(self, space: SearchSpace, sampler: str, trials: int, seed: int) -> None:
        """Queue what is to be tried in any case: the defaults first, then the points of a grid."""
        with self._quiet():
            fail = self.optuna.trial.TrialState.FAIL
            known = [
                one
                for one in self.study.get_trials(deepcopy=False)
                if one.state != fail or "reason" in one.user_attrs
            ]
            if not any(trial.user_attrs.get("defaults") for trial in known):
                active = space.active(space.defaults)
                fixed = {k: v for k, v in active.items() if v in space.searched[k]}
                self._enqueue(fixed, defaults=True)
            if sampler != "grid":
                return
            points = shuffled_grid(space, seed)[: trials - 1]
            there = {_key(t.user_attrs["fixed"]) for t in known if "grid" in t.user_attrs}
            for point in points:
                if _key(point) not in there:
                    self._enqueue(point, grid=True)

    def run(self, wanted: int, objective: Callable[[Any], float], told: Callable[[], None]) -> None:
        """Run trials until the study has so many, over all processes.

        Args:
            wanted: Trials in all.
            objective: From a trial to its figure; raises ``optuna.TrialPruned`` to end it, and
                :class:`FailedTrialError` where its settings cannot be run.
            told: Is called whenever something ended.
        """
        while True:
            self.repeat_dead()
            told()
            if len(self.begun(ended=True)) >= wanted:
                return
            if len(self.begun()) >= wanted:  # the last ones run elsewhere, and may die there
                time.sleep(1)
                continue
            try:
                with self._quiet():
                    self.study.optimize(
                        lambda trial: self._run_one(trial, wanted, objective), n_trials=1,
                        catch=(FailedTrialError, _SurplusError),
                    )  # fmt: skip
            finally:
                self._locks.let_go()

    def begun(self, ended: bool = False) -> list[Any]:
        """The trials that count, in the order of their numbers.

        Those of processes that died do not: they were queued again.

        Args:
            ended: Only those that were completed, cut short, or failed by their settings.
        """
        with self._quiet():
            trials = self.study.get_trials(deepcopy=False)
        states = self.optuna.trial.TrialState
        kept = [states.COMPLETE, states.PRUNED] + ([] if ended else [states.RUNNING])
        return [
            one
            for one in trials
            if one.state in kept or (one.state == states.FAIL and "reason" in one.user_attrs)
        ]

    def repeat_dead(self) -> None:
        """Queue trials again whose process is no more."""
        with self._quiet():
            if self.url is not None:
                self.optuna.storages.fail_stale_trials(self.study)
                return
            states = self.optuna.trial.TrialState
            for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING,)):
                young = datetime.now() - trial.datetime_start < _YOUNG
                if not young and self._locks.take(trial.number):
                    # Another process may find the same; one of them is told so.
                    gone = (self.optuna.exceptions.UpdateFinishedTrialError, ValueError)
                    with contextlib.suppress(*gone):
                        self.study.tell(trial.number, state=states.FAIL)
                        self._again(self.study, trial)
            self._locks.let_go()

    def _run_one(self, trial: Any, wanted: int, objective: Callable[[Any], float]) -> float:
        if self.url is None:
            self._locks.take(trial.number)
        before = [one for one in self.begun() if one.number < trial.number]
        try:
            if len(before) >= wanted:  # two processes took the last place; the later steps back
                raise _SurplusError
            return objective(trial)
        except (_SurplusError, KeyboardInterrupt) as end:
            if isinstance(end, KeyboardInterrupt) or "fixed" in trial.user_attrs:
                self._again(self.study, trial)
            raise
        except FailedTrialError as problem:
            trial.set_user_attr("reason", str(problem))
            raise

    def _again(self, study: Any, trial: Any) -> None:
        """Queue a trial's settings, as far as they were drawn."""
        kept = {k: v for k, v in trial.user_attrs.items() if k in ("defaults", "grid")}
        again = [*trial.user_attrs.get("again", []), trial.number]
        fixed = {**trial.user_attrs.get("fixed", {}), **trial.params}
        study.enqueue_trial(fixed, user_attrs={**kept, "fixed": fixed, "again": again})

    def _enqueue(self, fixed: Settings, **more: Any) -> None:
        self.study.enqueue_trial(fixed, user_attrs={"fixed": fixed, **more})

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """Within, Optuna says nothing of experimental parts, and a lost database is one line."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self.optuna.exceptions.ExperimentalWarning)
            try:
                yield
            except self.optuna.exceptions.StorageInternalError as error:
                said = f"the study's storage {self.where} fails: {first_line(error)}"
                raise InputError(f"{said}; mend it and repeat the command to go on") from None


class FailedTrialError(Exception):
    """These settings cannot be run; the next ones can."""


class _SurplusError(Exception):
    """There are enough trials already."""


def shuffled_grid(space: SearchSpace, seed: int) -> list[Settings]:
    """The points of a grid, in an order by the seed, the defaults left out.

    Raises:
        InputError: There are too many to be a grid.
    """
    if space.grid_size() > _LARGEST_GRID:
        raise InputError(
            f"a grid over {', '.join(space.searched)} has {space.grid_size():,} points; name fewer "
            "parameters or values to search, or take the sampler tpe"
        )
    defaults = _key(space.active(space.defaults))
    points = [point for point in space.grid() if _key(point) != defaults]
    random.Random(seed).shuffle(points)
    return points


def _key(settings: Settings) -> str:
    return repr(sorted(settings.items()))
