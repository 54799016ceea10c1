"""Bases and recipes trained one after the other, each in a process of its own, and compared."""

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tl_keras.data.locks import take_lock
from tl_keras.data.splitting import check_seed, split_fingerprint, train_val_test
from tl_keras.errors import InputError
from tl_keras.selection.compared_rows import rows_of
from tl_keras.selection.compared_runs import Combination, RunFolder, combinations
from tl_keras.selection.comparison import Comparison
from tl_keras.selection.comparison_files import write_files
from tl_keras.tasks.registry import get_task

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples

_SETTINGS = "settings.json"


def compare(
    examples: "Examples",
    backbones: Iterable[str],
    recipes: Iterable[str],
    *,
    output: str | os.PathLike,
    task: str = "classify",
    val_fraction: float = 0.2,
    split_by: str = "auto",
    seed: int = 0,
    seeds: int = 1,
    options: Sequence[str] = (),
    feature_cache: str | os.PathLike | None = None,
    command: str | None = None,
    verbose: bool = True,
) -> Comparison:
    """Train every base with every recipe on the same split, and compare them.

    Each is trained by ``tl-keras train`` in a fresh process, so that nothing one leaves behind
    reaches the next; for these to read it, the split is written to ``output`` as a table of paths
    (images must lie in files, as those of every reader do; bases registered by
    ``tl.register_backbone`` are not known there).  The same call goes on after an interruption or
    kill -9: what is finished is not run again, and what was under way goes on from its
    checkpoint.  Bases, recipes and seeds may be added later.  What cannot be trained does not
    stop the others.

    Latency is measured at the end, in this process, one model after the other.

    Args:
        examples: The data.  A split that they bring is kept; a test part chooses nothing.
        backbones: ``"mobilenet_v2"``, ``"mobilenet_v2@160"`` (image size, px) or
            ``"mobilenet_v3_small+bundled"``: each with all the weights of it at hand, else with
            ImageNet's, which are fetched.
        recipes: Names or ``.toml`` files, as of ``tl.fit``.
        output: Folder for the trained models (``runs/``), logs, ``compare.json``, ``.csv``,
            ``.png`` and ``.html``.
        task: As of ``tl.fit``.
        val_fraction: Share of the images to validate on, where the data bring no such part.
        split_by: As of ``Examples.split``.
        seed: Of split, order and initial weights.
        seeds: Train everything so many times, with that seed and those after it.
        options: More of ``tl-keras train``, the same for all, such as
            ``["--batch-size", "16"]``.
        feature_cache: A folder for features, which runs of the same base share; by default one
            that is deleted at the end.
        command: What the page says how to do it again.
        verbose: Whether progress goes to standard error.

    Returns:
        The models side by side, best first.

    Raises:
        InputError: ``output`` holds a comparison of other data or settings, a name is unknown, or
            none of them could be trained.

    Example:
        >>> comparison = tl.compare(  # doctest: +SKIP
        ...     tl.data.from_folder("photos/"), ["mobilenet_v2@128", "mobilenet_v3_small"],
        ...     ["ridge", "fine_tune"], output="compared",
        ... )
        >>> print(comparison.table())  # doctest: +SKIP
    """
    check_seed(seed)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise InputError(f"seeds={seeds!r} is no number of seeds; give 1 or more")
    asked = combinations(backbones, recipes)
    record, folder = get_task(task), Path(output)
    numbers = tuple(range(seed, seed + seeds))
    shares = [
        train_val_test(examples, val_fraction, number, split_by, record.open_set)
        for number in numbers
    ]
    prepared = [
        tuple(None if part is None else record.prepared(part) for part in parts) for parts in shares
    ]
    splits = {str(n): split_fingerprint(*parts) for n, parts in zip(numbers, prepared, strict=True)}
    settings = {
        "data": examples.fingerprint(), "task": task, "options": list(options), "splits": splits,
        "recipes": {one.recipe_name: one.recipe_text for one in asked},
    }  # fmt: skip
    with _alone(folder):
        _check_same(folder, settings)
        runs = RunFolder(folder)
        tables = [
            _write_table(examples, parts, folder / f"split-{number}.csv")
            for number, parts in zip(numbers, shares, strict=True)
        ]
        features = feature_cache or folder / "features"
        words = [*options, "--task", task]
        if record.pooled:
            words += ["--feature-cache", str(features)]
        failed = _train(asked, runs, tables, numbers, words, list(splits.values()), verbose)
        done = [one for one in asked if one.name not in failed]
        if not done:
            name, reason = next(iter(failed.items()))
            raise InputError(f"none could be trained; {name}: {reason}")
        vals = [parts[1] for parts in prepared]
        rows = rows_of(done, runs, numbers, vals, record, folder / "answers", verbose)
        figure = next(iter(record.headline(runs.said(done[0].run_name(seed))["metrics"])))
        comparison = Comparison(
            tuple(rows), figure, task, len(prepared[0][0]), len(vals[0]), numbers,
            tuple(splits.values()), str(folder), record.used, failed,
        )  # fmt: skip
        write_files(comparison, folder, command=command)
        if not failed:
            shutil.rmtree(folder / "features", ignore_errors=True)
    return comparison


