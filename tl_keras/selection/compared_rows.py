"""From trained models to the rows of a comparison: figures, latency, who is even with the best."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from tl_keras.evaluation.holm import holm
from tl_keras.selection.apart import cost_of
from tl_keras.selection.compared_runs import Combination, RunFolder
from tl_keras.selection.comparison import Compared
from tl_keras.selection.latency import in_proportion, in_turns, one_image
from tl_keras.selection.paired import LEVEL, sign_flip
from tl_keras.tasks.registry import get_task

if TYPE_CHECKING:
    from tl_keras.data.examples import Examples
    from tl_keras.tasks.task import Task


def rows_of(
    done: Sequence[Combination],
    runs: RunFolder,
    seeds: Sequence[int],
    vals: Sequence["Examples"],
    task: "Task",
    answers: Path,
    verbose: bool,
) -> list[Compared]:
    """Measure every model, one after the other in this process, and put them in order.

    Args:
        done: Bases with recipes of which a run of every seed is there.
        runs: Where.
        seeds: Of the runs.
        vals: Validation images of each seed.
        task: What they were trained for.
        answers: Folder to keep in which images were answered rightly.
        verbose: Whether progress goes to standard error.

    Returns:
        The rows, best first; of equally good ones the quickest.
    """
    answers.mkdir(exist_ok=True)
    said = {one: [runs.said(one.run_name(seed)) for seed in seeds] for one in done}
    found_by = _features_seconds([each for several in said.values() for each in several])
    timed: dict[Any, tuple[float, float]] = {}
    first = None
    rows, rights = [], {}
    for one in tqdm(done, "measuring", unit="model", disable=not verbose, leave=False):
        names = [one.run_name(seed) for seed in seeds]
        folders = [runs.run(name) for name in names]
        structure = (one.candidate.backbone, one.candidate.image_size, said[one][0]["parameters"])
        opened = functools.cache(_opened)  # once for both, and gone with the next
        if structure not in timed:
            call = one_image(opened(folders[0]).model)
            first = first or call
            timed[structure] = in_turns(first, call)
        rows.append(_row(one, names, runs, said[one], found_by))
        if task.right is not None:
            rights[one.name] = [
                _right(task.right, opened, folder, val, answers / f"{name}.npy")
                for folder, val, name in zip(folders, vals, names, strict=True)
            ]
    seconds = in_proportion(timed)
    rows = [
        replace(row, milliseconds=1000 * seconds[row.backbone, row.image_size, row.parameters])
        for row in rows
    ]
    rows.sort(key=lambda row: (-row.value, row.milliseconds, row.training_seconds))
    rows = [replace(row, slower=row.milliseconds / rows[0].milliseconds) for row in rows]
    return _judged(rows, rights, vals) if rights else rows


def _opened(folder: Path) -> Any:
    from tl_keras.artefact.predictor import load

    return load(folder)


def _row(
    one: Combination, names: Sequence[str], runs: RunFolder, said: Sequence[Mapping[str, Any]],
    found_by: Mapping[str, float],
) -> Compared:  # fmt: skip
    """All that needs no other row; latency is filled in later."""
    task = get_task(said[0]["task"])
    figures = [next(iter(task.headline(each["metrics"]).values())) for each in said]
    values = tuple(figure["value"] for figure in figures)
    limits = {
        key: None if any(figure[key] is None for figure in figures)
        else float(np.mean([figure[key] for figure in figures]))
        for key in ("low", "high")
    }  # fmt: skip
    costs = [cost_of(runs.cost(name)) for name in names]
    peaks = [cost["peak_bytes"] for cost in costs if cost["peak_bytes"]]
    tested = None
    if "test_metrics" in said[0]:
        tested = next(iter(task.headline(said[0]["test_metrics"]).values()))
    folders = [runs.run(name) for name in names]
    return Compared(
        name=one.name,
        backbone=one.candidate.backbone,
        weights=one.candidate.weights,
        image_size=one.candidate.image_size,
        recipe=said[0]["recipe"]["name"],
        value=float(np.mean(values)),
        **limits,
        values=values,
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        even=None,
        p_value=None,
        milliseconds=0.0,
        slower=0.0,
        megabytes=round((folders[0] / "model.keras").stat().st_size / 1e6, 2),
        parameters=said[0]["parameters"],
        training_seconds=round(float(np.mean([_seconds(each, found_by) for each in said])), 1),
        peak_megabytes=round(max(peaks) / 1e6) if peaks else None,
        starts=sum(cost["starts"] for cost in costs),
        tested=tested,
        runs=tuple(map(str, folders)),
    )


def _features_seconds(said: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Key of features that some run computed -> seconds."""
    return {
        key: seconds
        for each in said
        for key, seconds in each.get("features", {}).get("computed", {}).items()
    }


def _seconds(said: Mapping[str, Any], found_by: Mapping[str, float]) -> float:
    """Of the training, as if no other run had computed features before."""
    found = said.get("features", {}).get("found", ())
    return said["seconds"] + sum(found_by.get(key, 0.0) for key in found)


def _right(
    right: Callable[..., np.ndarray], opened: Callable[[Path], Any], folder: Path, val: "Examples",
    kept: Path,
) -> np.ndarray:  # fmt: skip
    """Which images a model answers rightly, int8 (N,)."""
    # Older than the model: of one that was deleted by hand and trained again.
    if kept.exists() and kept.stat().st_mtime >= (folder / "model.keras").stat().st_mtime:
        return np.load(kept, allow_pickle=False)
    found = right(*opened(folder).judged(val)).astype(np.int8)
    np.save(kept, found)
    return found


def _judged(
    rows: Sequence[Compared], rights: Mapping[str, Sequence[np.ndarray]], vals: Sequence["Examples"]
) -> list[Compared]:
    """The rows with what can be said of their difference to the first."""
    digests = np.concatenate([np.asarray(val.digests) for val in vals])
    # An image counts once, however many seeds have it.
    _, image = np.unique(digests, return_inverse=True)
    whole = {name: np.concatenate(each).astype(int) for name, each in rights.items()}
    best, *others = rows
    p_values = []
    for row in others:
        differences = np.zeros(image.max() + 1, int)
        np.add.at(differences, image, whole[best.name] - whole[row.name])
        p_values.append(sign_flip(differences))
    return [best] + [
        replace(row, p_value=p, even=p >= LEVEL)
        for row, p in zip(others, holm(p_values), strict=True)
    ]