def _train(
    asked: Sequence[Combination], runs: RunFolder, tables: Sequence[Path], seeds: Sequence[int],
    words: Sequence[str], splits: Sequence[str], verbose: bool,
) -> dict[str, str]:  # fmt: skip
    """Train what is not there yet; returns what failed and why."""
    failed: dict[str, str] = {}
    jobs = [(one, offset) for one in asked for offset in range(len(seeds))]
    bar = tqdm(jobs, "training", unit="run", disable=not verbose, leave=False)
    for one, offset in bar:
        name = one.run_name(seeds[offset])
        if one.name in failed:
            continue
        if runs.said(name) is None:
            bar.set_description(name)
            if verbose:
                bar.write(f"{name}: training, see {runs.log(name)}", file=sys.stderr)
            base = one.candidate
            own = [
                str(tables[offset]), *words, "--backbone", base.backbone,
                "--weights", base.weights, "--image-size", str(base.image_size),
                "--recipe", one.recipe, "--seed", str(seeds[offset]),
            ]  # fmt: skip
            reason = runs.train(name, own)
            if reason is not None:
                failed[one.name] = reason
                if verbose:
                    bar.write(f"{name}: failed: {reason}", file=sys.stderr)
                continue
        said = runs.said(name)
        if said["split"]["fingerprint"] != splits[offset]:
            raise InputError(
                f"{runs.run(name)} was trained on another split than the others: images of the "
                "data were changed or are gone; put them back, or compare anew with another output"
            )
        figure = next(iter(get_task(said["task"]).headline(said["metrics"]).values()), None)
        if figure is None or figure["value"] is None:
            failed[one.name] = "it has no figure to compare by on these validation images"
    return failed


def _write_table(examples: "Examples", parts: Sequence[Any], file: Path) -> Path:
    """The split as a file that another process opens."""
    from tl_keras.data.reading.table_out import to_csv

    part_of = {
        path: name
        for name, part in zip(("train", "val", "test"), parts, strict=True)
        if part is not None
        for path in part.paths
    }
    rows = [k for k, path in enumerate(examples.paths) if path in part_of]
    table = examples.subset(rows)
    splits = tuple(part_of[path] for path in table.paths)
    # From the folder of this process; a table counts from its own.
    paths = tuple(map(os.path.abspath, table.paths))
    return to_csv(replace(table, paths=paths, splits=splits), file)


def _check_same(folder: Path, settings: dict[str, Any]) -> None:
    """Raise if the folder holds a comparison of other settings, else write them down.

    Raises:
        InputError: It does, or other files.
    """
    file = folder / _SETTINGS
    others = [path for path in folder.iterdir() if path.name != _LOCK]
    if not file.exists():
        if others:
            raise InputError(
                f"{folder} holds other files; give another --output, or move them away"
            )
        before = {}
    else:
        before = json.loads(file.read_text())
        changed = [key for key in ("data", "task", "options") if before[key] != settings[key]]
        changed += [
            f"{what} {name}"
            for what in ("splits", "recipes")
            for name in before[what].keys() & settings[what].keys()
            if before[what][name] != settings[what][name]
        ]
        if changed:
            raise InputError(
                f"{folder} holds a comparison with other {', '.join(changed)}; give another "
                "--output, or delete that folder to begin anew"
            )
    for what in ("splits", "recipes"):
        settings = {**settings, what: {**before.get(what, {}), **settings[what]}}
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(settings, indent=1))
    partial.replace(file)


_LOCK = "in-use"


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Within, no other process compares into the folder, which is made.

    Raises:
        InputError: One does, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / _LOCK).open("w")
    except OSError as problem:
        raise InputError(
            f"cannot write to {folder} ({problem.strerror}); give an --output that you may write to"
        ) from None
    with lock:
        if not take_lock(lock):
            raise InputError(
                f"another process compares into {folder}; wait for it, or give another --output"
            )
        yield
